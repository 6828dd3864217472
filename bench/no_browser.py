"""The overhead of a task: an echo on a slot, compared with a bare aiohttp handler."""

from bench.load import Load, closed_load, submit
from bench.pairs import Pair, cpu_us, per_s, percentile_ms
from bench.processes import Server
from bench.table import Row

CLIENTS = 4
CPU_US = 500
"""Target: CPU of the worker for each task, in microseconds, at most."""
VALUE = {"name": "a value", "numbers": [1, 2, 3], "nested": {"flag": True, "text": "twelve words"}}


async def measure(
    worker: Server, echo: Server, manual_echo: Server, *, rounds: int, seconds: float
) -> list[Row]:
    """As many clients as slots, so that nothing queues; all servers get the same request.

    `manual_echo` is a handler in the style of aiohttp's manual; `echo` is the fastest such handler,
    with the worker's own uvloop and orjson.
    """
    request = submit("echo", {"value": VALUE})
    servers = (worker, manual_echo, echo)
    loads: tuple[list[Load], list[Load], list[Load]] = ([], [], [])
    for server in servers:
        await closed_load(server, request, clients=CLIENTS, seconds=1)
    for _ in range(rounds):
        for server, found in zip(servers, loads, strict=True):
            found.append(await closed_load(server, request, clients=CLIENTS, seconds=seconds))
    ours, manual, fastest = loads
    rows = [
        Row(
            f"no browser: tasks/s, {CLIENTS} clients, against an aiohttp handler that echoes JSON",
            f"{per_s(ours):,.0f}",
            f"{per_s(manual):,.0f}",
            f"{Pair(ours, manual).rate_ratio():.2f}",
        ),
        Row(
            "the same against the fastest such handler, on uvloop and with orjson",
            f"{per_s(ours):,.0f}",
            f"{per_s(fastest):,.0f}",
            f"{Pair(ours, fastest).rate_ratio():.2f}",
        ),
    ]
    for name, beside in (("the handler", manual), ("the fastest", fastest)):
        rows.append(
            Row(
                f"no browser: CPU of the server for each task, µs; beside: {name}",
                f"{cpu_us(ours):.0f}",
                f"{cpu_us(beside):.0f}",
                f"{Pair(ours, beside).cpu_ratio():.2f}",
                f"at most {CPU_US}",
                cpu_us(ours) <= CPU_US,
            )
        )
    for percent in (50, 99):
        mine, theirs = (percentile_ms(found, percent) for found in (ours, manual))
        rows.append(Row(f"no browser: p{percent}, ms", f"{mine:.2f}", f"{theirs:.2f}"))
    return rows
