import asyncio
from dataclasses import replace
from typing import Any

import pytest

from balancer.fleet.catalog import BalancerCatalog
from balancer.fleet.change_signal import ChangeSignal
from balancer.fleet.expected_workers import RETURNING_S
from balancer.fleet.fleet_offer import FleetOffer
from slotgrid.core.admission import Admission
from slotgrid.core.errors import (
    InvalidSubmission,
    NoWorker,
    ServiceError,
    UnknownFunction,
    UnknownGroup,
)
from slotgrid.core.fields import Mode
from slotgrid.core.lease import class_of
from slotgrid.core.node_state import NodeState, NodeStatus
from slotgrid.core.schema import Schema
from slotgrid.core.spec import FunctionSpec
from slotgrid.core.submission import Submission
from slotgrid.core.task import Task
from slotgrid.core.task_parts import API
from slotgrid.wire.limits import LOST_AFTER_S
from tests.balancer.fleet.fakes import FakeFleet, placed, report
from tests.slotgrid.core.fakes import FLOW, PLAIN, function

SHOP = replace(PLAIN, group="shop")


@pytest.fixture
def fleet() -> FakeFleet:
    return FakeFleet()


@pytest.fixture
def admission(fleet: FakeFleet) -> Admission:
    return asks(fleet)


def offer_of(fleet: FakeFleet) -> FleetOffer:
    return FleetOffer(fleet, BalancerCatalog(fleet.roster), wait_for_change=ChangeSignal().wait)


def asks(fleet: FakeFleet, *own: FunctionSpec) -> Admission:
    """What admits the tasks of a balancer that is ready; `own` are its own functions."""
    status = NodeStatus()
    status.move_to(NodeState.READY)
    offer = offer_of(fleet)
    offer.catalog.replace_own(own)
    return Admission(offer, status, modes=frozenset(Mode))


def submission(**fields: Any) -> Submission:
    return Submission.parse({"function": "plain"} | fields)


def admitted(admission: Admission, **fields: Any) -> Task:
    return admission.admit(submission(**fields), owner="ann")


def refusal(admission: Admission, **fields: Any) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        admitted(admission, **fields)
    return caught.value


def test_what_is_omitted_is_the_group_default_and_the_newest_contract_that_is_ready(
    fleet: FakeFleet, admission: Admission
) -> None:
    fleet.join("w1")
    newer = fleet.join("w2", contract=2, functions=[replace(PLAIN, contract=2)])
    fleet.join("w3", group="shop", contract=9, functions=[replace(SHOP, contract=9)])
    assert admitted(admission).spec.contract == 2
    assert admitted(admission, contract=1).spec.contract == 1
    assert admitted(admission, group="shop").spec.contract == 9
    fleet.reported(newer, report(1, 4, status=NodeState.MAINTENANCE))
    assert admitted(admission).spec.contract == 1


def test_nobody_who_ever_joined_is_no_worker(fleet: FakeFleet, admission: Admission) -> None:
    error = refusal(admission)
    assert isinstance(error, NoWorker)
    assert (error.reason, error.retry_after_s) == ("unheard", 5)
    assert error.detail.endswith("no worker has joined yet")


@pytest.mark.parametrize(
    ("fields", "unknown", "named"),
    [
        ({"group": "news"}, UnknownGroup, 'the group "news"; there are "default", "shop"'),
        ({"contract": 7}, UnknownGroup, "under contract 7; there are 1, 2"),
        ({"function": "plane"}, UnknownFunction, "did you mean 'plain'"),
        ({"function": "plain", "group": "shop", "contract": 2}, UnknownGroup, "there are 1"),
    ],
)
def test_what_nobody_has_is_unknown_once_every_listed_worker_was_heard(
    fleet: FakeFleet,
    admission: Admission,
    fields: dict[str, Any],
    unknown: type[ServiceError],
    named: str,
) -> None:
    fleet.expect(["a1", "a2"])
    fleet.join("w1", address="a1")
    fleet.join("w2", contract=2, functions=[replace(PLAIN, contract=2)])
    fleet.join("w3", group="shop", functions=[SHOP])
    error = refusal(admission, **fields)
    assert isinstance(error, NoWorker)
    assert error.detail.endswith("1 listed workers have not reported yet")
    fleet.expect(["a1"])
    error = refusal(admission, **fields)
    assert isinstance(error, unknown)
    assert error.status == 404
    assert named in error.detail


