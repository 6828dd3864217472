"""SQLite: a commit that took effect although it reported an error."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine.default import DefaultDialect

from tests.harness.in_process.durable_worker import GIVE_UP_S, durable_worker, finished


async def test_a_task_whose_acceptance_was_committed_without_an_answer_runs_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with durable_worker(tmp_path) as worker:
        commit: Callable[..., None] = DefaultDialect.do_commit
        lost: list[str] = []

        def unconfirmed(self: DefaultDialect, connection: Any) -> None:
            commit(self, connection)
            cursor = connection.cursor()
            rows = cursor.execute("SELECT id FROM slotgrid_tasks").fetchall()
            cursor.close()
            if rows and not lost:
                lost.append(rows[0][0])
                raise sqlite3.OperationalError("disk I/O error")

        monkeypatch.setattr(DefaultDialect, "do_commit", unconfirmed)
        file = tmp_path / "lines"
        given = {"function": "note", "mode": "async", "input": {"file": str(file), "text": "ran"}}
        key = {"Idempotency-Key": "the-same"}
        first = await worker.request("POST", "/task", json=given, headers=key)
        assert len(lost) == 1
        assert first.status in {202, 503}, first.body
        async with asyncio.timeout(GIVE_UP_S):
            again = first
            while again.status != 202:
                again = await worker.request("POST", "/task", json=given, headers=key)
        assert again.json["id"] == lost[0]
        assert (await finished(worker, lost[0]))["status"] == "completed"
        assert [task["id"] for task in (await worker.get("/tasks"))["tasks"]] == lost
        assert file.read_text() == "ran\n"
        await worker.idle()
