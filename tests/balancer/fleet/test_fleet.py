from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from balancer.fleet.ejection import BACKOFF, BURST_S
from balancer.fleet.fleet import REFUSALS_LIMIT
from balancer.fleet.roster import LOST_KEPT_S
from balancer.fleet.worker_states import WorkerState
from slotgrid.core.node_state import NodeState
from slotgrid.core.slots import NoSlotFree
from tests.balancer.fleet.fakes import DEFAULT, FakeFleet, counts, gated, placed, report
from tests.slotgrid.core.fakes import PLAIN, function


@pytest.fixture
def fleet() -> FakeFleet:
    return FakeFleet()


def test_tasks_go_where_most_is_free_relative_to_size(fleet: FakeFleet) -> None:
    fleet.join("small", pools={"default": 2})
    fleet.join("large", pools={"default": 4}, free=3)
    assert fleet.names() == ["small", "large", "small", "large", "large"]
    assert fleet.in_flight == 0


def test_a_heavier_worker_gets_more(fleet: FakeFleet) -> None:
    fleet.join("light")
    fleet.join("heavy", weight=2.0)
    assert fleet.names()[:3] == ["heavy", "heavy", "light"]


def test_among_equals_the_idlest_machine_goes_first(fleet: FakeFleet) -> None:
    fleet.join("busy", report={"cpu_percent": 90.0})
    fleet.join("idle", report={"cpu_percent": 5.0})
    fleet.join("short_of_memory", report={"memory_percent": 60.0})
    assert fleet.names()[:3] == ["idle", "short_of_memory", "busy"]


def test_a_fleet_without_workers_has_no_slots(fleet: FakeFleet) -> None:
    assert not fleet.can_serve(DEFAULT)
    assert fleet.size(DEFAULT) == 0
    with pytest.raises(NoSlotFree):
        fleet.take(DEFAULT)
    assert fleet.closed_by(DEFAULT) == 'there is no worker of group "default", contract 1'


def test_groups_contracts_and_pools_are_kept_apart(fleet: FakeFleet) -> None:
    fleet.join("w1", pools={"default": 1, "logins": 1})
    fleet.join("w2", contract=2, pools={"default": 1})
    fleet.join("w3", group="shop", pools={"default": 1})
    assert fleet.names() == ["w1"]
    assert fleet.names(DEFAULT._replace(pool="logins")) == ["w1"]
    assert fleet.names(DEFAULT._replace(contract=2)) == ["w2"]
    assert fleet.names(DEFAULT._replace(group="shop")) == ["w3"]
    assert fleet.names(DEFAULT._replace(group="shop", pool="logins")) == []


def test_a_place_is_a_worker_a_pool_or_labels(fleet: FakeFleet) -> None:
    fleet.join("w1", pools={"default": 1, "logins": 1}, labels=[("zone", "a")])
    fleet.join("w2", pools={"default": 1}, labels=[("zone", "b")], added=[("gpu", "yes")])
    assert fleet.names(placed(worker="w2")) == ["w2"]
    assert fleet.names(placed(worker="w2", labels=(("zone", "a"),))) == []
    assert fleet.names(placed(worker="w9")) == []
    assert fleet.names(placed(worker="w1", pool="logins")) == ["w1"]
    assert fleet.names(placed(labels=(("gpu", "yes"), ("zone", "b")))) == ["w2"]
    assert fleet.size(placed(labels=(("zone", "a"),))) == 1
    assert fleet.size(placed(worker="w2")) == 1
    assert fleet.size(placed(worker="w9")) == 0
    assert fleet.closed_by(placed(worker="w1")) is None
    assert "matches the task's place" in str(fleet.closed_by(placed(labels=(("zone", "c"),))))


def test_a_worker_of_another_contract_is_no_place_for_a_task(fleet: FakeFleet) -> None:
    fleet.join("w1", contract=2)
    fleet.join("w2")
    assert fleet.names(placed(worker="w1")) == []


def test_many_kinds_of_labels_are_served(fleet: FakeFleet) -> None:
    names = [f"w{number}" for number in range(100)]
    for name in names:
        fleet.join(name, pools={"default": 1}, labels=[("name", name)])
    for _ in range(2):
        for name in names:
            assert fleet.names(placed(labels=(("name", name),))) == [name]


