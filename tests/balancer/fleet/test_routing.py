"""Which worker gets a task: the choice among those with a free slot."""

import random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from balancer.fleet.fleet import Fleet
from balancer.fleet.worker_ranking import Rank, rank
from slotgrid.core.priority_queue import TaskClass
from slotgrid.core.slots import Slot
from tests.balancer.fleet.fakes import DEFAULT, FakeFleet, hello, placed, report
from tests.slotgrid.core.fakes import PLAIN

NAMES = "abcdef"
ZONES = dict(zip(NAMES, "xyxyxy", strict=True))
CLASSES = (DEFAULT, placed(labels=(("zone", "x"),)), placed(worker="c"))


@pytest.mark.parametrize(
    ("labels", "services", "met"),
    [
        ((), (), True),
        ((("zone", "a"),), (), True),
        ((("zone", "a"), ("gpu", "yes")), (), False),
        ((), ("cache",), True),
        ((), ("cache", "db"), False),
    ],
)
def test_needs_are_labels_that_it_has_and_services_that_are_not_down(
    labels: Any, services: Any, met: bool
) -> None:
    down = {"services": {"cache": True, "db": False}}
    worker = FakeFleet().join("w1", labels=[("zone", "a"), ("os", "b")], report=down)
    assert worker.meets(labels, services) is met


class ChoiceAgainstModel(RuleBasedStateMachine):
    """Any order of changes; the model ranks every worker anew."""

    def __init__(self) -> None:
        super().__init__()
        self.fleet = FakeFleet()
        self.slots: list[Slot] = []
        self.seq = 0

    @rule(name=st.sampled_from(NAMES), free=st.integers(0, 4), load=st.integers(0, 100))
    def report(self, name: str, free: int, load: int) -> None:
        self.seq += 1
        worker = self.fleet.roster.worker(name)
        if worker is None or worker.left_at is not None:
            self.fleet.join(name, labels=[("zone", ZONES[name])], free=free)
        else:
            self.fleet.reported(worker, report(self.seq, free, cpu_percent=float(load)))

    @rule(name=st.sampled_from(NAMES), held=st.booleans())
    def lose_or_hold(self, name: str, held: bool) -> None:
        self.seq += 1
        worker = self.fleet.roster.worker(name)
        if worker is None or worker.left_at is not None:
            return
        if held:
            self.fleet.reported(worker, report(self.seq, 4, held="memory is short"))
        else:
            self.fleet.disconnected(worker)

    @rule(cls=st.sampled_from(CLASSES))
    def take(self, cls: TaskClass) -> None:
        ranks = self.ranks(cls)
        assert self.fleet.can_serve(cls) == bool(ranks)
        if ranks:
            slot = self.fleet.take(cls)
            assert ranks[slot.worker] == min(ranks.values())
            self.slots.append(slot)

    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        if self.slots:
            self.fleet.give_back(self.slots.pop(data.draw(st.integers(0, len(self.slots) - 1))))

    @invariant()
    def slots_are_those_of_ready_workers(self) -> None:
        for cls in CLASSES:
            there = [w for w in self.fleet.roster.workers() if self.fits(cls, w.name)]
            assert self.fleet.size(cls) == sum(4 for worker in there if worker.left_at is None)

    def ranks(self, cls: TaskClass) -> dict[str, Rank]:
        """The rank of each worker that may get a task of that class now."""
        ranks: dict[str, Rank] = {}
        for worker in self.fleet.roster.workers():
            free = worker.room(cls.pool, self.fleet.clock())
            if free and self.fits(cls, worker.name):
                ranks[worker.name] = rank(
                    free=free, size=4, weight=1.0, system=worker.report.system, chance=0.0
                )
        return ranks

    def fits(self, cls: TaskClass, name: str) -> bool:
        place = cls.place
        return place.worker in {None, name} and all(ZONES[name] == zone for _, zone in place.labels)


TestChoiceAgainstModel = ChoiceAgainstModel.TestCase
TestChoiceAgainstModel.settings = settings(max_examples=60, stateful_step_count=80)


def test_the_choice_regards_the_weight_and_the_size_of_each_worker() -> None:
    fleet = FakeFleet()
    fleet.join("large", pools={"default": 10}, free=4)
    fleet.join("plain", free=2)
    fleet.join("heavy", free=2, weight=2.0)
    assert [*dict.fromkeys(fleet.names())] == ["heavy", "plain", "large"]


def test_equals_are_drawn_by_chance() -> None:
    chosen = set()
    for seed in range(20):
        fleet = Fleet(chance=random.Random(seed).random)
        for name in "abc":
            fleet.joined(hello(name, report(0, 4), pools={"default": 4}), [PLAIN])
        chosen.add(fleet.take(DEFAULT).worker)
    assert chosen == set("abc")
