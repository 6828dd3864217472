"""The README's commands are run, in its order, and its answers are the real ones."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.pages import README, ROOT, blocks, table_after
from tests.docs.tables import functions_table, settings_table
from tests.system.home import KEY, Home, home
from tests.system.workers import RunningWorker, running_worker

__all__ = ["home"]

ADDRESS = "http://127.0.0.1:3000"
NOT_RUN = {"make run\nmake test\n", "source .venv/bin/activate\n"}
"""What the tests themselves stand on."""
VARYING = (
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID"),
    (r'"(queued_ms|run_ms|size)": ?[\d.]+', r'"\1":0'),
    (r"\b[\d.]+ (ms|s|KiB)\b", "0"),
)
"""What differs from one run to the next."""


class Reader:
    """Somebody who types what the README says, in the folder of a worker that runs."""

    def __init__(self, worker: RunningWorker) -> None:
        self.worker = worker
        self.folder = worker.home.root
        port = worker.url.rpartition(":")[2]
        (self.folder / ".env").write_text(f"AUTH_KEY={KEY}\nPORT={port}\n")
        self._exports = ""
        env = worker.home.env
        self._env = {name: env[name] for name in env if name not in {"AUTH_KEY", "PORT"}}
        self._env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"

    def types(self, command: str) -> str:
        """What the terminal shows."""
        if command.startswith("export "):
            self._exports += command
            return ""
        ran = subprocess.run(
            ["bash", "-c", self._exports + command.replace(ADDRESS, self.worker.url)],
            cwd=self.folder,
            env=self._env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return ran.stdout.replace(self.worker.url, ADDRESS)

    def saves(self, text: str, path: str) -> None:
        """Save a function's file, and wait until the worker has seen it."""
        (self.folder / path).write_text(text)
        name = Path(path).stem
        self.worker.process.until_line(lambda line: "functions.reloaded" in line and name in line)


def same(text: str) -> str:
    """An answer without what varies."""
    for pattern, instead in VARYING:
        text = re.sub(pattern, instead, text)
    return text.strip()


def test_every_command_answers_as_the_readme_says(home: Home) -> None:
    compared = 0
    with running_worker(home) as worker:
        reader, shown = Reader(worker), ""
        for block in blocks(README):
            if block.language == "python":
                saved = re.search(r"`(functions/\w+\.py)`", block.before)
                assert saved is not None, block.before
                reader.saves(block.text, saved[1])
            elif block.language == "sh":
                shown = reader.types(block.text) if block.text not in NOT_RUN else ""
            else:
                assert same(shown) == same(block.text)
                compared += 1
        assert (reader.folder / "pictures" / "screenshot.png").stat().st_size > 1000
    assert compared >= 9


@pytest.mark.parametrize(
    ("heading", "table"),
    [("## Settings", settings_table), ("## Functions that are shipped", functions_table)],
)
def test_a_table_says_what_the_code_says(heading: str, table: Callable[[], list[str]]) -> None:
    assert table_after(README, heading) == table()


def test_the_picture_is_there_and_small() -> None:
    picture = ROOT / "docs/images/docs.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < 200_000
