from balancer.fleet import worker_ranking
from balancer.fleet.worker_ranking import Rank
from slotgrid.wire.message_parts import System


def rank(
    *, free: int = 2, size: int = 4, weight: float = 1.0, load: float = 0.0, chance: float = 0.0
) -> Rank:
    system = System(cpu_percent=load * 100)
    return worker_ranking.rank(free=free, size=size, weight=weight, system=system, chance=chance)


def test_most_free_slots_relative_to_size_go_first() -> None:
    assert rank(free=3) < rank(free=2)
    assert rank(free=2, size=4) < rank(free=4, size=10)


def test_weight_counts_like_free_slots() -> None:
    assert rank(weight=2.0) < rank(free=3)
    assert rank(weight=2.0, free=1) == rank(free=2)


def test_among_equals_the_least_loaded_goes_first_and_noise_is_none() -> None:
    assert rank(load=0.2) < rank(load=0.5)
    assert rank(load=0.21) == rank(load=0.19)
    assert rank(load=1.0, free=3) < rank(load=0.0, free=2)


def test_a_draw_decides_only_among_equals() -> None:
    assert rank(chance=0.1) < rank(chance=0.9)
    assert rank(load=0.2, chance=0.9) < rank(load=0.5, chance=0.1)
