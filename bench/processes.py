"""Starts the measured processes, and reads their CPU use."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

START_S = 60.0
END_S = 30.0
KEY = "bench-key-of-no-use-elsewhere-0123456789"


@dataclass(frozen=True)
class Server:
    """A process that listens on loopback."""

    name: str
    pid: int
    port: int

    def cpu_s(self) -> float:
        """Seconds of CPU that the process and its living descendants have used so far.

        A dead child counts in the process that waited for it. On a busy machine CPU is steadier
        than time.
        """
        tree = [psutil.Process(self.pid), *psutil.Process(self.pid).children(recursive=True)]
        return sum(_cpu_s(process) for process in tree)


@asynccontextmanager
async def started(module: str, env: Mapping[str, str] | None = None) -> AsyncIterator[Server]:
    """`python -m module`, which prints its port as JSON on its first line of standard output."""
    async with _module(module, env or {}, stdout=asyncio.subprocess.PIPE) as process:
        assert process.stdout is not None
        async with asyncio.timeout(START_S):
            said = json.loads(await process.stdout.readline())
        yield Server(module, process.pid, said["port"])


@asynccontextmanager
async def worker(
    folder: Path, functions: Path, *, slots: int, name: str = "bench", **settings: str
) -> AsyncIterator[Server]:
    """A worker in regular operation, with its data, log and temporary files in `folder`."""
    env = settings | {"SLOTS": str(slots), "FUNCTIONS_DIR": str(functions)}
    env |= {"ALLOWED_PRIVATE_NETWORKS": "127.0.0.0/8"}  # the measured pages are on this machine
    async with _node("worker", name, folder, env) as server:
        yield server


@asynccontextmanager
async def balancer(folder: Path, **settings: str) -> AsyncIterator[Server]:
    """A balancer in regular operation; workers with `KEY` may dial in."""
    env = settings | {"BALANCER_KEY": KEY, "WORKERS_FILE": str(folder / "workers.json")}
    async with _node("balancer", "bench-balancer", folder, env) as server:
        yield server


@asynccontextmanager
async def _node(kind: str, name: str, folder: Path, env: dict[str, str]) -> AsyncIterator[Server]:
    """`kind` is the module to start, and the prefix of its log events."""
    env |= {
        "AUTH_KEY": KEY,
        "PORT": "0",
        "NODE_NAME": name,
        "DATA_DIR": str(folder / "data"),
        "TMPDIR": str(folder / "tmp"),
        "LOG_FORMAT": "json",
    }
    (folder / "tmp").mkdir(parents=True)
    log = folder / f"{kind}.log"
    with log.open("wb") as lines:
        async with _module(kind, env, stderr=lines.fileno()) as process:
            yield Server(name, process.pid, await _listening(process, kind, log))


def _module(
    module: str, env: Mapping[str, str], *, stdout: int | None = None, stderr: int | None = None
) -> AbstractAsyncContextManager[asyncio.subprocess.Process]:
    return spawned([sys.executable, "-m", module], env, stdout=stdout, stderr=stderr)


@asynccontextmanager
async def spawned(
    command: list[str],
    env: Mapping[str, str],
    *,
    stdout: int | None = None,
    stderr: int | None = None,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The command as a process, which is ended with the block."""
    process = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, **env}, stdout=stdout, stderr=stderr
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(END_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _listening(process: asyncio.subprocess.Process, kind: str, log: Path) -> int:
    """The port from the node's log event, which the node writes when it accepts tasks."""
    said = f'"{kind}.listening"'.encode()
    async with asyncio.timeout(START_S):
        while process.returncode is None:
            for line in _lines(log):
                if said in line:
                    return int(json.loads(line)["port"])
            await asyncio.sleep(0.05)
    raise RuntimeError(b"\n".join([f"the {kind} did not start:".encode(), *_lines(log)]).decode())


def _lines(log: Path) -> list[bytes]:
    return log.read_bytes().splitlines()


def _cpu_s(process: psutil.Process) -> float:
    try:
        return sum(process.cpu_times()[:4])
    except psutil.NoSuchProcess:
        return 0.0
