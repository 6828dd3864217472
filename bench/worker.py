"""`python -m bench.worker [--quick]`: the worker beside what it is built on, as one table."""

import sys
from collections.abc import Callable
from pathlib import Path

from bench import context_wait, guarded, leftovers, no_browser, titles
from bench.measuring import main
from bench.processes import started, worker
from bench.table import Row

SLOTS = 4
ROOT = Path(__file__).parent.parent
SHIPPED, OURS = ROOT / "functions", ROOT / "bench" / "functions"


async def run(folder: Path, *, quick: bool, say: Callable[[str], None]) -> list[Row]:
    """Every measurement, one after the other; `folder` is for the workers' files."""
    rounds, seconds = (3, 3.0) if quick else (7, 10.0)
    async with started("bench.pages") as pages:
        url = f"http://127.0.0.1:{pages.port}/"
        say("browser tasks and the bare loop")
        async with (
            worker(folder / "titles", SHIPPED, slots=SLOTS) as node,
            started("bench.bare_loop") as bare,
        ):
            rows, per_s = await titles.measure(
                node, bare, url, slots=SLOTS, rounds=rounds, seconds=seconds
            )
            say("a page with a script")
            rows.append(
                await titles.measure_settling(
                    node, f"{url}scripted", rounds=rounds, seconds=seconds
                )
            )
        say("the traffic guard, on and off")
        async with (
            worker(folder / "guarded", SHIPPED, slots=SLOTS) as node,
            worker(folder / "free", SHIPPED, slots=SLOTS, TRAFFIC_GUARD="false") as free,
        ):
            rows += await guarded.measure_pages(
                node, free, url, slots=SLOTS, rounds=rounds, seconds=seconds
            )
        rows += await guarded.measure_bytes()
        say("tasks without a browser and the bare handler")
        async with (
            worker(folder / "no browser", OURS, slots=SLOTS) as node,
            started("bench.echo") as echo,
            started("bench.manual_echo") as manual_echo,
        ):
            # Many short rounds: other load of the host then affects both servers of a round alike.
            rows += await no_browser.measure(
                node, echo, manual_echo, rounds=4 * rounds, seconds=seconds / 4
            )
        say("the wait for a context")
        async with worker(folder / "waits", OURS, slots=SLOTS) as node:
            rows += await context_wait.measure(
                node, url, capacity_per_s=per_s, rounds=rounds, tasks=20 if quick else 50
            )
        tasks = 200 if quick else 1000
        say(f"{tasks} tasks, some of which go wrong")
        async with worker(folder / "leftovers", OURS, slots=SLOTS) as node:
            data_dir = folder / "leftovers" / "data"
            rows += await leftovers.measure(node, data_dir, url, slots=SLOTS, tasks=tasks)
            tree = leftovers.tree_of(node)
        rows.append(leftovers.measure_end(tree, folder / "leftovers"))
    return rows


if __name__ == "__main__":
    sys.exit(main(run, module="bench.worker", about=__doc__, quick="two minutes instead of ten"))
