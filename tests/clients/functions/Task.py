from slotgrid.function import Context, function


@function()
async def Task(context: Context, input: str = "x") -> str:  # noqa: A002
    """Its name is that of one of the API's own schemas."""
    return input