def test_the_nearest_names_are_those_of_the_group(fleet: FakeFleet, admission: Admission) -> None:
    fleet.join("w1", functions=[PLAIN, function("planes")])
    fleet.join("w2", group="shop", functions=[SHOP])
    shown = refusal(admission, function="plane", group="shop").to_problem()
    assert shown["suggestions"] == ["plain"]


def test_workers_that_are_busy_or_in_maintenance_are_waited_for(
    fleet: FakeFleet, admission: Admission
) -> None:
    worker = fleet.join("w1", free=0)
    assert admitted(admission)
    for seq, status in enumerate((NodeState.MAINTENANCE, NodeState.STARTING), start=1):
        fleet.reported(worker, report(seq, 0, status=status))
        assert admitted(admission)


def test_while_all_that_have_it_are_away_there_is_no_worker(
    fleet: FakeFleet, admission: Admission
) -> None:
    w1, w2 = fleet.join("w1"), fleet.join("w2")
    fleet.disconnected(w1)
    assert admitted(admission)
    fleet.draining(w2)
    error = refusal(admission)
    assert isinstance(error, NoWorker)
    assert error.reason == "lost"
    assert error.detail.endswith("is ready: 1 lost, 1 draining") or error.detail.endswith(
        "is ready: 1 draining, 1 lost"
    )


def may_return_s(admission: Admission, **fields: Any) -> float:
    """For how long the refused submission should wait."""
    error = refusal(admission, **fields)
    assert isinstance(error, NoWorker)
    return error.may_return_s


def test_workers_whose_link_broke_may_be_back_within_three_heartbeats(
    fleet: FakeFleet, admission: Admission
) -> None:
    w1 = fleet.join("w1", address="a1")
    fleet.disconnected(w1, may_return_s=LOST_AFTER_S)
    assert may_return_s(admission) == LOST_AFTER_S
    assert may_return_s(admission, place={"worker": "w1"}) == LOST_AFTER_S
    fleet.clock.advance(1.0)
    assert may_return_s(admission) == LOST_AFTER_S - 1.0
    fleet.join("w2", labels=[("zone", "b")])
    assert admitted(admission)
    assert may_return_s(admission, place={"worker": "w1"}) == LOST_AFTER_S - 1.0
    assert may_return_s(admission, place={"labels": {"zone": "c"}}) == 0.0
    version = fleet.roster.version
    fleet.will_not_return(w1)
    assert fleet.roster.version > version
    assert may_return_s(admission, place={"worker": "w1"}) == 0.0
    version = fleet.roster.version
    fleet.will_not_return(w1)
    assert fleet.roster.version == version
    fleet.join("w1", boot="b2")
    assert admitted(admission, place={"worker": "w1"})


def test_nobody_waits_for_lost_workers_beyond_three_heartbeats(
    fleet: FakeFleet, admission: Admission
) -> None:
    fleet.disconnected(fleet.join("w1"), may_return_s=LOST_AFTER_S)
    fleet.clock.advance(LOST_AFTER_S)
    assert may_return_s(admission) == 0.0


async def test_a_change_wakes_all_that_wait_for_it(fleet: FakeFleet) -> None:
    changes = ChangeSignal()
    offer = FleetOffer(fleet, BalancerCatalog(fleet.roster), wait_for_change=changes.wait)
    changes.notify()  # nobody waits
    waits = [asyncio.ensure_future(offer.changed(60.0)) for _ in range(3)]
    await asyncio.sleep(0)
    assert not any(wait.done() for wait in waits)
    changes.notify()
    async with asyncio.timeout(10):
        await asyncio.gather(*waits)
        await offer.changed(0.01)  # the time is up


