from slotgrid.function import Context, function


@function()
async def b(context: Context, value: int = 1) -> int:
    """Its name and that of `a_b` make the same class."""
    return value
