"""Slots of persistent pools: which of them are free, and the tasks on their way to one."""

from typing import Any

import pytest

from balancer.fleet.worker import Counts, Worker
from slotgrid.core.priority_queue import TaskClass
from slotgrid.core.slots import NoSlotFree, Slot
from slotgrid.wire.messages import Started
from tests.balancer.fleet.fakes import DEFAULT, FakeFleet, placed, report

POOLS = {"default": 2, "logins": 3}
LOGINS = placed(pool="logins")


def join(fleet: FakeFleet, name: str = "w1", *free: int, **fields: Any) -> Worker:
    """A worker with a persistent pool of three slots, of which those are free."""
    facts: dict[str, Any] = {"pools": POOLS, "isolation": {"logins": "persistent"}}
    worker = fleet.join(name, **(facts | fields))
    counts = {"default": 2, "logins": len(free)}
    fleet.reported(worker, report(1, counts, free_slots={"logins": free}))
    return worker


def on(number: int, worker: str = "w1", pool: str = "logins") -> TaskClass:
    """The class of the tasks for one slot."""
    return placed(worker=worker, pool=pool, slot=number)


def counted(seq: int, *free: int, default: int = 2) -> Counts:
    return Started(
        id="t",
        slot=0,
        seq=seq,
        free={"default": default, "logins": len(free)},
        free_slots={"logins": free},
    )


def free_slots(fleet: FakeFleet) -> list[int]:
    """The slots that a task for one of them could get now."""
    return [number for number in range(4) if fleet.can_serve(on(number))]


@pytest.fixture
def fleet() -> FakeFleet:
    return FakeFleet()


def test_a_task_for_a_slot_is_sent_when_that_slot_is_free(fleet: FakeFleet) -> None:
    join(fleet, "w1", 0, 2)
    join(fleet, "w2", 1)
    assert free_slots(fleet) == [0, 2]
    assert fleet.take(on(2)).worker == "w1"
    assert free_slots(fleet) == [0]
    assert fleet.size(on(1)) == fleet.size(on(2)) == 1
    assert fleet.closed_by(on(1)) is None
    with pytest.raises(NoSlotFree):
        fleet.take(on(1))


def test_a_task_on_its_way_takes_its_slot_until_the_worker_counts_it(fleet: FakeFleet) -> None:
    join(fleet, "w1", 0, 1, 2)
    slot = fleet.take(on(1))
    assert free_slots(fleet) == [0, 2]
    assert fleet.names(LOGINS) == ["w1", "w1"]
    fleet.started(slot, counted(2, 0, 2))
    assert free_slots(fleet) == [0, 2]
    fleet.ended(slot, counted(3, 0, 1, 2))
    assert free_slots(fleet) == [0, 1, 2]
    fleet.give_back(slot)
    never_sent = fleet.take(on(1))
    fleet.give_back(never_sent)
    assert free_slots(fleet) == [0, 1, 2]


def test_tasks_without_a_slot_leave_room_for_no_more_than_is_free(fleet: FakeFleet) -> None:
    join(fleet, "w1", 1)
    slot = fleet.take(LOGINS)
    assert free_slots(fleet) == []
    fleet.give_back(slot)
    assert free_slots(fleet) == [1]


def test_a_slot_that_was_taken_meanwhile_is_left_alone_and_the_others_are_not(
    fleet: FakeFleet,
) -> None:
    worker = join(fleet, "w1", 0, 1)
    slot = fleet.take(on(1))
    fleet.refused(slot, "busy")
    fleet.give_back(slot)
    assert free_slots(fleet) == [0]
    assert fleet.can_serve(LOGINS)
    fleet.reported(worker, report(2, {"logins": 2}, free_slots={"logins": (0, 1)}))
    assert free_slots(fleet) == [0, 1]
    other = fleet.take(on(0))
    fleet.refused(other, "held")
    fleet.give_back(other)
    assert free_slots(fleet) == []


def test_a_slot_that_becomes_free_as_another_is_taken_is_news(fleet: FakeFleet) -> None:
    join(fleet, "w1", 0, 1)
    slot = fleet.take(LOGINS)
    assert fleet.started(slot, counted(2, 2))  # the dispatcher is to be woken for slot 2
    assert free_slots(fleet) == [2]
    other = fleet.take(on(2))
    assert not fleet.started(other, counted(3))


@pytest.mark.parametrize(
    "cls", [on(3), on(0, pool="default"), on(0, "w2"), on(0, "w9"), on(0, pool="nowhere")]
)
def test_a_slot_that_cannot_be_chosen_gets_nothing(fleet: FakeFleet, cls: TaskClass) -> None:
    join(fleet, "w1", 0, 1, 2, 3)
    join(fleet, "w2", 0, protocol="1.3")
    assert not fleet.can_serve(cls)
    assert fleet.size(cls) == 0
    assert fleet.closed_by(cls) is not None
    assert fleet.can_serve(placed(worker="w2", pool="logins"))


def test_a_lost_worker_keeps_no_slot_busy_for_the_next_link(fleet: FakeFleet) -> None:
    worker = join(fleet, "w1", 0, 1)
    slot = fleet.take(on(0))
    fleet.disconnected(worker)
    assert free_slots(fleet) == []
    fleet.give_back(slot)
    join(fleet, "w1", 0, boot="b2")
    assert free_slots(fleet) == [0]


def test_numbers_of_workers_before_1_4_count_over_all_pools(fleet: FakeFleet) -> None:
    old = join(fleet, "w1", protocol="1.3")
    assert [old.number_in_pool("logins", 4), old.number_in_pool("default", 1)] == [2, 1]
    assert not old.knows_slots


def test_counts_of_pools_that_are_not_persistent_name_no_slots(fleet: FakeFleet) -> None:
    worker = fleet.join("w1")
    fleet.reported(worker, report(1, 4, free_slots={"default": (0, 1), "made up": (7,)}))
    assert dict(worker.free_slots) == {}
    assert not fleet.can_serve(placed(worker="w1", pool="default", slot=0))
    assert fleet.names(DEFAULT) == ["w1"] * 4


def test_a_slot_is_found_by_its_right_only(fleet: FakeFleet) -> None:
    join(fleet, "w1", 0, 1)
    slot = fleet.take(on(1))
    assert slot == Slot(slot.index, "logins", "w1", remote=True)
    assert slot.number is None