def test_a_place_must_be_one_that_some_worker_is(fleet: FakeFleet, admission: Admission) -> None:
    w1 = fleet.join("w1", labels=[("zone", "a")], pools={"default": 1, "logins": 1})
    fleet.join("w2", labels=[("zone", "b")])
    for place in (
        {"worker": "w1"},
        {"labels": {"zone": "b"}},
        {"pool": "logins", "labels": {"zone": "a"}},
        {"pool": "logins", "worker": "w1"},
    ):
        assert admitted(admission, place=place)
    for place in (
        {"worker": "w9"},
        {"worker": "w1", "labels": {"zone": "b"}},
        {"pool": "logins", "labels": {"zone": "b"}},
        {"pool": "logins", "worker": "w2"},
    ):
        error = refusal(admission, place=place)
        assert isinstance(error, NoWorker)
        assert error.reason == "place"
    fleet.reported(w1, report(1, {}, status=NodeState.MAINTENANCE))
    assert admitted(admission, place={"worker": "w1"})  # it will be back by itself
    fleet.disconnected(w1)
    assert 'worker "w1", pool "default", zone=a' in (
        refusal(admission, place={"worker": "w1", "labels": {"zone": "a"}}).detail
    )


def test_a_pool_that_nobody_has_is_a_fault_of_the_request_once_all_were_heard(
    fleet: FakeFleet, admission: Admission
) -> None:
    fleet.expect(["a1", "a2"])
    fleet.join("w1", address="a1", functions=[PLAIN, function("elsewhere", pool="gone")])
    assert isinstance(refusal(admission, place={"pool": "fast"}), NoWorker)
    fleet.expect(["a1"])
    error = refusal(admission, place={"pool": "fast"})
    assert isinstance(error, InvalidSubmission)
    assert error.errors[0].pointer == "/place/pool"
    assert error.detail == '/place/pool: there is no pool "fast"; there are default'
    own = refusal(admission, function="elsewhere")
    assert isinstance(own, NoWorker)
    assert own.reason == "pool"


def test_pools_that_callers_make_up_are_not_remembered(
    fleet: FakeFleet, admission: Admission
) -> None:
    fleet.join("w1")
    for number in range(10):
        refusal(admission, place={"pool": f"made-up-{number}"})
        assert not fleet.can_serve(placed(pool=f"made-up-{number}"))
    members = fleet.roster.members("default", 1)
    assert members is not None
    assert members._free.keys() == {"default"}


def test_what_was_accepted_once_waits_until_somebody_has_its_function(
    fleet: FakeFleet, admission: Admission
) -> None:
    fleet.join("w1", group="shop", functions=[SHOP])
    with pytest.raises(NoWorker, match="no worker has the function"):
        admission.readmit(submission(), owner="ann", source=API, id="t1")
    fleet.disconnected(fleet.join("w2"))
    assert admission.readmit(submission(), owner="ann", source=API, id="t1").id == "t1"


def test_functions_are_shown_by_group_and_contract(fleet: FakeFleet, admission: Admission) -> None:
    fleet.join("w1", group="shop", functions=[SHOP])
    assert admission.function("plain", "shop") is SHOP
    assert admission.known("plain") is None
    with pytest.raises(UnknownFunction):
        admission.function("plain")


# A fleet that is updated under tasks that wait


STRICT = replace(PLAIN, contract=2, input=Schema({"type": "object", "required": ["url"]}))


@pytest.fixture
def fresh() -> FakeFleet:
    """The fleet of a balancer that has just started."""
    return FakeFleet(fresh=True)


@pytest.mark.parametrize("fields", [{"group": "news"}, {"contract": 7}])
@pytest.mark.parametrize("address", [None, "a1"])
def test_soon_after_the_start_a_group_that_nobody_has_may_be_a_workers_that_is_about_to_dial_in(
    fresh: FakeFleet, fields: dict[str, Any], address: str | None
) -> None:
    fresh.expect([] if address is None else [address])
    fresh.join("w1", address=address)
    error = refusal(asks(fresh), **fields)
    assert isinstance(error, NoWorker)
    assert "has just started" in error.detail
    fresh.clock.advance(RETURNING_S)
    assert refusal(asks(fresh), **fields).status == 404


