"""Guards the listeners that a task registers with Playwright: their faults affect only the task.

Without the guard, two faults affect other tasks. Playwright raises an exception of a listener in
the *next call on the same driver*, in any task: the connection has one error slot for all. And a
flood of events (a page that logs without end, with a listener for it) fills the driver until it
no longer responds. So each callable of a task is wrapped: the wrapper catches exceptions, and
removes a listener above its budget, so that the driver stops sending the event.
"""

import contextlib
import functools
import inspect
import time
from collections.abc import Callable
from typing import Any

from playwright.async_api import BrowserContext, Page, WebSocket, WebSocketRoute, Worker

from slotgrid.runtime.task_output import OUTPUT, Output

Listener = Callable[..., Any]

BUDGETS = {"console": (500, 50), "pageerror": (500, 50), "weberror": (500, 50)}
DEFAULT_BUDGET = (2000, 500)
"""(burst, sustained rate per second) of the events that a listener may get.

The events in BUDGETS have low limits: a script can log tens of thousands of lines a second at no
cost, and on a busy machine we read only some hundreds of them. Other events cost the page
something, and a page may need many of them.
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
"""Methods of Playwright that take a callable, and the position of that argument."""

CAUGHT = (Exception, SystemExit, KeyboardInterrupt)
"""Includes SystemExit: the event loop calls listeners, and `sys.exit()` there ends the process."""

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
        """Take `amount` tokens; False, and none is taken, if fewer are left."""
        now = self._now()
        self._left = min(self._burst, self._left + (now - self._seen) * self._per_s)
        self._seen = now
        if self._left < amount:
            return False
        self._left -= amount
        return True


class ListenerGuard:
    """Guards one context, its pages, and the objects that their events carry.

    `on_error` gets each exception of a listener, `on_flood` the name of each event whose listener
    was removed. Methods are replaced on the instances, as Playwright keeps one object per page.
    """

    def __init__(
        self, on_error: Callable[[BaseException], None], on_flood: Callable[[str], None]
    ) -> None:
        self._on_error = on_error
        self._on_flood = on_flood
        self._wrapped: dict[tuple[int, str, Listener], Listener] = {}
        self._registered: list[tuple[BrowserContext, str, Any]] = []
        self._released = False

    def guard_context(self, context: BrowserContext) -> None:
        """Guard a context with its present and future pages."""
        # Registered before any listener of the task: the task gets only guarded pages.
        context.on("page", self._guard)
        self._guard(context)
        for page in context.pages:
            self._guard(page)

    def release(self, context: BrowserContext, *, silence: bool) -> None:
        """Remove all listeners from a context that is kept, but not from its pages.

        `silence`: no callable runs any more, handlers of routes included.
        """
        self._released = silence
        for target, event, listener in [*self._registered, (context, "page", self._guard)]:
            with contextlib.suppress(Exception):  # removed already, or it was a `once`
                type(target).remove_listener(target, event, listener)
        self._registered.clear()

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
            if name in {"on", "once"} and isinstance(target, BrowserContext):
                self._registered += [(target, event, one) for one in _callables(handed, kwargs)]
            return method(*handed, **kwargs)

        return shadow

    def _wrap(self, target: Any, event: str, listener: Any) -> Any:
        """The guarded form of `listener`; the same object each time, so that removal works."""
        if not callable(listener):
            return listener
        key = (id(target), event, listener)
        if key not in self._wrapped:
            self._wrapped[key] = self._guarded(target, event, listener)
        return self._wrapped[key]

    def _guarded(self, target: Any, event: str, listener: Listener) -> Listener:
        output = OUTPUT.get()  # Playwright calls listeners outside of the function's context
        budget = Budget(*BUDGETS.get(event, DEFAULT_BUDGET))
        flooded = False

        def guarded(*args: Any) -> Any:
            nonlocal flooded
            if self._released:
                return None
            if event and not budget.spend():
                if not flooded:
                    flooded = True
                    type(target).remove_listener(target, event, guarded)
                    self._on_flood(event)
                return None
            for arg in args:
                if isinstance(arg, (Page, WebSocket, WebSocketRoute, Worker)):
                    self._guard(arg)
            token = OUTPUT.set(output)
            try:
                answer = listener(*args)
            except CAUGHT as error:
                self._on_error(error)
                return None
            finally:
                OUTPUT.reset(token)
            return self._awaited(answer, output) if inspect.isawaitable(answer) else None

        try:
            # Playwright passes as many arguments as the signature takes. `updated=()`: Playwright
            # caches its own, unguarded wrapper in the callable's __dict__; do not copy it.
            inspect.signature(listener)
            return functools.wraps(listener, updated=())(guarded)
        except (TypeError, ValueError):  # some builtins have no signature
            return guarded

    async def _awaited(self, answer: Any, output: Output | None) -> None:
        before = OUTPUT.get()
        OUTPUT.set(output)
        try:
            await answer
        except CAUGHT as error:
            self._on_error(error)
        finally:
            OUTPUT.set(before)

    def _adopting(self, method: Listener) -> Listener:
        @functools.wraps(method)
        def adopting() -> Any:
            answer = method()
            self._guard(answer)
            return answer

        return adopting


def _callables(positional: list[Any], named: dict[str, Any]) -> list[Any]:
    return [one for one in [*positional, *named.values()] if callable(one)]
