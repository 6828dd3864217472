import math
import random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from balancer.fleet.routing import Needs, Rank, Ranking, rank


def place_of(**fields: Any) -> Rank:
    return rank(**({"free": 2, "size": 4, "weight": 1.0, "load": 0.0} | fields))


def test_most_free_slots_relative_to_size_go_first() -> None:
    assert place_of(free=3) < place_of(free=2)
    assert place_of(free=2, size=4) < place_of(free=4, size=10)


def test_weight_counts_like_free_slots() -> None:
    assert place_of(weight=2.0) < place_of(free=3)
    assert place_of(weight=2.0, free=1) == place_of(free=2)


def test_among_equals_the_least_loaded_goes_first_and_noise_is_none() -> None:
    assert place_of(load=0.2) < place_of(load=0.5)
    assert place_of(load=0.21) == place_of(load=0.19)
    assert place_of(load=1.0, free=3) < place_of(load=0.0, free=2)


@pytest.mark.parametrize(
    ("needs", "met"),
    [
        (Needs("p"), True),
        (Needs("p", (("zone", "a"),)), True),
        (Needs("p", (("zone", "a"), ("gpu", "yes"))), False),
        (Needs("p", (), ("cache",)), True),
        (Needs("p", (), ("cache", "db")), False),
    ],
)
def test_needs_are_labels_that_it_has_and_services_that_are_not_down(
    needs: Needs, met: bool
) -> None:
    assert needs.met_by({("zone", "a"), ("os", "b")}, {"db"}) is met


class RankingAgainstModel(RuleBasedStateMachine):
    """Any order of changes; the model is a dictionary that is searched."""

    def __init__(self) -> None:
        super().__init__()
        self.ranking: Ranking[str] = Ranking(random.Random(1).random)
        self.model: dict[str, Rank] = {}

    @rule(name=st.sampled_from("abcdefgh"), free=st.integers(1, 5))
    def put(self, name: str, free: int) -> None:
        self.model[name] = place_of(free=free)
        self.ranking.put(name, self.model[name], name)

    @rule(name=st.sampled_from("abcdefgh"))
    def remove(self, name: str) -> None:
        self.model.pop(name, None)
        self.ranking.remove(name)

    @invariant()
    def the_first_has_the_smallest_rank(self) -> None:
        first = self.ranking.first()
        assert (first is None) == (not self.model)
        assert first is None or self.model[first] == min(self.model.values())
        assert sorted(self.ranking) == sorted(self.model)
        assert len(self.ranking) == len(self.model)


TestRankingAgainstModel = RankingAgainstModel.TestCase
TestRankingAgainstModel.settings = settings(max_examples=60, stateful_step_count=120)


class Counted(tuple[float, float]):
    """A rank that counts how often it is compared."""

    __slots__ = ()
    comparisons = 0

    def __lt__(self, other: tuple[float, ...]) -> bool:
        Counted.comparisons += 1
        return tuple(self) < tuple(other)


def comparisons_of_a_change(size: int) -> float:
    """The mean over many changes of the first one's rank."""
    chance = random.Random(size)
    ranking: Ranking[str] = Ranking(chance.random)
    for number in range(size):
        ranking.put(str(number), Counted((chance.random(), 0)), str(number))
    Counted.comparisons = 0
    for _ in range(2000):
        first = ranking.first()
        assert first is not None
        ranking.put(first, Counted((chance.random(), 0)), first)
    return Counted.comparisons / 2000


def test_a_change_costs_the_logarithm_of_the_fleet() -> None:
    few, many = comparisons_of_a_change(100), comparisons_of_a_change(10_000)
    assert few > 0
    assert many <= 3 * few
    assert many <= 6 * math.log2(10_000)


def test_equals_are_drawn_by_chance() -> None:
    chosen = set()
    for seed in range(20):
        ranking: Ranking[str] = Ranking(random.Random(seed).random)
        for name in "abc":
            ranking.put(name, place_of(), name)
        chosen.add(ranking.first())
    assert chosen == set("abc")
