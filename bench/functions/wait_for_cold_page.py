"""The wait of a task that wants another kind of context, so that none is open ahead of it."""

from slotgrid.function import Context, function

from ._waiting import waited_ms


@function(context_options={"locale": "en-GB"})
async def wait_for_cold_page(context: Context, url: str) -> float:
    """Return the milliseconds that a cold `new_context` and its first page took."""
    return await waited_ms(context, url)
