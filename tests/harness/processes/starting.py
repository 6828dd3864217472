"""Starts a node as a process."""

import asyncio
import sys
from pathlib import Path

from tests.harness.environment import KEY, LINK_KEY, LOOPBACK, NO_CHROMIUM, clean_environment
from tests.harness.processes.process import Process


def start_node(kind: str, name: str, folder: Path, **env: object) -> Process:
    """Start a worker or a balancer in its folder; `env` are settings by their names."""
    folder.mkdir(exist_ok=True)
    given = {
        "PORT": 0,
        "SLOTS": 2,
        "AUTH_KEY": KEY,
        "BALANCER_KEY": LINK_KEY,
        "NODE_NAME": name,
        "DATA_DIR": folder / "data",
        "LOG_FORMAT": "json",
        **LOOPBACK,
        **({"CHROMIUM_PATH": NO_CHROMIUM, "MEMORY_LIMIT_PERCENT": 100} if kind == "worker" else {}),
        **env,
    }
    settings = {setting: str(value) for setting, value in given.items()}
    command = [sys.executable, "-m", kind]
    return Process(command, cwd=folder, env={**clean_environment(), **settings})


async def url_of(kind: str, process: Process) -> str:
    """The URL of the node, as soon as it listens."""
    told = await asyncio.to_thread(process.until_event, f"{kind}.listening")
    return f"http://127.0.0.1:{told['port']}"
