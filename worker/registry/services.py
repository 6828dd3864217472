"""Services: long-lived helpers of functions, which the worker keeps running."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import structlog

from slotgrid.backoff import Backoff
from slotgrid.core.deadlines import iso
from slotgrid.function_context import Service
from worker.bounded_calls import within
from worker.json_values import plain_json
from worker.registry.definitions import ServiceDefinition
from worker.registry.registry import Registry

STATUS_EVERY_S = 1.0
STATUS_TIMEOUT_S = 5.0
STOP_TIMEOUT_S = 5.0
RESTART = Backoff(first_s=0.5, ceiling_s=30.0)
"""After a life longer than its ceiling, the backoff begins again."""

log = structlog.get_logger()


class ServiceState(StrEnum):
    """The states of a service. It is `down` from a failure until the next start begins."""

    STARTING = "starting"
    UP = "up"
    DOWN = "down"


class ServiceNotUp(RuntimeError):
    """A function requested a service that is not up."""


@dataclass(frozen=True, kw_only=True)
class ServiceReport:
    """A service as `/health` shows it.

    `status` is the last result of `status()`, `since` the start of its state (seconds since the
    epoch), `error` the reason of the last `down`, kept until the service is up.
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
    """Runs the registry's services: starts them, probes each second, restarts failed ones.

    A definition with a new revision replaces its predecessor; other services continue unchanged.
    `clock` returns monotonic seconds; `sleep` waits for seconds of that clock.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        status_timeout_s: float = STATUS_TIMEOUT_S,
        stop_timeout_s: float = STOP_TIMEOUT_S,
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._sleep = sleep
        self._status_timeout_s = status_timeout_s
        self._stop_timeout_s = stop_timeout_s
        self._kept: dict[str, _RunningService] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._callbacks: list[Callable[[], None]] = []
        self._running = False
        registry.on_change(self._follow_registry)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the services while the block runs; stop them all at its end, in bounded time."""
        self._running = True
        self._follow_registry()
        try:
            yield
        finally:
            self._running = False
            for name in list(self._kept):
                self._end(name)
            if self._ending:
                # Bounded: each service's `stop` is detached after its time limit.
                await asyncio.wait(self._ending)

    def state(self, name: str) -> ServiceState:
        """The service's state; `down` for an undefined service."""
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
        """Register a callback for each change of a service's state and of the set of services."""
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
                kept = self._kept[name] = _RunningService(definition)
                predecessors = {task for task in self._ending if task.get_name() == _title(name)}
                kept.task = asyncio.create_task(
                    self._run_service(kept, predecessors), name=_title(name)
                )
                kept.task.add_done_callback(self._ended)
        self._notify()

    def _end(self, name: str) -> None:
        task = self._kept.pop(name).task
        if task is not None and not task.done():
            self._ending.add(task)
            task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._ending.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # A defect of ours, as all errors of the service itself are handled: report it loudly.
            asyncio.get_running_loop().call_exception_handler(
                {
                    "message": f"{task.get_name()} failed: {type(error).__name__}: {error}",
                    "background": task.get_name(),
                    "exception": error,
                }
            )

    def _notify(self) -> None:
        for callback in self._callbacks:
            callback()

    def _move(self, kept: "_RunningService", state: ServiceState, error: str | None = None) -> None:
        kept.move_to(state, error)
        self._notify()

    async def _run_service(
        self, kept: "_RunningService", predecessors: set[asyncio.Task[None]]
    ) -> None:
        """Start the service, and restart it with backoff, until cancelled."""
        if predecessors:
            await asyncio.wait(predecessors)  # never two of one name at a time
        failures = 0
        while True:
            began = self._clock()
            await self._live(kept)
            failures = 1 if self._clock() - began > RESTART.ceiling_s else failures + 1
            await self._sleep(RESTART.pause_s(failures))
            kept.restarts += 1
            self._move(kept, ServiceState.STARTING, kept.error)

    async def _live(self, kept: "_RunningService") -> None:
        """One life of the service, from its start until its failure and stop."""
        service = None
        try:
            service = kept.definition.factory()
            await self._start_and_probe(kept, service)
        # Any exception of an author's code means `down`, also SystemExit.
        except (Exception, SystemExit) as error:
            reason = f"{type(error).__name__}: {error}".rstrip(": ")
            is_news = reason != kept.error
            kept.instance = None
            # Before the stop, which may be slow: no further task starts with this service.
            self._move(kept, ServiceState.DOWN, reason)
            if is_news:  # not for each restart that fails for the same reason
                log.warning("service.down", service=kept.definition.name, error=reason)
        finally:
            if service is not None:
                await self._stop(service, kept.definition.name)

    async def _start_and_probe(self, kept: "_RunningService", service: Service) -> None:
        """Start the service, then probe it each STATUS_EVERY_S, until it fails."""
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

    async def _stop(self, service: Service, name: str) -> None:
        try:
            await within(service.stop(), timeout_s=self._stop_timeout_s, name=f"stop of {name}")
        except (Exception, SystemExit) as error:  # only logged: `/health` shows the first error
            log.warning("service.stop_failed", service=name, error=str(error))


class _RunningService:
    """The state of one service."""

    def __init__(self, definition: ServiceDefinition) -> None:
        self.definition = definition
        self.task: asyncio.Task[None] | None = None
        self.instance: Service | None = None
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
