"""The part of `/health` about the process and its machine."""

import os
import platform
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from slotgrid.runtime.memory_usage import memory_used_percent


class Lag(Protocol):
    """The source of the event loop's lag."""

    @property
    def lag_s(self) -> float:
        """Longest recent delay of the event loop, in seconds."""


class Machine:
    """Reads the state of the machine; made at the start of the node, for its uptime."""

    def __init__(self, lag: Lag, used_percent: Callable[[], float] = memory_used_percent) -> None:
        self.used_percent = used_percent
        self._lag = lag
        self._started = time.monotonic()

    @property
    def lag_s(self) -> float:
        """Longest recent delay of the event loop, in seconds."""
        return self._lag.lag_s

    def detail(self) -> Mapping[str, Any]:
        """The member `system` of `/health`; `cpu_load` is the load per CPU, 1 if all are busy."""
        return {
            "uptime_s": round(time.monotonic() - self._started, 1),
            "used_memory_percent": round(self.used_percent(), 1),
            "cpu_load": round(os.getloadavg()[0] / (os.cpu_count() or 1), 2),
            "loop_lag_ms": round(self.lag_s * 1000, 1),
            "python": platform.python_version(),
        }
