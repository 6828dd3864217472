"""A real worker answers as its own document says."""

import pytest

from tests.harness.in_process.checked_answers import Documented
from tests.harness.processes.worker import RunningWorker


@pytest.fixture
def documented(worker: RunningWorker) -> Documented:
    text = worker.ask("GET", "/openapi").text.encode()
    return Documented(lambda: text)


def test_what_a_worker_tells_of_itself_and_of_its_tasks_is_as_documented(
    worker: RunningWorker, documented: Documented
) -> None:
    done = worker.ask("POST", "/task", {"function": "hello"})
    failed = worker.ask("POST", "/task", {"function": "page_title", "input": {"url": "x:"}})
    streamed = worker.ask("POST", "/task", {"function": "hello", "mode": "stream"})
    task_id = done.json["id"]
    faults: list[str] = []
    for method, path, reply in (
        ("post", "/task", done),
        ("post", "/task", failed),
        ("post", "/task", streamed),
        ("get", "/health", worker.ask("GET", "/health")),
        ("get", "/health", worker.ask("GET", "/health", key=None)),
        ("get", "/functions", worker.ask("GET", "/functions")),
        ("get", "/functions/{name}", worker.ask("GET", "/functions/page_title")),
        ("get", "/tasks", worker.ask("GET", "/tasks")),
        ("get", "/tasks/{id}", worker.ask("GET", f"/tasks/{task_id}")),
        ("get", "/tasks/{id}/events", worker.ask("GET", f"/tasks/{task_id}/events")),
        ("get", "/tasks/{id}/logs", worker.ask("GET", f"/tasks/{task_id}/logs")),
        ("get", "/logs", worker.ask("GET", "/logs")),
        ("get", "/metrics", worker.ask("GET", "/metrics")),
        ("get", "/readyz", worker.ask("GET", "/readyz")),
    ):
        kind = reply.headers.get_content_type()
        faults += documented.answer_faults(method, path, reply.status, kind, reply.text.encode())
    assert faults == []
