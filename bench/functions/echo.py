"""No browser: what a task costs beside its work."""

from typing import Any

from slotgrid.function import Context, function


@function()
async def echo(context: Context, value: dict[str, Any]) -> dict[str, Any]:
    """Return what was given."""
    return value
