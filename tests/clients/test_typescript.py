"""A client by @hey-api/openapi-ts, compiled in strict mode."""

import asyncio
import json
import shutil
import sys
from pathlib import Path

import pytest

from scripts.node_packages import PACKAGES
from tests.clients.conftest import Served
from tests.harness.environment import KEY

pytestmark = pytest.mark.timeout(600)  # several processes, and on a busy machine
NODE = Path(sys.executable).with_name("node")
PROGRAM = Path(__file__).parent / "node" / "call.ts"
TSC = ("--strict", "--skipLibCheck", "--module", "commonjs", "--target", "es2022", "--lib")


async def run(program: str, *arguments: str | Path, folder: Path) -> str:
    """What a program of the Node.js packages wrote; it must end well."""
    process = await asyncio.create_subprocess_exec(
        *(NODE, PACKAGES / program, *arguments),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    written, _ = await process.communicate()
    assert process.returncode == 0, written.decode()
    return written.decode()


async def test_every_function_can_be_called(served: Served, tmp_path: Path) -> None:
    folder = tmp_path / "client"
    folder.mkdir()
    shutil.copy(PROGRAM, folder)
    generator = "@hey-api/openapi-ts/bin/run.js"
    await run(generator, "-i", served.document, "-o", folder / "grid", folder=folder)
    await run(
        "typescript/bin/tsc", *TSC, "es2022,dom,dom.iterable", "call.ts", "--outDir", "made",
        folder=folder,
    )  # fmt: skip
    said = await run(str(folder / "made" / "call.js"), served.node.url, KEY, folder=folder)
    assert json.loads(said) == {
        "nested": {
            "name": "Ann",
            "addresses": [{"street": "High Street", "zip": None}],
            "colour": "dark red",
            "level": 2,
            "extra": {},
        },
        "tree": {"tree": {"value": 1, "children": [{"value": 2}], "next": {"value": 3}}},
        "Task": "y",
        "a/b": 7,
        "a_b": "z",
        "by_path": 8,
        "refused": 400,
        "listed": 1,
    }