@pytest.mark.parametrize("fields", [{}, {"contract": 1}, {"group": "default"}])
@pytest.mark.parametrize("address", [None, "a1"])
def test_a_function_is_unknown_as_soon_as_one_worker_of_its_group_and_contract_is_there(
    fresh: FakeFleet, fields: dict[str, Any], address: str | None
) -> None:
    fresh.expect([] if address is None else [address])
    misspelt = {"function": "plane"} | fields
    assert isinstance(refusal(asks(fresh), **misspelt), NoWorker)
    fresh.join("w1", address=address)
    error = refusal(asks(fresh), **misspelt)
    assert isinstance(error, UnknownFunction)
    assert "did you mean 'plain'" in error.detail


def test_a_function_is_not_unknown_while_only_workers_of_other_groups_are_back(
    fresh: FakeFleet,
) -> None:
    fresh.join("w1", group="shop", functions=[SHOP])
    assert isinstance(refusal(asks(fresh)), NoWorker)
    assert isinstance(refusal(asks(fresh), function="plane"), NoWorker)
    assert isinstance(refusal(asks(fresh), function="plane", group="shop"), UnknownFunction)


def test_a_function_is_not_unknown_while_a_listed_worker_has_not_been_heard(
    fresh: FakeFleet,
) -> None:
    fresh.expect(["a1", "a2"])
    fresh.join("w1", address="a1")
    error = refusal(asks(fresh), function="plane")
    assert isinstance(error, NoWorker)
    assert error.detail.endswith("1 listed workers have not reported yet")
    fresh.join("w2", address="a2")
    assert isinstance(refusal(asks(fresh), function="plane"), UnknownFunction)


@pytest.mark.parametrize(
    ("fields", "newer", "contract"),
    [
        ({}, [replace(PLAIN, contract=2)], 2),
        ({"contract": 1}, [replace(PLAIN, contract=2)], 1),
        ({}, [STRICT], 1),
        ({"input": {"url": "u"}}, [STRICT], 2),
        ({}, [function("other", contract=2)], 1),
        ({}, [], 1),
    ],
)
def test_a_waiting_task_moves_to_the_newest_contract_if_it_named_none_and_fits(
    fleet: FakeFleet,
    admission: Admission,
    fields: dict[str, Any],
    newer: list[Any],
    contract: int,
) -> None:
    older = fleet.join("w1")
    task = admitted(admission, **fields)
    fleet.draining(older)
    fleet.join("w2", contract=2, functions=newer)
    offer_of(fleet).resolve_again(task)
    assert task.spec.contract == contract


@pytest.mark.parametrize("fields", [{}, {"contract": 1}])
def test_a_waiting_task_moves_to_the_pool_that_its_function_has_now(
    fleet: FakeFleet, admission: Admission, fields: dict[str, Any]
) -> None:
    older = fleet.join("w1")
    task = admitted(admission, **fields)
    assert class_of(task).pool == "default"
    fleet.disconnected(older)
    fleet.join("w1", boot="b2", pools={"wide": 2}, functions=[replace(PLAIN, pool="wide")])
    offer_of(fleet).resolve_again(task)
    assert class_of(task).pool == "wide"
    assert fleet.can_serve(class_of(task))


def test_without_a_newer_contract_a_task_stays_where_it_is(
    fleet: FakeFleet, admission: Admission
) -> None:
    fleet.join("w1")
    task = admitted(admission)
    offer_of(fleet).resolve_again(task)
    assert task.spec is PLAIN


