"""Interfaces between the worker and its functions, services and tags.

Import them from `slotgrid.function`, which also has the decorators.
"""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Protocol

from slotgrid.core.deadlines import Deadline
from slotgrid.core.task_parts import Artifact, FileData

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Page


class NodeFacts(Protocol):
    """Facts about the worker that a tag may read."""

    @property
    def name(self) -> str:
        """The worker's `NODE_NAME`."""

    @property
    def browser_version(self) -> str | None:
        """For example `156.0.8078.79`; None while no browser is available."""


class Service(Protocol):
    """A long-lived helper of functions. Its class is decorated with `@service`."""

    async def start(self) -> None:
        """Start the service; an exception means `down`, and a retry follows with backoff."""

    async def stop(self) -> None:
        """Stop the service in any state; called before each restart and at the worker's end."""

    async def status(self) -> Any:
        """Return any JSON while healthy (called each second); an exception means `down`."""


class Context(Protocol):
    """The context of a running function. All methods that send something are awaited."""

    @property
    def task_id(self) -> str:
        """The task's UUIDv7."""

    @property
    def attempt(self) -> int:
        """1 for the first run of the task."""

    @property
    def deadline(self) -> Deadline:
        """When this attempt is stopped; `deadline.remaining_s` is the time left."""

    @property
    def cancelled(self) -> bool:
        """True once the task was cancelled; its coroutine gets `CancelledError` as well."""

    @property
    def secrets(self) -> Mapping[str, str]:
        """The values of the names that `@function(secrets=...)` declared.

        An optional secret that is missing is absent: use `secrets.get(name)`.
        """

    @property
    def browser_context(self) -> "BrowserContext":
        """Playwright's context of this task. Raises RuntimeError before the first `page()`."""

    async def page(
        self,
        options: Mapping[str, Any] | None = None,
        *,
        prepare: Callable[["Page"], Awaitable[None]] | None = None,
    ) -> "Page":
        """The context's first page. No browser is touched before this line.

        The first call opens the context. `options` are arguments of Playwright's `new_context` and
        take precedence over those of the decorator; their proxy must be a public address, or in
        ALLOWED_PRIVATE_NETWORKS. `prepare` is awaited with the page if this call opens it.
        Raises OptionRefused for unusable options, and in a later call for other options.
        """

    async def emit(self, kind: str, text: str | None = None, data: Any = None) -> None:
        """Emit an event of a custom kind; `data` is any JSON. Waits for a slow reader.

        Raises ValueError for data that is not JSON or a kind that is reserved.
        """

    async def status(self, text: str) -> None:
        """Emit a text about the current work."""

    async def progress(self, text: str, fraction: float | None = None) -> None:
        """Emit the progress; `fraction` is from 0 to 1."""

    async def stream(self, chunk: str) -> None:
        """Emit a chunk of the result; mode `stream` sends it at once."""

    async def log(self, line: str, stream: Literal["stdout", "stderr"] = "stdout") -> None:
        """Write a line into the task's log."""

    @property
    def file_limit_bytes(self) -> int:
        """The largest file that the task may save: the worker's ARTIFACT_LIMIT."""

    async def save(self, name: str, data: FileData, *, replace: bool = True) -> Artifact:
        """Save a file as an artifact; its `name` is `name` as every file system takes it.

        `data` is bytes, text, the path of a file (it is copied), an open binary file (it is read
        from its position) or an asynchronous iterator of bytes; the last three are read in pieces
        of 1 MiB. A second file of that name replaces the first, or without `replace` gets a number:
        `Report (1).pdf`. Raises ValueError for data that cannot be read, more than
        `file_limit_bytes`, or too many files.
        """

    def allow_address(self, url: str) -> None:
        """Let the task's pages reach the host and port of `url`, also at a private address.

        For a server that the function itself starts. Raises ValueError without a host and a port.
        """

    async def call(self, function: str, input: Mapping[str, Any] | None = None) -> Any:  # noqa: A002
        """Run another function in this task's slot, context and deadline."""

    def service(self, name: str) -> Any:
        """The running service, which `@function(requires=...)` must name."""


class PlainContext(Protocol):
    """The context of a plain `def` in its child process: some of the methods, without `await`."""

    @property
    def task_id(self) -> str:
        """The task's UUIDv7."""

    @property
    def attempt(self) -> int:
        """1 for the first run of the task."""

    @property
    def deadline(self) -> Deadline:
        """When this process is killed; `deadline.remaining_s` is the time left."""

    @property
    def secrets(self) -> Mapping[str, str]:
        """The values of the names that `@function(secrets=...)` declared.

        An optional secret that is missing is absent: use `secrets.get(name)`.
        """

    def emit(self, kind: str, text: str | None = None, data: Any = None) -> None:
        """Emit an event of a custom kind; `data` is any JSON."""

    def status(self, text: str) -> None:
        """Emit a text about the current work."""

    def progress(self, text: str, fraction: float | None = None) -> None:
        """Emit the progress; `fraction` is from 0 to 1."""

    def stream(self, chunk: str) -> None:
        """Emit a chunk of the result; mode `stream` sends it at once."""

    def log(self, line: str, stream: Literal["stdout", "stderr"] = "stdout") -> None:
        """Write a line into the task's log."""

    def save(
        self, name: str, data: bytes | str | Path | BinaryIO, *, replace: bool = True
    ) -> Artifact:
        """Save a file as an artifact; its `name` is `name` as every file system takes it.

        `data` is bytes, text, the path of a file (it is copied) or an open binary file (it is read
        from its position). A second file of that name replaces the first, or without `replace` gets
        a number: `Report (1).pdf`. Raises ValueError for data that cannot be read, more than
        ARTIFACT_LIMIT bytes, or too many files.
        """
