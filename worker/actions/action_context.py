"""What an action gets: the context of its function, and the browser work of the task so far."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

from playwright.async_api import Page

from slotgrid.function import Context
from worker.actions.browser_session import RESERVE_S, BrowserSession
from worker.actions.function_files import FunctionFiles
from worker.shared_parts import P

T = TypeVar("T")


class StepContext(Context, Protocol):
    """The context of a step: that of a function, with what the functions of a task share."""

    def shared(self, kind: Callable[[], P]) -> P:
        """The task's one object of that class, made at the first call in this attempt."""

    @property
    def has_secrets(self) -> bool:
        """Whether the task has secrets, which nothing that it saves may show."""

    def hide(self, value: Any) -> Any:
        """A JSON value without the task's secrets. Thread-safe."""

    @property
    def is_traced(self) -> bool:
        """Whether Playwright's trace of the task is on, for a failure."""

    async def network(self, proxy: Mapping[str, Any] | None = None) -> str | None:
        """The task's proxy for requests outside of its browser, `http://127.0.0.1:PORT`.

        It opens the same targets as the task's pages, by the same route, and counts as their
        traffic does. `proxy`: that of the pages to come, as in Playwright's `new_context`. None if
        the node has no traffic guard. Raises OptionRefused.
        """


class ActionContext:
    """The first argument of every action.

    `context` is the function's, whose lines belong to the step. `files` reads the functions
    folder. `variables` are the recipe's, which `set` changes.
    """

    def __init__(
        self,
        context: StepContext,
        *,
        files: FunctionFiles,
        variables: dict[str, Any],
    ) -> None:
        self.context = context
        self.files = files
        self.variables = variables
        self.session: BrowserSession = context.shared(BrowserSession)

    async def page(self, url: str = "") -> Page:
        """The current tab; the first call opens the task's browser context.

        `url` is where the tab goes next: a user name and a password in it, and cookies of the
        recipe without a domain, are for its origin. Raises TabClosed if the tab was closed and no
        other is open, InputRefused for options of the browser that cannot be fulfilled.
        """
        return await self.session.page(self.context, url)

    async def within(self, seconds: float, work: Awaitable[T], *, what: str) -> T:
        """Await `work` for so many seconds, and no longer than the task may run.

        Raises StepTimeout, which says `what` was waited for.
        """
        return await self.session.within(self.context, seconds, work, what=what)

    def limit_s(self, seconds: float) -> float:
        """So many seconds, or those that the task has left, if they are fewer; above 0."""
        return max(0.001, min(seconds, self.context.deadline.remaining_s - RESERVE_S))

    async def call(self, function: str, given: Mapping[str, Any]) -> Any:
        """Run a function in this slot, as a step of this task."""
        return await self.context.call(function, given)
