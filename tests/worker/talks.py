"""A function made of a test's own few lines."""


def talks(body: str, *, options: str = "streaming=True", returns: str = "Any") -> str:
    lines = "\n".join(f"        {line}" for line in body.strip().splitlines())
    return f"""
    import asyncio, enum, sys
    from dataclasses import dataclass
    from datetime import date, datetime
    from typing import Any
    from slotgrid.function import Artifact, PlainContext

    @dataclass
    class Point:
        x: int
        y: int = 2

    class Broken:
        def __str__(self) -> str:
            raise ValueError("no text of me")

    @function({options})
    async def talks(context: Context) -> {returns}:
{lines}
    """
