from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Literal

from slotgrid.function import Context, function


class Colour(Enum):
    RED = "red"
    DARK_RED = "dark red"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


@dataclass
class Address:
    street: str
    zip: str | None = None


@dataclass
class Person:
    name: str
    addresses: list[Address]
    colour: Colour = Colour.RED
    level: Level = Level.LOW
    extra: dict[str, Address] = field(default_factory=dict)


@function()
async def nested(
    context: Context,
    person: Person,
    *,
    address: Address | int | None = None,
    kind: Literal["a", 1, None] = None,
    odd: Literal["a b", "a_b"] = "a b",
    pair: tuple[int, str] | None = None,
) -> Person:
    """Models in models, unions, enums, and constants that no enum can name."""
    return person
