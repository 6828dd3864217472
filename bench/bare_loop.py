"""`python -m bench.bare_loop`: the fastest fair loop of Playwright alone.

One browser, a fresh context for each task; same binary, switches, page and wait condition as
the worker's. `POST /run` with `{url, tasks_at_once, seconds}` runs it.
"""

import asyncio
import time
from collections.abc import AsyncIterator

from aiohttp import web
from playwright.async_api import Browser, async_playwright

from bench.serving import serve
from worker.browser.launch import LaunchPlan

BROWSER = web.AppKey("browser", Browser)


async def titles(browser: Browser, url: str, until: float) -> int:
    """Open the page repeatedly; returns how often."""
    count = 0
    while time.perf_counter() < until:
        context = await browser.new_context()
        page = await context.new_page()
        await page.goto(url)
        assert await page.title()
        await context.close()
        count += 1
    return count


async def run(request: web.Request) -> web.Response:
    asked = await request.json()
    began = time.perf_counter()
    loops = [
        titles(request.app[BROWSER], asked["url"], began + asked["seconds"])
        for _ in range(asked["tasks_at_once"])
    ]
    tasks = sum(await asyncio.gather(*loops))
    return web.json_response({"tasks": tasks, "elapsed_s": time.perf_counter() - began})


async def browser(app: web.Application) -> AsyncIterator[None]:
    plan = LaunchPlan()
    async with async_playwright() as playwright:
        options = plan.launch_options(plan.executable(), boot_id="bench")
        app[BROWSER] = await playwright.chromium.launch(**options)
        yield
        await app[BROWSER].close()


if __name__ == "__main__":
    app = web.Application()
    app.cleanup_ctx.append(browser)
    app.add_routes([web.post("/run", run)])
    serve(app)
