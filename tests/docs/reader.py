"""Somebody who reads a page and does what it says, in the folder of a worker that runs."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.docs.pages import blocks
from tests.system.home import KEY
from tests.system.workers import RunningWorker

ADDRESS = "http://127.0.0.1:3000"
FOLDER = "/home/ada/slotgrid"
NOT_RUN = {"make run\nmake test\n", "source .venv/bin/activate\n"}
"""What the tests themselves stand on."""
ANSWERS = {"text", "json"}
VARYING = (
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID"),
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
    (r'"(queued_ms|run_ms|size)": ?[\d.]+', r'"\1":0'),
    (r"\b[\d.]+ (ms|s|KiB)\b", "0"),
)
"""What differs from one run to the next."""


class Reader:
    """Types commands, saves files, and sees what the terminal shows."""

    def __init__(self, worker: RunningWorker) -> None:
        self.folder = worker.home.root
        self._worker = worker
        port = worker.url.rpartition(":")[2]
        (self.folder / ".env").write_text(f"AUTH_KEY={KEY}\nPORT={port}\n")
        env = worker.home.env
        self._env = {name: env[name] for name in env if name not in {"AUTH_KEY", "PORT"}}
        self._env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
        self._env["KEY"] = KEY

    def follows(self, page: Path) -> Iterator[tuple[str, str]]:
        """Do all that the page says; what it promises, and what the terminal then shows."""
        shown = ""
        for block in blocks(page):
            saved = re.fullmatch(r"Save this as `(functions/[\w/]+\.py)`.*:.*", block.before)
            if saved is not None:
                self._saves(block.text, saved[1])
            elif block.language == "sh":
                shown = self._types(block.text) if block.text not in NOT_RUN else ""
            elif block.language in ANSWERS:
                yield same(block.text), same(shown)

    def _types(self, command: str) -> str:
        ran = subprocess.run(
            ["bash", "-c", command.replace(ADDRESS, self._worker.url)],
            cwd=self.folder,
            env=self._env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return ran.stdout.replace(self._worker.url, ADDRESS).replace(str(self.folder), FOLDER)

    def _saves(self, text: str, path: str) -> None:
        """Save a file; a function's is there when the worker has seen it."""
        (self.folder / path).write_text(text)
        name = Path(path).stem
        if not name.startswith("_"):
            seen = f'["{name}"]'
            self._worker.process.until_line(
                lambda line: "functions.reloaded" in line and seen in line
            )


def same(text: str) -> str:
    """A text without what varies."""
    for pattern, instead in VARYING:
        text = re.sub(pattern, instead, text)
    return text.strip()
