"""`python -m bench.simulate [--quick] [--plot FILE]`: how long tasks wait, against the optimum.

The real queue, dispatcher, fleet and routing on a simulated clock and network, at 8 workers of 4
slots. Beside it what others do, and what nobody can beat: one queue in front of all slots.

How the optimum is compared: the mean wait of a sample of arrivals is far from the formula's, even
with a million of them. So the optimal queue is run on the very same arrivals, and the ratio of the
two means is taken; times Erlang's C it is our wait free of the sample's luck. The journey of a task
to its worker is no wait for a slot, whoever queues it, and is left out; that a slot stands idle
while word of its end travels to the balancer and the next task travels back is counted against us.
"""

import argparse
import sys
from pathlib import Path

from bench.simulation.growth import growth
from bench.simulation.jobs import SERVICES, Job, exponential, mean, poisson
from bench.simulation.optimum import central_queue, erlang_c_wait_s
from bench.simulation.plot import Curve, svg
from bench.simulation.policies import POLICIES, waits_of
from bench.simulation.slotgrid_fleet import Network, simulate

WORKERS, SLOTS = 8, 4
LOADS = (0.7, 0.9, 0.95)
PLOTTED = (0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97)
TARGET = 1.02
NEAR = Network(dispatch_s=0.00025, report_s=0.00025)
"""A quarter of a millisecond each way: the latency of a link on one machine or in one rack."""
NETWORKS = (Network(), NEAR, Network(0.0025, 0.0025), Network(0.025, 0.025))


def ours(jobs: list[Job], network: Network) -> float:
    """Mean seconds that a task waits for a slot, without its way to the worker."""
    outcome = simulate(jobs, workers=WORKERS, slots=SLOTS, network=network)
    assert outcome.refused == 0, "truthful workers never have to refuse"
    return mean(outcome.waits) - network.dispatch_s


def against_the_optimum(count: int) -> bool:
    """Print the table of the target; returns whether it was met."""
    print(f"Mean wait in ms: {WORKERS} workers of {SLOTS} slots, tasks of 1,000 ms on average,")
    print(f"{count:,} of them; the network takes {NEAR.dispatch_s * 1000:g} ms each way.\n")
    print(
        "| service | load | Slotgrid | optimum, same arrivals | ratio | Erlang C | target | met |"
    )
    print("|---|---|---|---|---|---|---|---|")
    all_met = True
    for name, service in SERVICES.items():
        for load in LOADS:
            jobs = poisson(service, load=load, slots=WORKERS * SLOTS, count=count, seed=1)
            best = mean(central_queue(jobs, slots=WORKERS * SLOTS))
            ratio = ours(jobs, NEAR) / best
            erlang, target, met = "", "", ""
            if service is exponential:
                wait_s = erlang_c_wait_s(slots=WORKERS * SLOTS, load=load)
                all_met &= ratio <= TARGET
                erlang, target = f"{wait_s * 1000:,.1f}", f"at most {TARGET}"
                met = "yes" if ratio <= TARGET else "no"
            shown = f"{ratio * best * 1000:,.1f} | {best * 1000:,.1f} | {ratio:.4f}"
            print(f"| {name} | {load:g} | {shown} | {erlang} | {target} | {met} |")
    return all_met


def over_networks(count: int) -> None:
    """Print the cost of network latency, with the lower bound of any late binding."""
    print("\nThe same by distance (exponential service), as a ratio to the optimum without any.")
    print("The bound: the optimum, were each slot idle for the round trip after each task.\n")
    print("| load | each way, ms | Slotgrid | bound |")
    print("|---|---|---|---|")
    for load in LOADS:
        jobs = poisson(exponential, load=load, slots=WORKERS * SLOTS, count=count, seed=2)
        best = mean(central_queue(jobs, slots=WORKERS * SLOTS))
        for network in NETWORKS:
            idle = central_queue(jobs, slots=WORKERS * SLOTS, idle_s=network.idle_s)
            shown = f"{ours(jobs, network) / best:.4f} | {mean(idle) / best:.4f}"
            print(f"| {load:g} | {network.dispatch_s * 1000:g} | {shown} |")


def beside_others(count: int) -> None:
    """Print the mean waits of other policies on the same arrivals."""
    print("\nMean wait in ms of other policies, each given the best of its kind (no network).\n")
    shown = [f"{name}, {load:g}" for name in SERVICES for load in LOADS]
    print(f"| policy | {' | '.join(shown)} |")
    print("|---" * (len(shown) + 1) + "|")
    runs = [
        poisson(service, load=load, slots=WORKERS * SLOTS, count=count, seed=1)
        for service in SERVICES.values()
        for load in LOADS
    ]
    optimum = [mean(central_queue(jobs, slots=WORKERS * SLOTS)) for jobs in runs]
    rows = {"one queue (optimum)": optimum} | {
        policy: [mean(waits_of(policy, jobs, workers=WORKERS, slots=SLOTS)) for jobs in runs]
        for policy in POLICIES
    }
    for name, waits in rows.items():
        print(f"| {name} | {' | '.join(f'{wait * 1000:,.1f}' for wait in waits)} |")


def of_growing_fleets() -> None:
    """Print the cost of a decision and of a report by size of the fleet."""
    print(
        "\nCPU in µs: a task (chosen for, sent, started, ended), one with labels, and a report.\n"
    )
    print("| workers | a task | a task with labels | a report |")
    print("|---|---|---|---|")
    for size, task, labelled, report in growth():
        print(f"| {size:,} | {task:.1f} | {labelled:.1f} | {report:.1f} |")


def plot(file: Path, count: int) -> None:
    """Draw wait against load for each policy."""
    curves: dict[str, list[tuple[float, float]]] = {"Slotgrid": []}
    for load in PLOTTED:
        jobs = poisson(exponential, load=load, slots=WORKERS * SLOTS, count=count, seed=1)
        few = jobs[: count // 5]
        ratio = ours(few, NEAR) / mean(central_queue(few, slots=WORKERS * SLOTS))
        # Times the optimum of these arrivals, not of the formula: all policies share the sample.
        optimum = mean(central_queue(jobs, slots=WORKERS * SLOTS))
        curves["Slotgrid"].append((load, ratio * optimum))
        for policy in POLICIES:
            wait_s = mean(waits_of(policy, jobs, workers=WORKERS, slots=SLOTS))
            curves.setdefault(policy, []).append((load, wait_s))
    title = f"Mean wait of tasks of 1 s, {WORKERS} workers of {SLOTS} slots"
    shown: dict[str, Curve] = {**curves}
    file.write_text(svg(shown, title=title))
    print(f"\nDrawn: {file}")


def main() -> int:
    """Simulate and print; the status is 1 if the target was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.simulate", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the tasks")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw wait against load, as SVG")
    options = parser.parse_args()
    count = 10_000 if options.quick else 100_000
    met = against_the_optimum(count)
    beside_others(count)
    over_networks(count // 5)
    of_growing_fleets()
    if options.plot is not None:
        plot(options.plot, count)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
