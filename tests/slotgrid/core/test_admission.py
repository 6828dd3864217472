import asyncio
import time
from typing import Any

import msgspec
import pytest

from slotgrid.core.admission import Admission
from slotgrid.core.errors import (
    ContractMismatch,
    InMaintenance,
    InvalidInput,
    InvalidSubmission,
    ModeUnsupported,
    NoWorker,
    ServiceError,
    UnknownFunction,
    UnknownGroup,
)
from slotgrid.core.node_state import NodeState, NodeStatus
from slotgrid.core.offer import LocalOffer
from slotgrid.core.schema import Schema
from slotgrid.core.spec import FunctionSpec
from slotgrid.core.submission import Submission
from slotgrid.core.task_parts import Source
from slotgrid.core.task_states import TaskState
from tests.slotgrid.core.fakes import FakeCatalog, function

PRICE = function(
    "shop/price",
    input=Schema(
        {
            "type": "object",
            "properties": {"url": {"type": "string"}, "depth": {"type": "integer", "default": 1}},
            "required": ["url"],
            "additionalProperties": False,
        }
    ),
    modes=("sync", "webhook"),
    timeout_s=20.0,
)


@pytest.fixture
def status() -> NodeStatus:
    status = NodeStatus()
    status.move_to(NodeState.READY)
    return status


@pytest.fixture
def admission(status: NodeStatus) -> Admission:
    catalog = FakeCatalog(PRICE, function("hello", modes=("sync", "stream")))
    catalog.put(function("elsewhere", pool="gone"))
    catalog.put(function("later", modes=("webhook",)))
    catalog.put(function("rundown", kind="flow", needs_slot=False, pool="gone"))
    offer = LocalOffer(
        catalog,
        node="w1",
        group="shop",
        contract=3,
        pools={"default": 2, "logins": 3, "alike": 2},
        persistent={"logins"},
        labels=[("zone", "b")],
    )
    return Admission(
        offer,
        status,
        modes=["sync", "stream"],
    )


def submission(name: str = "shop/price", **fields: Any) -> Submission:
    return Submission.parse({"function": name, "input": {"url": "u"}} | fields)


def refusal(admission: Admission, sent: Submission) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        admission.admit(sent, owner="ann")
    return caught.value


def test_what_is_admitted_is_a_queued_task_with_its_defaults(admission: Admission) -> None:
    sent = submission(group="shop", contract=3, timeout_s=20)
    task = admission.admit(sent, owner="ann", source=Source("call", "t1"))
    assert task.state is TaskState.QUEUED
    assert task.input == {"url": "u", "depth": 1}
    assert task.spec is PRICE
    assert (task.owner, task.source) == ("ann", Source("call", "t1"))
    assert admission.admit(submission(), owner="ann").source == Source("api")


def test_a_node_that_accepts_nothing_says_so_before_anything_else(
    admission: Admission, status: NodeStatus
) -> None:
    status.move_to(NodeState.MAINTENANCE)
    assert isinstance(refusal(admission, submission("nonsense")), InMaintenance)


def test_another_group_is_unknown_here(admission: Admission) -> None:
    error = refusal(admission, submission(group="news"))
    assert isinstance(error, UnknownGroup)
    assert '"shop"' in error.detail
    assert '"news"' in error.detail


def test_another_contract_is_refused_and_both_are_named(admission: Admission) -> None:
    error = refusal(admission, submission(contract=2))
    assert isinstance(error, ContractMismatch)
    assert error.detail == "the task asks for contract 2, this worker has contract 3"


@pytest.mark.parametrize(
    ("name", "suggestions"),
    [
        ("shop/prise", ["shop/price"]),
        ("PRICE", ["shop/price"]),
        ("helo", ["hello"]),
        ("zzz", []),
        ("hello" * 100_000, []),
    ],
)
def test_an_unknown_function_is_told_with_the_nearest_names(
    admission: Admission, name: str, suggestions: list[str]
) -> None:
    error = refusal(admission, submission(name))
    assert isinstance(error, UnknownFunction)
    assert error.to_problem()["suggestions"] == suggestions
    assert ("did you mean" in error.detail) == bool(suggestions)