def test_a_function_goes_where_its_services_are_up(fleet: FakeFleet) -> None:
    needy = function("needy", requires=("cache", "db"))
    both: dict[str, Any] = {"functions": [PLAIN, needy], "pools": {"default": 1}}
    w1 = fleet.join("w1", **both, report={"services": {"cache": True, "db": False}})
    fleet.join("w2", **both, report={"services": {"cache": True, "db": True}})
    assert fleet.names(gated(needy)) == ["w2"]
    assert fleet.names() == ["w1", "w2"]
    fleet.reported(w1, report(1, 1, services={"cache": True, "db": True}))
    assert fleet.names(gated(needy)) == ["w1", "w2"] or fleet.names(gated(needy)) == ["w2", "w1"]
    fleet.disconnected(w1)
    w2 = fleet.roster.worker("w2")
    assert w2 is not None
    fleet.reported(w2, report(1, 1, services={"cache": False, "db": True}))
    assert not fleet.can_serve(gated(needy))
    assert "the services cache, db up" in str(fleet.closed_by(gated(needy)))
    assert fleet.can_serve(gated(function("removed meanwhile", concurrency=1)))


def test_a_worker_that_holds_its_slots_back_gets_nothing(fleet: FakeFleet) -> None:
    worker = fleet.join("w1", report={"held": "memory is short"})
    assert fleet.names() == []
    assert fleet.closed_by(DEFAULT) is None  # it is there, and will hand out slots again
    fleet.reported(worker, report(1, 4))
    assert fleet.names() == ["w1"] * 4


@pytest.mark.parametrize("status", [s for s in NodeState if s is not NodeState.READY])
def test_only_ready_workers_get_tasks(fleet: FakeFleet, status: NodeState) -> None:
    worker = fleet.join("w1", report={"status": status})
    assert worker.state == status.value
    assert fleet.names() == []
    assert str(fleet.closed_by(DEFAULT)).endswith(f"is ready: 1 {status}")
    assert fleet.roster.states() == {WorkerState(status.value): 1}


def test_a_report_older_than_what_is_known_is_ignored(fleet: FakeFleet) -> None:
    worker = fleet.join("w1")
    fleet.reported(worker, report(7, 2))
    fleet.reported(worker, report(6, 4))
    assert fleet.names() == ["w1"] * 2
    slot = fleet.take(DEFAULT)
    fleet.started(slot, counts(6, 4))
    assert fleet.names() == ["w1"] * 2
    fleet.give_back(slot)


def test_no_more_is_believed_than_a_pool_has(fleet: FakeFleet) -> None:
    worker = fleet.join("w1")
    fleet.reported(worker, report(1, {"default": 1000, "surprise": 5}))
    assert len(fleet.names()) == 4
    assert fleet.names(DEFAULT._replace(pool="surprise")) == []
    fleet.reported(worker, report(2, {}))
    assert fleet.names() == []


def test_a_task_on_its_way_takes_a_slot_until_the_worker_counts_it(fleet: FakeFleet) -> None:
    worker = fleet.join("w1")
    slot = fleet.take(DEFAULT)
    fleet.reported(worker, report(1, 4))  # said before the task arrived there
    assert len(fleet.names()) == 3
    fleet.started(slot, counts(2, 3))
    assert len(fleet.names()) == 3
    fleet.ended(slot, counts(3, 4))
    assert len(fleet.names()) == 4
    fleet.give_back(slot)
    assert len(fleet.names()) == 4


def test_a_slot_that_is_still_made_clean_is_not_free(fleet: FakeFleet) -> None:
    worker = fleet.join("w1", pools={"default": 1})
    slot = fleet.take(DEFAULT)
    fleet.started(slot, counts(1, 0))
    fleet.ended(slot, counts(2, 0))
    fleet.give_back(slot)
    assert fleet.names() == []
    fleet.reported(worker, report(3, 1))
    assert fleet.names() == ["w1"]


def test_what_was_never_sent_frees_its_slot_at_once(fleet: FakeFleet) -> None:
    fleet.join("w1", pools={"default": 1})
    slot = fleet.take(DEFAULT)
    fleet.give_back(slot)
    assert fleet.names() == ["w1"]
    with pytest.raises(KeyError):
        fleet.give_back(slot)


def test_after_a_refusal_nothing_is_sent_until_the_worker_counts_anew(fleet: FakeFleet) -> None:
    worker = fleet.join("w1")
    slot = fleet.take(DEFAULT)
    fleet.refused(slot, "busy", counts(1, 4))
    fleet.give_back(slot)
    assert fleet.names() == []
    fleet.reported(worker, report(2, 1))
    assert fleet.names() == ["w1"]


