"""Sync and stream tasks never ask the database for anything, however they end."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.harness.in_process.durable_worker import (
    FUNCTIONS,
    GIVE_UP_S,
    accepted,
    durable_worker,
    finished,
)
from tests.harness.in_process.worker import RunningWorker

IDLE_S = 5.0
"""In which everything is asked once that is asked every few seconds."""
MANY = 100

SPEAK = '''
from slotgrid.function import Context, function

@function(streaming=True)
async def speak(context: Context, text: str) -> str:
    """Say what was given, and return it."""
    await context.stream(text)
    return text
'''


@contextmanager
def statements() -> Iterator[list[str]]:
    """Every statement that any engine of this process is given."""
    given: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        given.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield given
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)


async def run_through_all_ends(worker: RunningWorker, folder: Path) -> None:
    """Tasks that complete, fail, are refused, are cancelled, and whose caller hangs up."""
    for mode in ("sync", "stream"):
        assert (await worker.submit("speak", input={"text": "a"}, mode=mode)).status == 200
        assert (await worker.submit("speak", input={}, mode=mode)).status == 400
    assert (await worker.submit("fail")).status == 500
    for end in ("cancelled", "left"):
        started, gate = folder / f"{end}-started", folder / f"{end}-gate"
        waiting = {"until": str(gate), "started": str(started)}
        caller = asyncio.create_task(worker.submit("wait", input=waiting))
        async with asyncio.timeout(GIVE_UP_S):
            while not started.exists():  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        if end == "left":
            caller.cancel()
            await asyncio.wait({caller})
        else:
            (task,) = worker.worker.supervisor.live
            assert (await worker.request("POST", f"/tasks/{task.id}/cancel")).status < 300
            assert (await caller).status == 409
        await worker.worker.supervisor.wait_idle()


@pytest.mark.parametrize("url", ["sqlite", "postgresql"])
async def test_sync_and_stream_tasks_ask_nothing_of_the_database(
    tmp_path: Path, url: str, request: pytest.FixtureRequest
) -> None:
    env: dict[str, str] = {}
    if url == "postgresql":
        env["DATABASE_URL"] = request.getfixturevalue("database_url")
    async with durable_worker(tmp_path, {**FUNCTIONS, "speak.py": SPEAK}, **env) as worker:
        # What the node asks in any case: which tasks expire, and with peers who is there.
        with statements() as of_itself:
            await asyncio.sleep(IDLE_S)
        with statements() as given:
            await run_through_all_ends(worker, tmp_path)
        assert set(given) <= set(of_itself)
        with statements() as given:
            for _ in range(MANY):
                assert (await worker.submit("say", input={"text": "a"})).status == 200
        assert len(given) < MANY
        with statements() as given:  # the count sees what it is for
            await finished(worker, await accepted(worker, "say", input={"text": "a"}))
        assert any("INSERT INTO slotgrid_tasks" in each for each in given)
