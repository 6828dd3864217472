"""The smallest function: no browser, a streamed answer."""

from dataclasses import dataclass
from typing import Annotated

from slotgrid.function import Context, Meta, function


@dataclass(frozen=True)
class Greeting:
    """What is said."""

    message: Annotated[str, Meta(description="The greeting")]


@function(timeout_s=10, streaming=True)
async def hello(
    context: Context,
    name: Annotated[str, Meta(max_length=100, description="Who is greeted")] = "World",
) -> Greeting:
    """Greet someone; in mode `stream`, word by word.

    Limits:
    - It opens no page: it shows that a worker answers, and how a function is written.
    """
    for word in ("Hello, ", name, "!"):
        await context.stream(word)
    return Greeting(f"Hello, {name}!")
