"""A Python function that is ready to run."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from slotgrid.function import Context
from slotgrid.function_files.snapshot import Snapshot
from worker.registry.python.generation import Generation
from worker.registry.runnable import Runnable
from worker.signatures.binding import Binding

RunPlain = Callable[["PythonFunction", Context, Mapping[str, Any]], Awaitable[Any]]
"""Runs a plain function with a valid input, outside of the event loop."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PythonFunction(Runnable):
    """A marked `def` or `async def` and its file.

    `sources` is the text of the function's files, for a child process that must run the same
    code. `generation` keeps that state of the folder importable.
    """

    callable: Callable[..., Any]
    is_coroutine: bool
    retry_on: tuple[type[Exception], ...]
    path: PurePosixPath
    binding: Binding
    run_plain: RunPlain = field(repr=False)
    sources: Snapshot = field(repr=False)
    generation: Generation = field(repr=False)

    def run(self, context: Context, filled: Mapping[str, Any]) -> Awaitable[Any]:
        """Call a coroutine function here, a plain one in a child process."""
        if not self.is_coroutine:
            return self.run_plain(self, context, filled)
        awaitable: Awaitable[Any] = self.callable(context, **self.binding.bind(filled))
        return awaitable

    def allows_retry(self, error: BaseException) -> bool:
        """Whether `retry_on` names the error's class."""
        return isinstance(error, self.retry_on)
