from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from slotgrid.core.lease import LeaseState
from slotgrid.core.slots import PoolCount
from slotgrid.node.health import NodeHealth


@dataclass(kw_only=True)
class TwoPools(NodeHealth):
    """A node with five slots, of which two are free."""

    used: int = 3

    def pools(self) -> Mapping[str, PoolCount]:
        return {"default": PoolCount(4, 2, 2), "wide": PoolCount(1, 0, 1)}

    @property
    def in_use(self) -> int:
        return self.used


def health(*, used: int = 3, running: int = 1, **leases: int) -> TwoPools:
    states = {LeaseState.HANDED: 1, LeaseState.STARTED: 1, LeaseState.CLEANING: 1}
    states |= {LeaseState(name): count for name, count in leases.items()}
    parts: Any = {
        "settings": SimpleNamespace(node_name="n"),
        "dispatcher": SimpleNamespace(
            lease_states=lambda: Counter(states), waiting=7, waiting_by_group=lambda: {"shop": 7}
        ),
        "supervisor": SimpleNamespace(running=running, cleaning=1),
        "machine": SimpleNamespace(lag_s=0.5, detail=lambda: {"python": "3"}),
        "durable": lambda: {"waiting": 0},
        "mounts": lambda: {"prefixes": []},
        "users": lambda: {"in_file": 0, "file_fault": None},
    }
    return TwoPools(used=used, **parts)


def test_the_slots_of_a_node_are_those_of_its_pools() -> None:
    detail = health().detail()
    slots = {"used": 3, "available": 2, "limit": 5, "queue": 7, "held": None}
    assert detail["slots"] == slots
    gauges = health().gauges()
    assert gauges.slots == {
        ("default", "free"): 2, ("default", "busy"): 2, ("wide", "free"): 0, ("wide", "busy"): 1,
    }  # fmt: skip
    assert (gauges.queue_length, gauges.loop_lag_s, gauges.slot_mismatch) == ({"shop": 7}, 0.5, 0)


@pytest.mark.parametrize(
    ("counts", "mismatch"),
    [
        ({}, 0),
        ({"used": 4}, 1),  # a slot is taken without a lease
        ({"handed": 0}, 1),  # likewise
        ({"held": 1}, 2),  # a lease has neither a slot nor a task
        ({"running": 0}, 1),  # a lease has no task
        ({"cleaning": 0, "handed": 2}, 1),  # a slot is cleaned, but its lease is not
    ],
)
def test_a_leak_is_a_difference_of_leases_slots_and_tasks(
    counts: dict[str, int], mismatch: int
) -> None:
    assert health(**counts).mismatch() == mismatch
