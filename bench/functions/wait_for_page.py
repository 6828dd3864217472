"""How long a task waits for its browser context."""

from slotgrid.function import Context, function

from ._waiting import waited_ms


@function()
async def wait_for_page(context: Context, url: str) -> float:
    """Return the milliseconds that the first `context.page()` took."""
    return await waited_ms(context, url)