def test_a_refusal_because_of_a_drain_says_that_it_drains(fleet: FakeFleet) -> None:
    worker = fleet.join("w1")
    slot = fleet.take(DEFAULT)
    fleet.refused(slot, "draining")
    assert worker.state is WorkerState.DRAINING
    fleet.give_back(slot)


def test_answers_for_a_right_that_is_back_change_nothing(fleet: FakeFleet) -> None:
    fleet.join("w1", pools={"default": 1})
    slot = fleet.take(DEFAULT)
    fleet.give_back(slot)
    fleet.started(slot, counts(9, 0))
    fleet.ended(slot, counts(9, 0))
    fleet.refused(slot, "busy")
    assert fleet.names() == ["w1"]


# Comings and goings


def test_a_lost_worker_gets_nothing_and_is_taken_on_again_when_it_is_back(fleet: FakeFleet) -> None:
    worker = fleet.join("w1", pools={"default": 1})
    slot = fleet.take(DEFAULT)
    assert fleet.target(slot) is worker
    fleet.disconnected(worker)
    fleet.disconnected(worker)
    assert worker.state is WorkerState.LOST
    assert fleet.names() == []
    back = fleet.join("w1", boot="b2", pools={"default": 1})
    assert fleet.target(slot) is None  # that right was for the link that is gone
    fleet.give_back(slot)
    assert fleet.names() == ["w1"]
    assert back.flights == 0


def test_what_a_replaced_link_still_says_is_ignored(fleet: FakeFleet) -> None:
    before = fleet.join("w1")
    fleet.join("w1", boot="b2", free=1)
    fleet.reported(before, report(99, 4))
    fleet.draining(before)
    fleet.functions_changed(before, [], {})
    fleet.adjust(before, address="a1", weight=1.0)
    fleet.disconnected(before)
    assert fleet.names() == ["w1"]


def test_a_draining_worker_gets_nothing_whatever_it_reports(fleet: FakeFleet) -> None:
    worker = fleet.join("w1")
    fleet.draining(worker)
    fleet.reported(worker, report(1, 4))
    assert worker.state is WorkerState.DRAINING
    assert fleet.names() == []
    fleet.disconnected(worker)
    assert fleet.roster.states() == {WorkerState.LOST: 1}  # it may be restarting


def test_an_entry_that_disappears_lets_its_worker_finish(fleet: FakeFleet) -> None:
    fleet.expect(["a1", "a2"])
    assert fleet.expected.unheard == {"a1", "a2"}
    w1, w2 = fleet.join("w1", address="a1"), fleet.join("w2", address="a2")
    w3 = fleet.join("w3")
    assert fleet.expected.unheard == frozenset()
    fleet.disconnected(w2)
    slot = fleet.take(placed(worker="w1"))
    fleet.expect([])
    assert w1.state is WorkerState.REMOVED
    assert fleet.roster.worker("w2") is None
    assert set(fleet.names()) == {"w3"}
    assert w1.flights == 1
    fleet.expect(["a1"])
    assert "w1" in fleet.names()
    fleet.expect([])
    fleet.give_back(slot)
    fleet.disconnected(w1)
    assert list(fleet.roster.workers()) == [w3]


def test_a_worker_that_dialled_in_and_is_lost_is_forgotten_after_a_while(fleet: FakeFleet) -> None:
    fleet.disconnected(fleet.join("w1"))
    fleet.disconnected(fleet.join("w2", address="a2"))
    fleet.clock.advance(LOST_KEPT_S)
    fleet.join("w3")
    assert len(list(fleet.roster.workers())) == 3
    fleet.clock.advance(1)
    fleet.join("w4")
    assert [worker.name for worker in fleet.roster.workers()] == ["w2", "w3", "w4"]


def test_a_contract_without_any_worker_is_forgotten(fleet: FakeFleet) -> None:
    fleet.join("w1", group="shop")
    version = fleet.roster.version
    fleet.join("w1", boot="b2", group="shop", contract=2)
    assert fleet.roster.groups() == {"shop": [2]}
    assert fleet.roster.version > version
    fleet.join("w2", group="shop", contract=3)
    fleet.join("w2", boot="b2", group="shop", contract=4)
    assert fleet.roster.groups() == {"shop": [2, 4]}


def test_every_change_of_state_is_a_new_version_of_what_is_offered(fleet: FakeFleet) -> None:
    worker, versions = fleet.join("w1"), [fleet.roster.version]
    fleet.reported(worker, report(1, 2, cpu_percent=50.0))
    assert fleet.roster.version == versions[0]  # that says nothing new of what is offered
    fleet.reported(worker, report(2, 2, status=NodeState.MAINTENANCE))
    versions.append(fleet.roster.version)
    fleet.draining(worker)
    versions.append(fleet.roster.version)
    fleet.disconnected(worker)
    versions.append(fleet.roster.version)
    assert versions == sorted(set(versions))


