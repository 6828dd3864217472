"""A worker without a browser whose durable tasks outlive it, with functions that tests steer."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from tests.harness.calls import Answer
from tests.harness.in_process.worker import RunningWorker, browserless_worker

GIVE_UP_S = 60.0

FUNCTIONS: Mapping[str, str] = {
    # Writes what it was given, a line a run, so that a test can count runs.
    "note.py": '''
from pathlib import Path
from slotgrid.function import Context, function

@function()
async def note(context: Context, file: str, text: str) -> str:
    """Add a line."""
    with Path(file).open("a") as lines:
        lines.write(text + "\\n")
    return text
''',
    "say.py": '''
from slotgrid.function import Context, function

@function()
async def say(context: Context, text: str) -> str:
    """Return what was given."""
    return text
''',
    "wait.py": '''
import asyncio
from pathlib import Path
from slotgrid.function import Context, function

@function(timeout_s=60)
async def wait(context: Context, until: str, started: str = "") -> str:
    """Wait until a file is there."""
    await context.progress("waiting")
    if started:
        Path(started).touch()
    while not Path(until).exists():
        await asyncio.sleep(0.005)
    return "waited"
''',
    "flaky.py": '''
from pathlib import Path
from slotgrid.function import Context, function

@function(retries=2)
async def flaky(context: Context, file: str, fails: int = 1) -> int:
    """Fail so often, then return the number of runs."""
    path = Path(file)
    runs = len(path.read_text().splitlines()) + 1 if path.exists() else 1
    with path.open("a") as lines:
        lines.write("run\\n")
    if runs <= fails:
        raise RuntimeError("not yet")
    return runs
''',
    "fail.py": '''
from slotgrid.function import Context, function

@function()
async def fail(context: Context) -> None:
    """Always."""
    raise RuntimeError("it is broken")
''',
    "save.py": '''
from slotgrid.function import Context, function

@function()
async def save(context: Context, text: str) -> str:
    """Keep a file."""
    artifact = await context.save("text.txt", text)
    return artifact.url
''',
    "outer.py": '''
from slotgrid.function import Context, function

@function()
async def outer(context: Context, text: str) -> str:
    """Call another function."""
    return await context.call("save", {"text": text})
''',
    "secretive.py": '''
from typing import Annotated
from slotgrid.function import Context, function

@function(input={
    "type": "object",
    "properties": {"password": {"type": "string", "writeOnly": True}},
    "required": ["password"],
    "additionalProperties": False,
})
async def secretive(context: Context, password: str) -> str:
    """Say it."""
    await context.status(f"the password is {password}")
    return "it is " + password
''',
}


def durable_worker(
    folder: Path, functions: Mapping[str, str] = FUNCTIONS, **env: object
) -> AbstractAsyncContextManager[RunningWorker]:
    """As `browserless_worker`; webhooks may go to this machine."""
    return browserless_worker(
        folder, functions, **{"ALLOWED_PRIVATE_NETWORKS": "127.0.0.0/8", **env}
    )


async def accepted(worker: RunningWorker, function: str, **fields: Any) -> str:
    """The id of a durable task that was just accepted."""
    answer = await worker.submit(function, **{"mode": "async", **fields})
    assert answer.status == 202, answer.body
    assert answer.headers["Location"] == f"/tasks/{answer.json['id']}"
    return str(answer.json["id"])


async def finished(worker: RunningWorker, task_id: str) -> Any:
    """The record of a task that has ended."""
    async with asyncio.timeout(GIVE_UP_S):
        while True:
            task = (await worker.get(f"/tasks/{task_id}", wait_s="30"))["task"]
            if task["finished_at"] is not None:
                return task


async def delivered(worker: RunningWorker, task_id: str, state: str = "delivered") -> Any:
    """The record of a task whose delivery has come to that state."""
    async with asyncio.timeout(GIVE_UP_S):
        while True:
            listed = await worker.get("/tasks", delivery=state)
            if any(task["id"] == task_id for task in listed["tasks"]):
                return await worker.task(task_id)
            await asyncio.sleep(0.01)


@asynccontextmanager
async def busy(worker: RunningWorker, folder: Path, slots: int) -> AsyncIterator[None]:
    """Every slot is held by a sync task as long as the block runs."""
    gate = folder / "gate"
    held = [asyncio.create_task(hold(worker, gate, folder / f"held-{n}")) for n in range(slots)]
    async with asyncio.timeout(GIVE_UP_S):
        while not all((folder / f"held-{n}").exists() for n in range(slots)):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    try:
        yield
    finally:
        gate.touch()
        answers = await asyncio.gather(*held)
        assert [answer.status for answer in answers] == [200] * slots
        gate.unlink()
        for n in range(slots):
            (folder / f"held-{n}").unlink()


async def hold(worker: RunningWorker, gate: Path, started: Path) -> Answer:
    """Hold a slot until `gate` is there."""
    given = {"until": str(gate), "started": str(started)}
    return await worker.submit("wait", input=given)
