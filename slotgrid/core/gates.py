"""What else than a free slot decides when a function may start: services, concurrency, rate."""

import time
from collections import deque
from collections.abc import Callable

from slotgrid.core.queue import TaskClass
from slotgrid.core.spec import Catalog, FunctionSpec


class _Gate:
    """What one gated function has running, and when it started of late."""

    __slots__ = ("kept", "running", "starts")

    def __init__(self) -> None:
        self.running = 0
        self.starts: deque[float] = deque()
        self.kept = 0
        """How many starts have to be remembered; contracts of one function may differ in that."""


class Gates:
    """The gates of all functions that have one; those of a group's contracts are one and the same.

    Every class that is asked about has a `gate`, the function's name. `rate` is exact: at most so
    many starts in any window, not in windows of our choosing.
    """

    def __init__(
        self,
        catalog: Catalog,
        service_up: Callable[[str], bool],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalog = catalog
        self._service_up = service_up
        self._clock = clock
        self._gates: dict[tuple[str, str | None], _Gate] = {}

    def closed_by(self, cls: TaskClass) -> str | None:
        """Why the function may not start now, in words; None when it may."""
        spec = self._spec(cls)
        if spec is None:  # removed while its task waited: let the task run into that answer
            return None
        for service in spec.requires:
            if not self._service_up(service):
                return f"the service {service} is down"
        gate = self._gates.get((cls.group, cls.gate))
        if gate is None:
            return None
        if spec.concurrency is not None and gate.running >= spec.concurrency:
            return f"the function's concurrency of {spec.concurrency} is used up"
        if self._window_full(gate, spec):
            return "the function's rate is used up"
        return None

    def opens_in_s(self, cls: TaskClass) -> float | None:
        """Seconds until a full rate window has room again; None when it has."""
        spec, gate = self._spec(cls), self._gates.get((cls.group, cls.gate))
        if spec is None or gate is None or not self._window_full(gate, spec):
            return None
        assert spec.rate is not None
        count, period_s = spec.rate
        return max(0.0, gate.starts[-count] + period_s - self._clock())

    def passed(self, cls: TaskClass) -> None:
        """A task of that function starts."""
        gate = self._gates.setdefault((cls.group, cls.gate), _Gate())
        gate.running += 1
        spec = self._spec(cls)
        if spec is not None and spec.rate is not None:
            gate.kept = max(gate.kept, spec.rate[0])
            gate.starts.append(self._clock())
            while len(gate.starts) > gate.kept:
                gate.starts.popleft()

    def left(self, cls: TaskClass) -> None:
        """A task of that function has given its slot back."""
        self._gates[cls.group, cls.gate].running -= 1

    def _spec(self, cls: TaskClass) -> FunctionSpec | None:
        return self._catalog.find(cls.gate, cls.group, cls.contract) if cls.gate else None

    def _window_full(self, gate: _Gate, spec: FunctionSpec) -> bool:
        if spec.rate is None:
            return False
        count, period_s = spec.rate
        return len(gate.starts) >= count and gate.starts[-count] + period_s > self._clock()