def test_what_the_list_says_of_a_worker_counts_at_once(fleet: FakeFleet) -> None:
    worker = fleet.join("w1", labels=[("zone", "a")])
    fleet.join("w2")
    fleet.expect(["a1"])
    fleet.adjust(worker, address="a1", weight=3.0, labels=[("gpu", "yes")])
    assert fleet.expected.unheard == frozenset()
    assert fleet.names()[:2] == ["w1", "w1"]
    assert fleet.can_serve(placed(labels=(("gpu", "yes"), ("zone", "a"))))
    fleet.adjust(worker, address="a1", weight=1.0)
    assert not fleet.can_serve(placed(labels=(("gpu", "yes"),)))


# What is offered


def test_the_odd_one_out_gets_nothing_and_says_why(fleet: FakeFleet) -> None:
    fleet.join("w1")
    odd = fleet.join("w2", functions=[PLAIN, function("more")])
    assert fleet.roster.states() == {WorkerState.READY: 1, WorkerState.MISMATCH: 1}
    assert odd.objection == "has besides more"
    assert set(fleet.names()) == {"w1"}
    fleet.functions_changed(odd, [PLAIN], {"chromium": "1"})
    assert fleet.roster.states() == {WorkerState.READY: 2}
    assert odd.tags == {"chromium": "1"}
    assert set(fleet.names()) == {"w1", "w2"}


def test_when_the_majority_changes_its_mind_the_others_are_odd(fleet: FakeFleet) -> None:
    more = [PLAIN, function("more")]
    workers = [fleet.join(f"w{n}") for n in range(3)]
    for worker in workers[:2]:
        fleet.functions_changed(worker, more, {})
    assert [worker.state for worker in workers] == ["ready", "ready", "mismatch"]
    assert fleet.roster.find("more") is not None
    for worker in workers[:2]:
        fleet.disconnected(worker)
    assert workers[2].state is WorkerState.READY
    assert fleet.roster.find("more") is None


def test_when_those_of_the_majority_are_forgotten_the_others_are_no_longer_odd(
    fleet: FakeFleet,
) -> None:
    first = fleet.join("w1")
    for name in ("w2", "w3"):
        fleet.join(name, functions=[PLAIN, function("more")])
    assert first.state == "mismatch"
    fleet.join("w3", boot="b2", group="shop")
    assert fleet.roster.states() == {WorkerState.READY: 2, WorkerState.MISMATCH: 1}
    assert set(fleet.names()) == {"w1"}


def test_tags_and_versions_are_the_last_that_were_told(fleet: FakeFleet) -> None:
    worker = fleet.join("w1")
    fleet.tags_changed(worker, {"chromium": "2"}, {"python": "3.13"})
    assert (worker.tags, worker.versions) == ({"chromium": "2"}, {"python": "3.13"})


def test_functions_are_found_by_group_and_contract(fleet: FakeFleet) -> None:
    older, newer = replace(PLAIN, contract=1), replace(PLAIN, contract=2)
    shop = replace(PLAIN, group="shop")
    w1 = fleet.join("w1", functions=[older])
    w2 = fleet.join("w2", contract=2, functions=[newer])
    fleet.join("w3", group="shop", functions=[shop])
    roster = fleet.roster
    assert roster.find("plain") is newer
    assert roster.find("plain", "default", 1) is older
    assert roster.find("plain", "shop") is shop
    assert roster.find("plain", "news") is None
    assert roster.specs() == [shop, older, newer]
    fleet.reported(w2, report(1, 4, status=NodeState.MAINTENANCE))
    assert roster.find("plain") is older  # the newest that is ready
    fleet.disconnected(w1)
    assert roster.find("plain") is newer  # the newest that tasks may wait for
    fleet.disconnected(w2)
    assert roster.find("plain") is newer


# Failing workers


def fail(fleet: FakeFleet, name: str, times: int) -> None:
    for _ in range(times):
        fleet.clock.advance(BURST_S)
        slot = fleet.take(placed(worker=name))
        fleet.ended(slot, fault=True)
        fleet.give_back(slot)