def test_an_empty_name_is_near_to_nothing(admission: Admission) -> None:
    with pytest.raises(UnknownFunction, match=r"there is no function ''$"):
        admission.function("")


def test_a_mode_that_the_function_does_not_have_is_refused(admission: Admission) -> None:
    error = refusal(admission, submission(mode="stream"))
    assert isinstance(error, ModeUnsupported)
    assert error.detail == (
        'the function "shop/price" does not support mode stream; it supports sync'
    )


def test_a_mode_that_the_node_does_not_offer_is_refused(admission: Admission) -> None:
    webhook = {"url": "https://example.org"}
    error = refusal(admission, submission(mode="webhook", webhook=webhook))
    assert isinstance(error, ModeUnsupported)
    assert error.detail == "this node does not offer mode webhook; it offers stream, sync"


def test_a_function_with_no_mode_in_common_with_the_node_says_so(admission: Admission) -> None:
    error = refusal(admission, submission("later"))
    assert isinstance(error, ModeUnsupported)
    assert error.detail.endswith("it supports webhook, which this node does not offer")


def test_the_modes_of_a_function_are_those_that_the_node_offers_too(admission: Admission) -> None:
    assert admission.modes(PRICE) == ("sync",)


def test_a_pool_that_is_not_there_is_a_fault_of_the_request(admission: Admission) -> None:
    error = refusal(admission, submission(place={"pool": "fast"}))
    assert isinstance(error, InvalidSubmission)
    assert error.errors[0].pointer == "/place/pool"
    assert "alike, default, logins" in error.detail
    assert admission.admit(submission(place={"pool": "logins"}), owner="ann")


def test_a_function_whose_own_pool_is_not_here_can_only_run_in_another(
    admission: Admission,
) -> None:
    error = refusal(admission, submission("elsewhere"))
    assert isinstance(error, NoWorker)
    assert error.reason == "pool"
    assert admission.admit(submission("elsewhere", place={"pool": "default"}), owner="ann")


@pytest.mark.parametrize(
    ("place", "named"),
    [({"worker": "w2"}, '"w2"'), ({"labels": {"zone": "a", "gpu": "yes"}}, "gpu=yes, zone=a")],
)
def test_a_place_that_this_worker_is_not_is_refused(
    admission: Admission, place: dict[str, Any], named: str
) -> None:
    error = refusal(admission, submission(place=place))
    assert isinstance(error, NoWorker)
    assert error.reason == "place"
    assert named in error.detail


def test_a_place_that_this_worker_is_is_admitted(admission: Admission) -> None:
    place = {"worker": "w1", "labels": {"zone": "b"}}
    assert admission.admit(submission(place=place), owner="ann")


def test_a_slot_of_a_persistent_pool_is_a_place(admission: Admission) -> None:
    for place in ({"pool": "logins", "slot": 2}, {"pool": "logins", "slot": 0, "worker": "w1"}):
        assert admission.admit(submission(place=place), owner="ann")
    elsewhere = refusal(admission, submission(place={"pool": "logins", "slot": 0, "worker": "w2"}))
    assert isinstance(elsewhere, NoWorker)


@pytest.mark.parametrize(
    ("place", "detail"),
    [
        ({"pool": "logins", "slot": 3}, 'the pool "logins" has no slot 3, only 0 to 2'),
        (
            {"pool": "alike", "slot": 1},
            'the pool "alike" is not persistent, so slot 1 of it cannot be chosen',
        ),
        (
            {"pool": "default", "slot": 7},
            'the pool "default" is not persistent, so slot 7 of it cannot be chosen',
        ),
    ],
)
def test_a_slot_that_cannot_be_chosen_is_a_fault_of_the_request(
    admission: Admission, place: dict[str, Any], detail: str
) -> None:
    error = refusal(admission, submission(place=place))
    assert isinstance(error, InvalidSubmission)
    assert error.detail == f"/place/slot: {detail}"
    assert [fault.pointer for fault in error.errors] == ["/place/slot"]


