"""A function that is ready to run, whatever its kind."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from slotgrid.core.spec import FunctionSpec
from slotgrid.function import Context, FailureRecord
from slotgrid.runtime.watchdog import function_task_name
from slotgrid.wire.encoding import encode
from slotgrid.wire.functions import info_of
from worker.secrets.declared_secrets import FunctionSecrets, no_secrets


@dataclass(frozen=True, kw_only=True, eq=False)
class Runnable(ABC):
    """A function in the state of its file at the load.

    Keep a reference while the function runs: it keeps that state. `secrets` are those that it
    names, whose values may change between tasks. `context_options` are arguments of Playwright's
    `new_context`; `on_failure` names the artifacts that are made of an open page when the task
    fails.
    """

    spec: FunctionSpec
    secrets: FunctionSecrets = field(default_factory=no_secrets)
    context_options: Mapping[str, Any] = field(default_factory=dict)
    on_failure: tuple[FailureRecord, ...] = ("screenshot",)
    is_code: ClassVar[bool] = True
    """Whether its author reads tracebacks of Python."""

    @abstractmethod
    def run(self, context: Context, filled: Mapping[str, Any]) -> Awaitable[Any]:
        """Start with a valid input; await the returned object for the result.

        The result is whatever the function returns; `checked_output` makes JSON of it.
        """

    def allows_retry(self, error: BaseException) -> bool:
        """Whether another attempt makes sense after the function raised the error."""
        return isinstance(error, Exception)

    @cached_property
    def task_name(self) -> str:
        """The name of the asyncio tasks that run the function."""
        return function_task_name(self.spec.name)

    @cached_property
    def has_secrets(self) -> bool:
        """Whether the function has secrets or secret inputs, which must be hidden."""
        return self.spec.input.has_secrets or bool(self.secrets.names)

    @cached_property
    def link_bytes(self) -> int:
        """Bytes of the function's description on a link. Raises an error if it is not JSON."""
        return len(encode(info_of(self.spec)))
