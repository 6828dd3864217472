from slotgrid.function import Context, function


@function()
async def a_b(context: Context, value: str = "x") -> str:
    """Its name and that of `a/b` make the same class."""
    return value
