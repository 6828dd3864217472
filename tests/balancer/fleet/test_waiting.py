"""The whole of queue, dispatcher, fleet and routing, against the queue that nobody can beat."""

import asyncio

import pytest

from bench.simulation.jobs import SERVICES, mean, poisson
from bench.simulation.optimum import central_queue, erlang_c_wait_s
from bench.simulation.slotgrid_fleet import Network, simulate
from bench.simulation.virtual_loop import Deadlock, VirtualLoop

WORKERS, SLOTS = 8, 4


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("load", [0.7, 0.95, 1.2])
def test_without_travel_every_task_starts_when_it_would_in_one_queue(
    service: str, load: float
) -> None:
    jobs = poisson(SERVICES[service], load=load, slots=WORKERS * SLOTS, count=1500, seed=7)
    outcome = simulate(jobs, workers=WORKERS, slots=SLOTS, network=Network())
    assert outcome.waits == pytest.approx(central_queue(jobs, slots=WORKERS * SLOTS), abs=1e-6)
    assert outcome.refused == 0


def test_with_travel_a_slot_stands_idle_for_the_round_trip_and_no_longer() -> None:
    network = Network(dispatch_s=0.03, report_s=0.02)
    jobs = poisson(SERVICES["exponential"], load=0.9, slots=WORKERS * SLOTS, count=1500, seed=7)
    outcome = simulate(jobs, workers=WORKERS, slots=SLOTS, network=network)
    bound = mean(central_queue(jobs, slots=WORKERS * SLOTS, idle_s=network.idle_s))
    assert mean(outcome.waits) - network.dispatch_s == pytest.approx(bound, rel=0.01)
    assert outcome.refused == 0


def test_the_formula_and_the_simulated_optimum_agree() -> None:
    jobs = poisson(SERVICES["exponential"], load=0.8, slots=4, count=200_000, seed=1)
    formula = erlang_c_wait_s(slots=4, load=0.8)
    assert mean(central_queue(jobs, slots=4)) == pytest.approx(formula, rel=0.05)
    assert erlang_c_wait_s(slots=1, load=0.5) == pytest.approx(1.0)  # M/M/1: load / (1 - load)


def test_simulated_time_jumps_and_a_program_that_waits_for_nothing_is_told() -> None:
    async def naps() -> float:
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(naps()) == pytest.approx(3600)
    loop = VirtualLoop()
    with pytest.raises(Deadlock):
        loop.run_until_complete(loop.create_future())
    loop.close()