def test_a_timeout_above_the_functions_ceiling_is_refused(admission: Admission) -> None:
    error = refusal(admission, submission(timeout_s=20.5))
    assert isinstance(error, InvalidSubmission)
    assert [violation.pointer for violation in error.errors] == ["/timeout_s"]
    assert "at most 20" in error.detail


def test_every_violation_of_the_input_is_told_under_input(admission: Admission) -> None:
    error = refusal(admission, submission(input={"url": 1, "depth": "x", "colour": "red"}))
    assert isinstance(error, InvalidInput)
    assert [violation.pointer for violation in error.errors] == [
        "/input",
        "/input/depth",
        "/input/url",
    ]
    assert error.detail.endswith("(and 2 more)")
    assert "more" not in refusal(admission, submission(input={"url": 1})).detail


def test_what_was_sent_stays_as_it_was(admission: Admission) -> None:
    sent = submission()
    admission.admit(sent, owner="ann")
    assert sent == msgspec.structs.replace(sent, input={"url": "u"})


class Returning:
    """An offer whose only worker is lost until `back`. Everything else is `offer`'s."""

    def __init__(self, offer: LocalOffer, *, may_return_s: float) -> None:
        self.offer = offer
        self.catalog = offer.catalog
        self.recorded = offer.recorded
        self.check_place = offer.check_place
        self.may_return_s = may_return_s
        self.back = False
        self.waits: list[float] = []

    def resolve(self, submission: Submission) -> FunctionSpec:
        if self.back:
            return self.offer.resolve(submission)
        raise NoWorker("lost", reason="lost", may_return_s=self.may_return_s)

    async def changed(self, within_s: float) -> None:
        self.waits.append(within_s)
        await asyncio.sleep(0)
        self.back = len(self.waits) == 2


@pytest.fixture
def returning(admission: Admission) -> Returning:
    assert isinstance(admission._offer, LocalOffer)
    return Returning(admission._offer, may_return_s=3.0)


async def test_a_submission_waits_for_workers_that_may_be_back(
    returning: Returning, status: NodeStatus
) -> None:
    admission = Admission(returning, status, modes=["sync"])
    began = time.monotonic()
    task = await admission.admit_within(submission(), owner="ann", source=Source("call", "t1"))
    assert returning.waits == [3.0, 3.0]
    assert task.source == Source("call", "t1")
    assert began <= task.queued_mono <= time.monotonic()
    again = await admission.admit_within(submission(), owner="ann")
    assert again.owner == "ann"
    assert len(returning.waits) == 2


async def test_it_waits_no_longer_than_it_may_wait_for_a_slot(
    returning: Returning, status: NodeStatus
) -> None:
    admission = Admission(returning, status, modes=["sync"])
    with pytest.raises(NoWorker):
        await admission.admit_within(submission(wait_s=0), owner="ann")
    assert returning.waits == []
    await admission.admit_within(submission(wait_s=2), owner="ann")
    assert all(1 < wait_s <= 2 for wait_s in returning.waits)


async def test_workers_that_will_not_be_back_are_not_waited_for(
    returning: Returning, status: NodeStatus
) -> None:
    returning.may_return_s = 0.0
    admission = Admission(returning, status, modes=["sync"])
    with pytest.raises(NoWorker):
        await admission.admit_within(submission(), owner="ann")
    assert returning.waits == []


async def test_a_worker_offers_nothing_else_a_moment_later(admission: Admission) -> None:
    await admission._offer.changed(3.0)


def test_a_function_without_a_slot_needs_no_pool_and_takes_no_place(admission: Admission) -> None:
    assert not admission.admit(submission("rundown", place={}), owner="ann").spec.needs_slot
    error = refusal(admission, submission("rundown", place={"worker": "w1"}))
    assert isinstance(error, InvalidSubmission)
    assert [fault.pointer for fault in error.errors] == ["/place"]
