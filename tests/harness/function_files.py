"""Functions for workers of these tests; none needs a browser."""

from pathlib import Path

FUNCTIONS = {
    "echo.py": '''
from typing import Any
from slotgrid.function import Context, function

@function(streaming=True)
async def echo(context: Context, value: Any = None) -> Any:
    """Gives back what it is given."""
    return value
''',
    "nap.py": '''
import asyncio
from slotgrid.function import Context, function

@function(timeout_s=60, streaming=True)
async def nap(context: Context, seconds: float = 60) -> str:
    """Says that it sleeps, and sleeps."""
    await context.status("asleep")
    await asyncio.sleep(seconds)
    return "rested"
''',
    "sure_nap.py": '''
import asyncio
from slotgrid.function import Context, function

@function(timeout_s=60, retries=3)
async def sure_nap(context: Context, seconds: float = 60) -> int:
    """Sleeps; may run twice."""
    await asyncio.sleep(seconds if context.attempt == 1 else 0)
    return context.attempt
''',
    "talk.py": '''
import asyncio
from slotgrid.function import Context, function

@function(timeout_s=60, streaming=True)
async def talk(context: Context, pieces: int = 3, size: int = 1, pause_s: float = 0) -> int:
    """Streams pieces."""
    for number in range(pieces):
        await context.stream(chr(ord("a") + number % 26) * size)
        if pause_s:
            await asyncio.sleep(pause_s)
    return pieces
''',
    "fail.py": '''
from slotgrid.function import Context, function

@function()
async def fail(context: Context) -> None:
    """Raises."""
    raise RuntimeError("it never works")
''',
    "mark.py": '''
import asyncio
from pathlib import Path
from slotgrid.function import Context, function

@function(timeout_s=60)
async def mark(context: Context, file: str, seconds: float = 0) -> str:
    """Leaves a mark in a file for each time that it begins; must not run twice."""
    with Path(file).open("a") as marks:
        marks.write("begun\\n")
    await asyncio.sleep(seconds)
    return "marked"
''',
    "die.py": '''
import os
from pathlib import Path
from slotgrid.function import Context, function

@function(timeout_s=60)
async def die(context: Context, file: str) -> None:
    """Leaves a mark, and takes its process down."""
    with Path(file).open("a") as marks:
        marks.write("begun\\n")
    os._exit(1)
''',
    "save.py": '''
from slotgrid.function import Context, function

@function(timeout_s=60)
async def save(context: Context, name: str = "file.bin", size: int = 10) -> str:
    """Saves a file and writes a line."""
    await context.log("about to save")
    artifact = await context.save(name, b"x" * size)
    return artifact.name
''',
    "nested.py": '''
from slotgrid.function import Context, function

@function(timeout_s=60)
async def nested(context: Context, seconds: float) -> str:
    """Calls `echo`, and then `nap`."""
    await context.call("echo", {"value": "first"})
    return await context.call("nap", {"seconds": seconds})
''',
    "measure.py": '''
from slotgrid.function import Context, function

@function(timeout_s=60)
async def measure(context: Context, text: str) -> int:
    """Gives back how long its input is."""
    return len(text)
''',
    "grow.py": '''
from slotgrid.function import Context, function

@function(timeout_s=60)
async def grow(context: Context, size: int = 1) -> str:
    """Gives back a text of that size."""
    return "x" * size
''',
    "repeat.py": '''
from slotgrid.function import Context, function

@function(timeout_s=60)
async def repeat(context: Context, times: int, size: int = 1) -> int:
    """Calls `grow`, each time as a step."""
    for _ in range(times):
        await context.call("grow", {"size": size})
    return times
''',
}


def write_functions(folder: Path) -> None:
    """Write the files that are not there yet: a worker that has loaded one would load half."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in FUNCTIONS.items():
        if not (folder / name).exists():
            (folder / name).write_text(text)
