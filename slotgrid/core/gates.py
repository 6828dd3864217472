"""Conditions for a start besides a free slot: services, limits of functions, shares of users."""

import time
from collections import Counter, deque
from collections.abc import Callable

from slotgrid.core.priority_queue import TaskClass
from slotgrid.core.spec import Catalog, FunctionSpec


class _Gate:
    """The running tasks and the recent starts of one gated function."""

    __slots__ = ("kept", "running", "starts")

    def __init__(self) -> None:
        self.running = 0
        self.starts: deque[float] = deque()
        self.kept = 0
        """Starts to keep: the highest rate count among the contracts of the function."""


class Gates:
    """The gates of all gated functions; the contracts of a group share one gate per function.

    Methods expect a class that is `gated`: with a `gate`, the function's name, or an `owner`, of
    whom `share_of` tasks may run at once (None: no limit). The rate limit is exact (sliding
    window): it bounds the starts in any window, not in fixed windows.
    """

    def __init__(
        self,
        catalog: Catalog,
        service_up: Callable[[str], bool],
        *,
        share_of: Callable[[str], int | None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalog = catalog
        self._service_up = service_up
        self._share_of = share_of
        self._of_owner: Counter[str] = Counter()
        self._clock = clock
        self._gates: dict[tuple[str, str | None], _Gate] = {}

    def closed_by(self, cls: TaskClass) -> str | None:
        """The reason why a task of the class may not start now; None if it may."""
        return self._share_used_up(cls.owner) or self._function_closed_by(cls)

    def _function_closed_by(self, cls: TaskClass) -> str | None:
        spec = self._spec(cls)
        if spec is None:  # removed while its task waited: the task starts and fails
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
        """Seconds until a full rate window allows a start; None if the window is not full."""
        spec, gate = self._spec(cls), self._gates.get((cls.group, cls.gate))
        if spec is None or gate is None or not self._window_full(gate, spec):
            return None
        assert spec.rate is not None
        count, period_s = spec.rate
        return max(0.0, gate.starts[-count] + period_s - self._clock())

    def passed(self, cls: TaskClass) -> None:
        """Count the start of a task of the class."""
        if cls.owner is not None:
            self._of_owner[cls.owner] += 1
        if cls.gate is None:
            return
        gate = self._gates.setdefault((cls.group, cls.gate), _Gate())
        gate.running += 1
        spec = self._spec(cls)
        if spec is not None and spec.rate is not None:
            gate.kept = max(gate.kept, spec.rate[0])
            gate.starts.append(self._clock())
            while len(gate.starts) > gate.kept:
                gate.starts.popleft()

    def released(self, cls: TaskClass) -> None:
        """Count the end of a lease of the class."""
        if cls.owner is not None:
            self._of_owner[cls.owner] -= 1
            if not self._of_owner[cls.owner]:
                del self._of_owner[cls.owner]
        if cls.gate is not None:
            self._gates[cls.group, cls.gate].running -= 1

    def _share_used_up(self, owner: str | None) -> str | None:
        if owner is None:
            return None
        share = self._share_of(owner)  # None: it was removed while the task waited
        if share is None or self._of_owner[owner] < share:
            return None
        return f"the share of {owner}, {share} tasks at once, is used up"

    def _spec(self, cls: TaskClass) -> FunctionSpec | None:
        return self._catalog.find(cls.gate, cls.group, cls.contract) if cls.gate else None

    def _window_full(self, gate: _Gate, spec: FunctionSpec) -> bool:
        if spec.rate is None:
            return False
        count, period_s = spec.rate
        return len(gate.starts) >= count and gate.starts[-count] + period_s > self._clock()
