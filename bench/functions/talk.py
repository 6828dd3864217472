"""No browser: a stream that its caller may stop reading."""

from slotgrid.function import Context, function


@function(timeout_s=60, streaming=True)
async def talk(context: Context, pieces: int, size: int) -> int:
    """Stream `pieces` texts of `size` characters."""
    for _ in range(pieces):
        await context.stream("x" * size)
    return pieces
