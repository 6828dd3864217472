"""What the decorators say to an author who made a slip."""

from typing import Any

import pytest

from slotgrid.function import Context, function


async def mine(context: Context) -> None: ...


def test_a_decorator_without_its_parentheses_is_told_so() -> None:
    bare: Any = function
    with pytest.raises(TypeError, match=r"write `@function\(\)`"):
        bare(mine)
