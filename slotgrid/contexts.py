"""What a function is given when it runs, and what services and tags have to do with the worker.

Imported from `slotgrid.function`, which has the decorators beside them.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol

from slotgrid.core.moments import Deadline
from slotgrid.core.parts import Artifact

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Page


class NodeFacts(Protocol):
    """What a tag may ask about the worker that it describes."""

    @property
    def name(self) -> str:
        """The worker's `NODE_NAME`."""

    @property
    def browser_version(self) -> str | None:
        """For example `156.0.8078.79`; None while no browser could be had."""


class Service(Protocol):
    """A long-lived helper of functions. Its class is decorated with `@service`."""

    async def start(self) -> None:
        """Begin; an exception means `down`, and start is tried again with a growing delay."""

    async def stop(self) -> None:
        """End, whatever state it is in; called before each restart and at the worker's end."""

    async def status(self) -> Any:
        """Anything JSON while it is well (asked each second); an exception means `down`."""


class Context(Protocol):
    """What a running function is given. Everything that speaks is awaited."""

    @property
    def task_id(self) -> str:
        """The task's UUIDv7."""

    @property
    def attempt(self) -> int:
        """1 for the first run of the task."""

    @property
    def deadline(self) -> Deadline:
        """When this attempt is stopped; `deadline.remaining_s` is what is left."""

    @property
    def cancelled(self) -> bool:
        """True once the task was cancelled; its coroutine gets `CancelledError` as well."""

    @property
    def secrets(self) -> Mapping[str, str]:
        """The values of the names that `@function(secrets=...)` declared."""

    @property
    def browser_context(self) -> "BrowserContext":
        """Playwright's context of this task. Raises RuntimeError before the first `page()`."""

    async def page(self) -> "Page":
        """The context's first page. No browser is touched before this line."""

    async def emit(self, kind: str, text: str | None = None, data: Any = None) -> None:
        """Say something of your own kind; `data` is anything JSON. Waits for a slow reader.

        Raises ValueError for data that is not JSON or a kind that is reserved.
        """

    async def status(self, text: str) -> None:
        """Say in words what is going on."""

    async def progress(self, text: str, fraction: float | None = None) -> None:
        """Say how far it is; `fraction` is from 0 to 1."""

    async def stream(self, chunk: str) -> None:
        """Hand over a piece of the answer, in mode `stream` at once."""

    async def log(self, line: str, stream: Literal["stdout", "stderr"] = "stdout") -> None:
        """Write a line into the task's log."""

    async def save(self, name: str, data: bytes | str) -> Artifact:
        """Keep a file with the task. Raises ValueError for an unusable name or too much data."""

    async def call(self, function: str, input: Mapping[str, Any] | None = None) -> Any:  # noqa: A002
        """Run another function here and now, in this task's slot, context and deadline."""

    def service(self, name: str) -> Any:
        """The running service, which `@function(requires=...)` must name."""


class PlainContext(Protocol):
    """What a plain `def` is given, in its child process: the same words, without `await`."""

    @property
    def task_id(self) -> str:
        """The task's UUIDv7."""

    @property
    def attempt(self) -> int:
        """1 for the first run of the task."""

    @property
    def deadline(self) -> Deadline:
        """When this process is killed; `deadline.remaining_s` is what is left."""

    @property
    def secrets(self) -> Mapping[str, str]:
        """The values of the names that `@function(secrets=...)` declared."""

    def emit(self, kind: str, text: str | None = None, data: Any = None) -> None:
        """Say something of your own kind; `data` is anything JSON."""

    def status(self, text: str) -> None:
        """Say in words what is going on."""

    def progress(self, text: str, fraction: float | None = None) -> None:
        """Say how far it is; `fraction` is from 0 to 1."""

    def stream(self, chunk: str) -> None:
        """Hand over a piece of the answer, in mode `stream` at once."""

    def log(self, line: str, stream: Literal["stdout", "stderr"] = "stdout") -> None:
        """Write a line into the task's log."""

    def save(self, name: str, data: bytes | str) -> Artifact:
        """Keep a file with the task. Raises ValueError for an unusable name or too much data."""
