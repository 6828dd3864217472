"""Measures the wait for a browser context."""

import time

from slotgrid.function import Context


async def waited_ms(context: Context, url: str) -> float:
    """Milliseconds of `context.page()`; then visits the page, to make load."""
    asked = time.perf_counter()
    page = await context.page()
    waited = (time.perf_counter() - asked) * 1000
    await page.goto(url)
    return waited
