"""A function that waits for its page for ever."""

from slotgrid.function import Context, function


@function(timeout_s=120)
async def stuck(context: Context) -> None:
    """Open a page and wait for what never comes."""
    page = await context.page()
    await page.evaluate("new Promise(() => {})")
