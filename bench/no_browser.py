"""What a task costs beside its work: an echo on a slot against a bare aiohttp handler."""

from bench.load import closed_load, submit
from bench.pairs import Pair, cpu_us, per_s, percentile_ms
from bench.processes import Server
from bench.table import Row

CLIENTS = 4
TARGET = 0.4
VALUE = {"name": "a value", "numbers": [1, 2, 3], "nested": {"flag": True, "text": "twelve words"}}


async def measure(worker: Server, echo: Server, *, rounds: int, seconds: float) -> list[Row]:
    """As many clients as slots, so that nothing queues; both are asked the very same."""
    request = submit("echo", {"value": VALUE})
    pair = Pair()
    for server in (worker, echo):
        await closed_load(server, request, clients=CLIENTS, seconds=1)
    for _ in range(rounds):
        for server, loads in ((worker, pair.ours), (echo, pair.bare)):
            loads.append(await closed_load(server, request, clients=CLIENTS, seconds=seconds))
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
            "no browser: CPU of the server for each task, µs",
            f"{cpu_us(pair.ours):.0f}",
            f"{cpu_us(pair.bare):.0f}",
            f"{pair.cpu_ratio():.2f}",
        ),
    ]
    for percent in (50, 99):
        ours, bare = (percentile_ms(loads, percent) for loads in (pair.ours, pair.bare))
        rows.append(Row(f"no browser: p{percent}, ms", f"{ours:.2f}", f"{bare:.2f}"))
    return rows
