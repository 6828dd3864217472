"""Takes the pictures of the README: `python -m tests.balancer.dashboard.picture FOLDER`.

A real fleet at work, for long enough that the charts show something.
"""

import asyncio
import contextlib
import random
import sys
import tempfile
from pathlib import Path

from playwright.async_api import async_playwright, expect

from tests.balancer.dashboard.pages import watch
from tests.harness.in_process.balancer import RunningBalancer, running_balancer
from worker.browser.launch import LaunchPlan

WORKERS = 8
SLOTS = 10
FOR_S = 150


async def work(balancer: RunningBalancer) -> None:
    """Callers who come at random, and more of them for a while."""
    chance = random.Random(7)
    for tenth in range(10 * FOR_S):
        rush = 10 * FOR_S * 0.45 < tenth < 10 * FOR_S * 0.6
        for group, rate in (("default", 1.9 if rush else 1.05), ("shop", 0.4)):
            for _ in range(int(rate + chance.random())):
                naps_s = min(8.0, chance.lognormvariate(1.0, 0.8))
                _ = balancer.start("nap", seconds=naps_s, fields={"group": group})
        await asyncio.sleep(0.1)


async def main(folder: Path) -> None:
    """Start a fleet, let it work, look at it in light and dark."""
    with tempfile.TemporaryDirectory() as home:
        async with running_balancer(Path(home)) as balancer, async_playwright() as playwright:
            for number in range(1, WORKERS + 1):
                group = "shop" if number > 6 else "default"
                await balancer.worker(f"worker-{number}", SLOTS=SLOTS, GROUP=group)
            answer = await balancer.request("POST", "/workers/worker-5/off")
            assert answer.status == 200
            await work(balancer)
            plan = LaunchPlan()
            options = plan.launch_options(plan.executable(), boot_id="picture")
            browser = await playwright.chromium.launch(**options)
            for scheme in ("light", "dark"):
                page = await browser.new_page(
                    viewport={"width": 1280, "height": 820}, color_scheme=scheme
                )
                dashboard = await watch(page, balancer.url, folder)
                await dashboard.open()
                await expect(page.locator(".cells i[data-state=running]").first).to_be_visible()
                await page.screenshot(path=folder / f"dashboard-{scheme}.png")
                assert await dashboard.violations() == []
            await browser.close()
            await balancer.balancer.supervisor.wait_idle()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(Path(sys.argv[1])))
