"""Prints the scripts of which the browser of this folder draws boxes, one a line."""

import asyncio

from playwright.async_api import async_playwright

from slotgrid.runtime.env_file import load_settings
from worker.app import launch_plan
from worker.browser.fonts import undrawn_scripts

LAUNCH_TIMEOUT_S = 30.0


async def main() -> None:
    """Start the browser as a worker does, and let it draw."""
    plan = launch_plan(load_settings())
    options = plan.launch_options(plan.executable(), boot_id="fonts")
    async with asyncio.timeout(LAUNCH_TIMEOUT_S), async_playwright() as playwright:
        browser = await playwright.chromium.launch(**options)
        for script in await undrawn_scripts(await browser.new_page()):
            print(script.name)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
