"""Services: long-lived helpers of functions, kept running."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import structlog

from slotgrid.core.moments import iso
from worker.registry.binding import plain_json
from worker.registry.definitions import ServiceDefinition
from worker.registry.patience import within
from worker.registry.registry import Registry

STATUS_EVERY_S = 1.0
STATUS_TIMEOUT_S = 5.0
STOP_TIMEOUT_S = 5.0
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
"""Between two starts; a service that was up for longer than this begins with the first pause."""

log = structlog.get_logger()


class ServiceState(StrEnum):
    """Where a service stands. It is `down` from a failure until the next start begins."""

    STARTING = "starting"
    UP = "up"
    DOWN = "down"


class ServiceNotUp(RuntimeError):
    """A function asked for a service that is not there at this moment."""


@dataclass(frozen=True, kw_only=True)
class ServiceReport:
    """A service as `/health` shows it.

    `status` is what its `status()` last answered, `since` when its state began (seconds since the
    epoch), `error` why it was down last.
    """

    name: str
    state: ServiceState
    status: Any
    since: float
    restarts: int
    error: str | None

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "name": self.name,
            "state": self.state,
            "status": self.status,
            "since": iso(self.since),
            "restarts": self.restarts,
            "error": self.error,
        }


class Services:
    """Runs what the registry defines: starts it, asks each second, restarts what went down.

    A definition of another revision takes the place of the one before; the others go on untouched.
    `clock` gives monotonic seconds, `sleep` waits for seconds of that clock.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
        status_timeout_s: float = STATUS_TIMEOUT_S,
        stop_timeout_s: float = STOP_TIMEOUT_S,
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter
        self._status_timeout_s = status_timeout_s
        self._stop_timeout_s = stop_timeout_s
        self._kept: dict[str, _Kept] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._callbacks: list[Callable[[], None]] = []
        self._running = False
        registry.on_change(self._follow_registry)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the services while the block runs; stop them all at its end, within a bound."""
        self._running = True
        self._follow_registry()
        try:
            yield
        finally:
            self._running = False
            for name in list(self._kept):
                self._end(name)
            if self._ending:
                # The bound is each service's own: `stop` is left to itself after its time.
                await asyncio.wait(self._ending)

    def state(self, name: str) -> ServiceState:
        """Where the service stands; one that nobody defines is `down`."""
        kept = self._kept.get(name)
        return kept.state if kept else ServiceState.DOWN

    def is_up(self, name: str) -> bool:
        """Whether tasks that require the service may start."""
        return self.state(name) is ServiceState.UP

    def instance(self, name: str) -> Any:
        """The running service. Raises ServiceNotUp."""
        kept = self._kept.get(name)
        if kept is None or kept.instance is None or kept.state is not ServiceState.UP:
            raise ServiceNotUp(f"the service `{name}` is {self.state(name)}")
        return kept.instance

    def snapshot(self) -> Sequence[ServiceReport]:
        """All services, by name."""
        return [self._kept[name].report() for name in sorted(self._kept)]

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call back whenever a service changes its state, comes or goes."""
        self._callbacks.append(callback)

    def _follow_registry(self) -> None:
        if not self._running:
            return
        defined = {definition.name: definition for definition in self._registry.services_defined}
        for name, kept in list(self._kept.items()):
            definition = defined.get(name)
            if definition is None or definition.revision != kept.definition.revision:
                self._end(name)
        for name, definition in defined.items():
            if name not in self._kept:
                kept = self._kept[name] = _Kept(definition)
                predecessors = {task for task in self._ending if task.get_name() == _title(name)}
                kept.task = asyncio.create_task(self._keep(kept, predecessors), name=_title(name))
                kept.task.add_done_callback(self._ended)
        self._tell()

    def _end(self, name: str) -> None:
        task = self._kept.pop(name).task
        if task is not None and not task.done():
            self._ending.add(task)
            task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._ending.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # A defect of ours, as the service's own errors are all answered for: told loudly.
            asyncio.get_running_loop().call_exception_handler(
                {
                    "message": f"{task.get_name()} failed: {type(error).__name__}: {error}",
                    "background": task.get_name(),
                    "exception": error,
                }
            )

    def _tell(self) -> None:
        for callback in self._callbacks:
            callback()

    def _move(self, kept: "_Kept", state: ServiceState, error: str | None = None) -> None:
        kept.move_to(state, error)
        self._tell()

    async def _keep(self, kept: "_Kept", predecessors: set[asyncio.Task[None]]) -> None:
        """Start the service again and again, with a growing pause, until cancelled."""
        if predecessors:
            await asyncio.wait(predecessors)  # never two of one name at a time
        pause_s = FIRST_PAUSE_S
        while True:
            began = self._clock()
            await self._live(kept)
            if self._clock() - began > LONGEST_PAUSE_S:
                pause_s = FIRST_PAUSE_S
            # Half of it by chance, so that what failed together does not come back together.
            await self._sleep(pause_s * (0.5 + 0.5 * self._jitter()))
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            kept.restarts += 1
            self._move(kept, ServiceState.STARTING, kept.error)

    async def _live(self, kept: "_Kept") -> None:
        """One life of the service, from its start until it went down and was stopped."""
        service = None
        try:
            service = kept.definition.factory()
            await self._start_and_ask(kept, service)
        # Whatever an author's code raises means `down`, an exit too.
        except (Exception, SystemExit) as error:
            reason = f"{type(error).__name__}: {error}".rstrip(": ")
            is_news = reason != kept.error
            kept.instance = None
            # Before it is stopped, which may take its time: no task starts with it any more.
            self._move(kept, ServiceState.DOWN, reason)
            if is_news:  # and not for each start that fails for the same reason
                log.warning("service.down", service=kept.definition.name, error=reason)
        finally:
            if service is not None:
                await self._stop(service, kept.definition.name)

    async def _start_and_ask(self, kept: "_Kept", service: Any) -> None:
        """Start the service, then ask how it is, until it fails."""
        name, options = kept.definition.name, kept.definition.options
        await within(service.start(), timeout_s=options.start_timeout_s, name=f"start of {name}")
        kept.instance = service
        while True:
            answer = await within(
                service.status(), timeout_s=self._status_timeout_s, name=f"status of {name}"
            )
            kept.status = plain_json(answer)
            if kept.state is not ServiceState.UP:
                self._move(kept, ServiceState.UP)
                log.info("service.up", service=name, restarts=kept.restarts)
            await self._sleep(STATUS_EVERY_S)

    async def _stop(self, service: Any, name: str) -> None:
        try:
            await within(service.stop(), timeout_s=self._stop_timeout_s, name=f"stop of {name}")
        except (Exception, SystemExit) as error:  # the first error is the one to show
            log.warning("service.stop_failed", service=name, error=str(error))


class _Kept:
    """What is known of one service that is kept running."""

    def __init__(self, definition: ServiceDefinition) -> None:
        self.definition = definition
        self.task: asyncio.Task[None] | None = None
        self.instance: Any = None
        self.state = ServiceState.STARTING
        self.since = time.time()
        self.status: Any = None
        self.restarts = 0
        self.error: str | None = None

    def move_to(self, state: ServiceState, error: str | None) -> None:
        self.state, self.since, self.error = state, time.time(), error
        if state is not ServiceState.UP:
            self.status = None

    def report(self) -> ServiceReport:
        return ServiceReport(
            name=self.definition.name,
            state=self.state,
            status=self.status,
            since=self.since,
            restarts=self.restarts,
            error=self.error,
        )


def _title(name: str) -> str:
    return f"service-{name}"