def test_a_worker_that_fails_repeatedly_is_left_alone_then_tried_with_one_task(
    fleet: FakeFleet,
) -> None:
    worker = fleet.join("w1")
    fleet.join("w2")
    fail(fleet, "w1", 3)
    assert worker.state is WorkerState.EJECTED
    assert set(fleet.names()) == {"w2"}
    fleet.clock.advance(BACKOFF.first_s)
    fleet.reported(worker, report(1, 4))
    probe = fleet.take(placed(worker="w1"))
    assert not fleet.can_serve(placed(worker="w1"))
    fleet.ended(probe)
    assert fleet.can_serve(placed(worker="w1"))
    fleet.give_back(probe)
    assert fleet.names().count("w1") == 4


def test_a_worker_dying_again_and_again_is_remembered_over_its_restarts(fleet: FakeFleet) -> None:
    fleet.join("w2")
    for boot in ("b1", "b2", "b3"):
        fleet.clock.advance(BURST_S)
        worker = fleet.join("w1", boot=boot)
        slot = fleet.take(placed(worker="w1"))
        fleet.disconnected(worker)
        fleet.give_back(slot)
    assert fleet.join("w1", boot="b4").state is WorkerState.EJECTED
    assert set(fleet.names()) == {"w2"}


def test_a_lone_worker_is_never_ejected(fleet: FakeFleet) -> None:
    fleet.join("w1")
    fail(fleet, "w1", 20)
    assert fleet.roster.states() == {WorkerState.READY: 1}
    assert fleet.can_serve(DEFAULT)
    fleet.join("w2")
    fail(fleet, "w1", 1)  # with another to compare it to, what it did before counts
    assert fleet.roster.states() == {WorkerState.READY: 1, WorkerState.EJECTED: 1}


def test_half_of_the_workers_are_never_ejected(fleet: FakeFleet) -> None:
    for name in ("w1", "w2", "w3"):
        fleet.join(name)
    for name in ("w1", "w2", "w3"):
        fail(fleet, name, 4 if name != "w1" else 3)
    assert fleet.roster.states() == {WorkerState.EJECTED: 1, WorkerState.READY: 2}


def test_refusals_for_wrong_reasons_eject(fleet: FakeFleet) -> None:
    liar, _ = fleet.join("w1"), fleet.join("w2")
    for seq in range(3):
        fleet.clock.advance(BURST_S)
        slot = fleet.take(placed(worker="w1"))
        fleet.refused(slot, "function")
        fleet.give_back(slot)
        fleet.reported(liar, report(seq + 1, 4))
    assert liar.state is WorkerState.EJECTED


def test_a_worker_that_counts_free_slots_and_always_refuses_is_ejected(fleet: FakeFleet) -> None:
    liar, _ = fleet.join("w1"), fleet.join("w2")
    for seq in range(REFUSALS_LIMIT + 1):
        fleet.clock.advance(BURST_S)
        slot = fleet.take(placed(worker="w1"))
        fleet.refused(slot, "busy")
        fleet.give_back(slot)
        fleet.reported(liar, report(seq + 1, 4))
        assert liar.state is WorkerState.READY
    slot = fleet.take(placed(worker="w1"))
    fleet.clock.advance(BURST_S)
    fleet.refused(slot, "busy")
    fleet.give_back(slot)
    assert liar.state is WorkerState.EJECTED


def test_a_fault_told_of_a_replaced_link_is_nobodys(fleet: FakeFleet) -> None:
    fleet.join("w1")
    fleet.join("w2")
    slot = fleet.take(placed(worker="w1"))
    back = fleet.join("w1", boot="b2")
    for _ in range(4):
        fleet.clock.advance(BURST_S)
        fleet.ended(slot, fault=True)
    fleet.give_back(slot)
    fleet.reported(back, report(1, 4))
    assert back.state is WorkerState.READY


def test_what_changes_between_the_question_and_the_take_is_heeded() -> None:
    fleet = FakeFleet()
    first, second = fleet.join("w1"), fleet.join("w2", free=3)
    changes: list[Callable[[], object]] = [
        lambda: fleet.reported(first, report(1, 0)),
        lambda: fleet.reported(first, report(2, 4)),
        lambda: fleet.draining(first),
        lambda: fleet.join("w3"),
        lambda: fleet.disconnected(fleet.roster.worker("w3") or second),
    ]
    for change, expected in zip(changes, ("w2", "w1", "w2", "w3", "w2"), strict=True):
        assert fleet.can_serve(DEFAULT)
        change()
        slot = fleet.take(DEFAULT)
        assert slot.worker == expected
        fleet.give_back(slot)
    assert fleet.can_serve(DEFAULT)
    other = placed(worker="w1")
    with pytest.raises(NoSlotFree):
        fleet.take(other)
