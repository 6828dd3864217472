"""No browser: a large file."""

from slotgrid.function import Context, function


@function(timeout_s=60)
async def save(context: Context, size: int) -> str:
    """Save a file of `size` bytes; returns its name."""
    return (await context.save("file.bin", b"x" * size)).name
