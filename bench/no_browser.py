"""What a task costs beside its work: an echo on a slot against a bare aiohttp handler."""

from bench.load import Load, closed_load, submit
from bench.pairs import Pair, cpu_us, per_s, percentile_ms
from bench.processes import Server
from bench.table import Row

CLIENTS = 4
TARGET = 0.4
VALUE = {"name": "a value", "numbers": [1, 2, 3], "nested": {"flag": True, "text": "twelve words"}}


async def measure(
    worker: Server, echo: Server, manual_echo: Server, *, rounds: int, seconds: float
) -> list[Row]:
    """As many clients as slots, so that nothing queues; all are asked the very same.

    `echo` is aiohttp at its fastest, with uvloop and orjson; `manual_echo` as its manual has it.
    """
    request = submit("echo", {"value": VALUE})
    loads: tuple[list[Load], list[Load], list[Load]] = ([], [], [])
    ours, bare, manual = loads
    for server in (worker, echo, manual_echo):
        await closed_load(server, request, clients=CLIENTS, seconds=1)
    for _ in range(rounds):
        for server, found in zip((worker, echo, manual_echo), loads, strict=True):
            found.append(await closed_load(server, request, clients=CLIENTS, seconds=seconds))
    pair, by_manual = Pair(ours, bare), Pair(ours, manual)
    ratio = pair.rate_ratio()
    rows = [
        Row(
            f"no browser: tasks/s, {CLIENTS} clients, against aiohttp's echo",
            f"{per_s(pair.ours):,.0f}",
            f"{per_s(pair.bare):,.0f}",
            f"{ratio:.2f}",
            f"at least {TARGET}",
            ratio >= TARGET,
        ),
        Row(
            "the same against an echo on asyncio's own loop and `json`",
            f"{per_s(ours):,.0f}",
            f"{per_s(manual):,.0f}",
            f"{by_manual.rate_ratio():.2f}",
        ),
        Row(
            "no browser: CPU of the server for each task, µs",
            f"{cpu_us(pair.ours):.0f}",
            f"{cpu_us(pair.bare):.0f}",
            f"{pair.cpu_ratio():.2f}",
        ),
    ]
    for percent in (50, 99):
        mine, theirs = (percentile_ms(found, percent) for found in (ours, bare))
        rows.append(Row(f"no browser: p{percent}, ms", f"{mine:.2f}", f"{theirs:.2f}"))
    return rows
