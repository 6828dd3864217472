"""How long a task waits for its browser context, warm and cold, at half of the full load."""

from statistics import mean, median

from bench.load import open_load, submit
from bench.processes import Server
from bench.table import Row

TARGET_MS = 5.0


async def measure(
    worker: Server, url: str, *, capacity_per_s: float, rounds: int, tasks: int
) -> list[Row]:
    """`capacity_per_s`: the worker's rate of browser tasks with all slots busy."""
    warm, cold = (
        submit(function, {"url": url}) for function in ("wait_for_page", "wait_for_cold_page")
    )
    per_s = capacity_per_s / 2
    warm_ms: list[float] = []
    cold_ms: list[float] = []
    for _ in range(rounds):
        warm_ms += await open_load(worker, warm, per_s=per_s, count=tasks)
        cold_ms += await open_load(worker, cold, per_s=per_s, count=tasks)
    return [
        Row(
            "wait for a context at 50 % load, p50, ms; beside: a cold `new_context` with its page",
            f"{median(warm_ms):.1f}",
            f"{median(cold_ms):.1f}",
            f"{median(cold_ms) / median(warm_ms):.0f}",
            f"under {TARGET_MS:.0f} ms",
            median(warm_ms) < TARGET_MS,
        ),
        Row("the same wait, mean, ms", f"{mean(warm_ms):.1f}", f"{mean(cold_ms):.1f}"),
    ]