def test_a_balancer_admits_tasks_of_its_own_functions_without_any_worker() -> None:
    fleet = FakeFleet(fresh=True)
    admission = asks(fleet, FLOW)
    fleet.expect(["http://w1"])
    assert admitted(admission, function="flow").spec is FLOW
    assert (
        admission.readmit(submission(function="flow"), owner="ann", source=API, id="01a204ba").spec
        is FLOW
    )
    assert isinstance(refusal(admission, function="plain"), NoWorker)


def test_own_functions_are_among_the_nearest_names(fleet: FakeFleet) -> None:
    admission = asks(fleet, FLOW, replace(FLOW, name="audit", group="books", contract=4))
    fleet.join("w1")
    unknown = refusal(admission, function="flaw")
    assert unknown.to_problem()["suggestions"] == ["flow"]
    unknown = refusal(admission, function="audits", group="books")
    assert isinstance(unknown, UnknownFunction)
    assert unknown.to_problem()["suggestions"] == ["audit"]
    assert isinstance(refusal(admission, function="audit", group="books", contract=3), UnknownGroup)
    assert '"books", "default"' in refusal(admission, group="nowhere").detail


def test_a_task_that_waits_for_workers_never_becomes_one_of_the_balancers_own(
    fleet: FakeFleet,
) -> None:
    fleet.join("w1")
    offer = offer_of(fleet)
    task = Task(submission(), PLAIN, owner="ann", input={})
    offer.catalog.replace_own([replace(FLOW, name="plain")])
    offer.resolve_again(task)
    assert task.spec is PLAIN


# Slots of persistent pools


@pytest.fixture
def logins(fleet: FakeFleet) -> FakeFleet:
    """A fleet with a persistent pool of two slots, and a worker that is too old for it."""
    facts: dict[str, Any] = {
        "pools": {"default": 1, "logins": 2},
        "isolation": {"logins": "persistent"},
    }
    fleet.join("w1", **facts)
    fleet.join("old", protocol="1.3", pools=facts["pools"])
    return fleet


def test_a_slot_of_a_workers_persistent_pool_is_a_place(logins: FakeFleet) -> None:
    place = {"worker": "w1", "pool": "logins", "slot": 1}
    assert class_of(admitted(asks(logins), place=place)).slot == 1


@pytest.mark.parametrize(
    ("place", "pointer", "message"),
    [
        (
            {"pool": "logins", "slot": 1},
            "/place/worker",
            "is required by slot: a slot is of one worker",
        ),
        (
            {"worker": "w1", "pool": "logins", "slot": 2},
            "/place/slot",
            'the pool "logins" of the worker "w1" has no slot 2, only 0 to 1',
        ),
        (
            {"worker": "w1", "pool": "default", "slot": 0},
            "/place/slot",
            'the pool "default" of the worker "w1" is not persistent, '
            "so slot 0 of it cannot be chosen",
        ),
    ],
)
def test_a_slot_that_cannot_be_chosen_is_a_fault_of_the_request(
    logins: FakeFleet, place: dict[str, Any], pointer: str, message: str
) -> None:
    error = refusal(asks(logins), place=place)
    assert isinstance(error, InvalidSubmission)
    assert [(fault.pointer, fault.message) for fault in error.errors] == [(pointer, message)]


def test_no_task_with_a_slot_goes_to_a_worker_that_is_too_old_for_it(logins: FakeFleet) -> None:
    error = refusal(asks(logins), place={"worker": "old", "pool": "logins", "slot": 0})
    assert isinstance(error, NoWorker)
    assert (error.status, error.reason, error.may_return_s) == (503, "protocol", 0.0)
    assert "1.3" in error.detail
    assert admitted(asks(logins), place={"worker": "old", "pool": "logins"})


def test_a_slot_of_a_worker_that_is_away_has_no_worker(logins: FakeFleet) -> None:
    worker = logins.roster.worker("w1")
    assert worker is not None
    logins.disconnected(worker)
    error = refusal(asks(logins), place={"worker": "w1", "pool": "logins", "slot": 1})
    assert isinstance(error, NoWorker)
    assert error.detail.endswith('worker "w1", pool "logins", slot 1')
