"""What a wait for a browser context is measured with."""

import time

from slotgrid.function import Context


async def waited_ms(context: Context, url: str) -> float:
    """Milliseconds that `context.page()` took; then a visit, so that there is load."""
    asked = time.perf_counter()
    page = await context.page()
    waited = (time.perf_counter() - asked) * 1000
    await page.goto(url)
    return waited
