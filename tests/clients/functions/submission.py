from typing import Any

from slotgrid.function import Context, function


@function()
async def submission(context: Context, place: dict[str, Any] | None = None) -> Any:
    """Its name and its field's are those of an object inside of one of the API's schemas."""
    return place
