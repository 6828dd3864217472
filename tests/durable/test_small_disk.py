"""A node on a real small disk that fills up: `test_disk` has the same by a limit, everywhere."""

import asyncio
import errno
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from tests.harness.in_process.durable_worker import GIVE_UP_S
from tests.harness.processes.killing import SLOTS, Killed, KilledNode, killed

DISK = "16m"
LARGE, SMALL = 100_000, 1_000
REFUSALS = 2


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Where the node of this test has its data: a file system of its own."""
    data = tmp_path / "home" / "data"
    data.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", str(data)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here; test_disk has the same by a limit")
    try:
        yield data
    finally:
        subprocess.run(["umount", str(data)], check=True)


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Not a byte is free. SQLite may still write over what it had written."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError) as full:
        while True:
            file.write(b"x" * 4096)
    assert full.value.errno == errno.ENOSPC
    try:
        yield
    finally:
        filler.unlink()


async def until_refused(home: Killed, node: KilledNode, size: int) -> None:
    """Hand tasks of that size over until one is not accepted."""
    for n in count(len(home.sent)):
        text = f"{n}-".ljust(size, "x")
        await node.submit("once", text)
        if text not in home.ids:
            status, problem = await node.task("say", "async", text=text)
            assert (status, problem["type"]) == (503, "/problems/database-unavailable")
            return


async def test_nothing_is_lost_and_nothing_made_twice_on_a_disk_that_fills_up(
    tmp_path: Path, disk: Path
) -> None:
    async with killed(tmp_path / "home", refusing=REFUSALS) as home, home.node() as node:
        gate = tmp_path / "gate"
        for n in range(SLOTS):
            started = tmp_path / f"started-{n}"
            status, _ = await node.task("wait", "webhook", until=str(gate), started=str(started))
            assert status == 202
            while not started.exists():  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        with filled(disk):
            # The large ones first, then what fits in between.
            await until_refused(home, node, LARGE)
            await until_refused(home, node, SMALL)
            gate.touch()  # they end while nobody can write that down; nor can the others start
            for _ in range(20):
                assert (await node.task("say", text="a"))[0] == 200
        async with asyncio.timeout(GIVE_UP_S):
            while (await node.task("say", "async", text="b"))[0] != 202:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        # Once more, while attempts after the first are made.
        while len(home.told.received) < SLOTS + len(home.ids):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        with filled(disk):
            await until_refused(home, node, SMALL)
            for _ in range(20):
                assert (await node.task("say", text="a"))[0] == 200
        tasks = [task for task in await node.settled() if task["mode"] != "sync"]
        assert [task["status"] for task in tasks] == ["completed"] * (SLOTS + len(home.ids) + 1)
        assert home.ran() == dict.fromkeys(home.ids, 1)
        assert set(home.told_of()) >= set(home.ids.values())
        for task_id in home.ids.values():
            deliveries = (await node.get(f"/tasks/{task_id}"))["task"]["deliveries"]
            assert [made["number"] for made in deliveries] == [1, 2, 3]
        health = await node.get("/health")
        assert (health["slots"]["used"], health["durable"]["waiting"]) == (0, 0)
