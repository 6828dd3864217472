"""Characters of pages that JSON or a database refuses end no task, in any mode."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.harness.calls import events_of
from tests.harness.processes.home import ROOT
from tests.harness.processes.nodes import Node, nodes
from tests.harness.processes.postgres import Postgres
from tests.site.fixtures import Site, site

__all__ = ["site"]

TEXT = "a\ufffdb\ufffdc\uffff"
TITLE = "a b\ufffdc\uffff"
"""Chromium shows NUL as a space there."""
Seen = Callable[[Any], Any]

INPUTS: dict[str, tuple[dict[str, Any], Seen, Any]] = {
    "page_title": ({}, lambda found: found["title"], TITLE),
    "page_text": ({}, lambda found: (found["title"], found["content"]), (TITLE, TEXT)),
    "extract": (
        {"item": "p", "fields": {"text": "a", "title": {"attribute": "title"}}},
        lambda found: found["records"],
        [{"text": TEXT, "title": TEXT}],
    ),
    "crawl": (
        {"max_pages": 2},
        lambda found: [one["title"] for one in found["pages"]],
        [TITLE, "empty"],
    ),
    "fill_form": (
        {"fields": {"q": "a\0b"}},
        lambda found: (found["title"], found["text"]),
        (TITLE, f"{TEXT} sent"),
    ),
}
"""For each function its input, what is looked at in its result, and how that is."""
STREAMING = ("extract", "crawl")


async def result_of(worker: Node, mode: str, name: str, given: dict[str, Any]) -> Any:
    """The result of a task, in this mode."""
    body = {"function": name, "mode": mode, "input": given}
    if mode == "stream":
        async with worker.caller.post(f"{worker.url}/task", json=body) as response:
            kind, ended = (await events_of(response))[-1]
        assert kind == "done", ended
        return ended["result"]
    answer = await worker.request("POST", "/task", json=body)
    assert answer.status < 300, answer.body
    if mode == "sync":
        return answer.json["result"]
    task = answer.json
    while task.get("finished_at") is None:
        task = (await worker.get(f"/tasks/{answer.json['id']}", wait_s="20"))["task"]
    assert task["status"] == "completed", task
    return task["result"]


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_nul_half_characters_and_noncharacters_of_a_page_arrive_or_are_replaced(
    tmp_path: Path, shared_server: Postgres, site: Site, database: str
) -> None:
    env = {} if database == "sqlite" else {"DATABASE_URL": shared_server.create_database()}
    async with nodes(tmp_path) as started:
        worker = await started.worker(
            "w", FUNCTIONS_DIR=ROOT / "functions", CHROMIUM_PATH="",
            ALLOWED_PRIVATE_NETWORKS="127.0.0.0/8", **env,
        )  # fmt: skip
        for name, (given, seen, expected) in INPUTS.items():
            for mode in ("sync", "stream", "async"):
                if mode == "stream" and name not in STREAMING:
                    continue
                whole = {"url": site.at("/reading/odd"), **given}
                found = await result_of(worker, mode, name, whole)
                assert (mode, seen(found)) == (mode, expected)
