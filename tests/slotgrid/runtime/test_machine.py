"""What a node says of the machine below it."""

from dataclasses import dataclass

from slotgrid.runtime.machine import Machine


@dataclass
class _Loop:
    lag_s: float


def test_memory_and_lag_are_read_anew_each_time() -> None:
    loop, used = _Loop(lag_s=0.0), iter([12.34, 56.0])
    machine = Machine(loop, lambda: next(used))
    before = machine.detail()
    loop.lag_s = 0.25
    after = machine.detail()
    assert (before["used_memory_percent"], after["used_memory_percent"]) == (12.3, 56.0)
    assert (before["loop_lag_ms"], after["loop_lag_ms"]) == (0.0, 250.0)
    assert 0 <= before["uptime_s"] <= after["uptime_s"] < 60
    assert before["cpu_load"] >= 0
