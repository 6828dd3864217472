"""Browser tasks over HTTP, compared with the same work in a bare loop of Playwright."""

from bench.load import Load, ask, closed_load, post, submit
from bench.pairs import Pair, cpu_us, per_s, percentile_ms
from bench.processes import Server
from bench.table import Row

TARGET = 0.95
SETTLING_MS = 100


async def measure(
    worker: Server, bare: Server, url: str, *, slots: int, rounds: int, seconds: float
) -> tuple[list[Row], float]:
    """Rows, and the worker's rate in tasks a second."""
    request = submit("page_title", {"url": url})
    pair = Pair()
    await closed_load(worker, request, clients=slots, seconds=2)
    await _bare_load(bare, url, slots=slots, seconds=2)
    for _ in range(rounds):
        pair.ours.append(await closed_load(worker, request, clients=slots, seconds=seconds))
        pair.bare.append(await _bare_load(bare, url, slots=slots, seconds=seconds))
    ratio = pair.rate_ratio()
    rows = [
        Row(
            f"`page_title`: tasks/s, {slots} at once, against a bare Playwright loop",
            f"{per_s(pair.ours):.1f}",
            f"{per_s(pair.bare):.1f}",
            f"{ratio:.2f}",
            f"at least {TARGET}",
            ratio >= TARGET,
        ),
        Row(
            "`page_title`: CPU of all processes for each task, ms",
            f"{cpu_us(pair.ours) / 1000:.0f}",
            f"{cpu_us(pair.bare) / 1000:.0f}",
            f"{pair.cpu_ratio():.2f}",
        ),
    ]
    return rows, per_s(pair.ours)


async def measure_settling(worker: Server, url: str, *, rounds: int, seconds: float) -> Row:
    """What a page with a script that moves nothing waits until it counts as settled."""
    settling = submit("page_title", {"url": url})
    at_once = submit("page_title", {"url": url, "settle_s": 0})
    settled, unsettled = list[Load](), list[Load]()
    for _ in range(rounds):
        settled.append(await closed_load(worker, settling, clients=1, seconds=seconds))
        unsettled.append(await closed_load(worker, at_once, clients=1, seconds=seconds))
    with_ms, without_ms = percentile_ms(settled, 50), percentile_ms(unsettled, 50)
    return Row(
        "`page_title` of a page with a script, one at a time, p50, ms; with `settle_s` 0",
        f"{with_ms:.0f}",
        f"{without_ms:.0f}",
        f"adds {with_ms - without_ms:.0f}",
        f"adds at most {SETTLING_MS}",
        with_ms - without_ms <= SETTLING_MS,
    )


async def _bare_load(bare: Server, url: str, *, slots: int, seconds: float) -> Load:
    request = post("/run", {"url": url, "tasks_at_once": slots, "seconds": seconds})
    cpu_s = bare.cpu_s()
    answer = await ask(bare, request)
    return Load(answer["tasks"], answer["elapsed_s"], bare.cpu_s() - cpu_s)
