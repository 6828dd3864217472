"""Guards what a task registers with Playwright, so that it can only hurt the task itself.

Two faults would reach further. An exception in a listener is raised by the *next call on the same
driver*, whichever task makes it: the connection has one error slot for all. And an event that
floods (a page logging without end, with a listener for it) fills the driver until it answers
nobody. So each callable that a task hands over is wrapped: exceptions stop here, and a listener
past its budget is removed, which also makes the driver stop sending.
"""

import functools
import inspect
import time
from collections.abc import Callable
from typing import Any

from playwright.async_api import BrowserContext, Page, WebSocket, WebSocketRoute, Worker

Listener = Callable[..., Any]

BUDGETS = {"console": (500, 50), "pageerror": (500, 50), "weberror": (500, 50)}
DEFAULT_BUDGET = (2000, 500)
"""(at once, per second for long): how many events a listener may get.

A script can log tens of thousands of lines a second at no cost, and on a busy machine we read only
some hundreds of them: so few have to be enough to call it a flood. The other events cost the page
something, and a page may have good reason for many.
"""

HANDLER_AT = {
    "on": 1,
    "once": 1,
    "remove_listener": 1,
    "route": 1,
    "unroute": 1,
    "route_web_socket": 1,
    "add_locator_handler": 1,
    "on_message": 0,
    "on_close": 0,
}
"""Methods of Playwright that take a callable, and which argument it is."""

CAUGHT = (Exception, SystemExit, KeyboardInterrupt)
"""A listener is called by the event loop, out of which `sys.exit()` would take the process."""

LISTENING = ("on", "once", "remove_listener")


class Budget:
    """A token bucket; `now` is a monotonic clock in seconds."""

    def __init__(self, burst: int, per_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self._burst = burst
        self._per_s = per_s
        self._now = now
        self._left = float(burst)
        self._seen = now()

    def spend(self, amount: int = 1) -> bool:
        """Takes `amount`; False, and nothing is taken, when less than that is left."""
        now = self._now()
        self._left = min(self._burst, self._left + (now - self._seen) * self._per_s)
        self._seen = now
        if self._left < amount:
            return False
        self._left -= amount
        return True


class ListenerGuard:
    """The guard of one context: of it, its pages, and what their events bring.

    `on_error` gets each exception of a listener, `on_flood` the name of each event that was cut
    off. The methods are replaced on the instances, as Playwright keeps one object per page.
    """

    def __init__(
        self, on_error: Callable[[BaseException], None], on_flood: Callable[[str], None]
    ) -> None:
        self._on_error = on_error
        self._on_flood = on_flood
        self._wrapped: dict[tuple[int, str, Listener], Listener] = {}

    def guard_context(self, context: BrowserContext) -> None:
        """Guards a context, with the pages that it has and will have."""
        # Before anything of the task's listens, so that a page is guarded when the task gets it.
        context.on("page", self._guard)
        self._guard(context)
        for page in context.pages:
            self._guard(page)

    def _guard(self, target: Any) -> None:
        if any(name in vars(target) for name in HANDLER_AT):
            return
        for name in HANDLER_AT:
            if method := getattr(target, name, None):
                setattr(target, name, self._shadow(target, name, method))
        if isinstance(target, WebSocketRoute):
            target.connect_to_server = self._adopting(target.connect_to_server)  # type: ignore[method-assign]

    def _shadow(self, target: Any, name: str, method: Listener) -> Listener:
        position = HANDLER_AT[name]

        @functools.wraps(method)
        def shadow(*args: Any, **kwargs: Any) -> Any:
            event = str(args[0]) if name in LISTENING and args else ""
            handed = list(args)
            if len(handed) > position:
                handed[position] = self._wrap(target, event, handed[position])
            for keyword in ("f", "handler"):
                if keyword in kwargs:
                    kwargs[keyword] = self._wrap(target, event, kwargs[keyword])
            return method(*handed, **kwargs)

        return shadow

    def _wrap(self, target: Any, event: str, listener: Any) -> Any:
        """The guarded form of `listener`, always the same one, so that it can be removed again."""
        if not callable(listener):
            return listener
        key = (id(target), event, listener)
        if key not in self._wrapped:
            self._wrapped[key] = self._guarded(target, event, listener)
        return self._wrapped[key]

    def _guarded(self, target: Any, event: str, listener: Listener) -> Listener:
        budget = Budget(*BUDGETS.get(event, DEFAULT_BUDGET))
        flooded = False

        def guarded(*args: Any) -> Any:
            nonlocal flooded
            if event and not budget.spend():
                if not flooded:
                    flooded = True
                    type(target).remove_listener(target, event, guarded)
                    self._on_flood(event)
                return None
            for arg in args:
                if isinstance(arg, (Page, WebSocket, WebSocketRoute, Worker)):
                    self._guard(arg)
            try:
                answer = listener(*args)
            except CAUGHT as error:
                self._on_error(error)
                return None
            return self._awaited(answer) if inspect.isawaitable(answer) else None

        try:
            # Playwright passes as many arguments as the signature takes. `updated=()`: its own
            # wrapper is remembered in the callable's __dict__, and that one is not guarded.
            inspect.signature(listener)
            return functools.wraps(listener, updated=())(guarded)
        except (TypeError, ValueError):  # some builtins have no signature
            return guarded

    async def _awaited(self, answer: Any) -> None:
        try:
            await answer
        except CAUGHT as error:
            self._on_error(error)

    def _adopting(self, method: Listener) -> Listener:
        @functools.wraps(method)
        def adopting() -> Any:
            answer = method()
            self._guard(answer)
            return answer

        return adopting
