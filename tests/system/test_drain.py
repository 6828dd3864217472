"""How a worker ends, and how it rests: what it has is finished, and nothing is left."""

import signal
from pathlib import Path

import pytest

from tests.harness.processes.home import Home
from tests.harness.processes.worker import RunningWorker, running_worker


def outcomes(worker: RunningWorker) -> list[str]:
    """What the log says that each task came to, in the drain."""
    return sorted(line["outcome"] for line in worker.process.events("drain.outcome"))


def test_sigterm_lets_running_and_queued_tasks_finish_and_refuses_new_ones(
    home: Home, tmp_path: Path
) -> None:
    path = tmp_path / "open"
    with running_worker(home, ends=True, SLOTS="1") as worker:
        running = worker.submit("gate", path=str(path))
        worker.until_slots(used=1)
        queued = worker.submit("page_title", url=f"{worker.url}/docs")
        worker.until_slots(used=1, queue=1)
        worker.process.send(signal.SIGTERM)
        worker.until_status("draining")
        refused = worker.run("hello")
        assert (refused.status, refused.problem) == (503, "draining")
        assert int(refused.headers["Retry-After"]) > 0
        assert worker.ask("GET", "/readyz").status == 503
        path.touch()
        assert running.result().json["result"] == "open"
        assert queued.result().json["result"]["status"] == 200
        worker.assert_ended_well()
        assert outcomes(worker) == ["completed", "completed"]


def test_past_the_deadline_of_a_drain_every_task_is_cancelled_and_its_caller_told(
    home: Home, tmp_path: Path
) -> None:
    with running_worker(home, ends=True) as worker:
        calls = [worker.submit("stuck"), worker.submit("gate", path=str(tmp_path / "never"))]
        worker.until_slots(used=2)
        calls.append(worker.submit("hello"))
        worker.until_slots(used=2, queue=1)
        said = worker.ask("POST", "/drain", {"deadline_s": 0.2})
        assert (said.status, said.json["status"]) == (200, "draining")
        for call in calls:
            reply = call.result()
            assert (reply.status, reply.problem) == (409, "task-cancelled")
            assert "deadline passed" in reply.json["reason"]
        worker.assert_ended_well()
        assert outcomes(worker) == ["cancelled"] * 3
        assert worker.process.events("worker.draining")[0]["deadline_s"] == 0.2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_second_signal_cancels_what_the_drain_still_waits_for(
    home: Home, number: signal.Signals
) -> None:
    with running_worker(home, ends=True, DRAIN_S="600") as worker:
        call = worker.submit("stuck")
        worker.until_slots(used=1)
        worker.process.send(number)
        worker.until_status("draining")
        worker.process.send(number)
        assert call.result().problem == "task-cancelled"
        worker.assert_ended_well()
        assert outcomes(worker) == ["cancelled"]


def test_in_maintenance_what_is_here_finishes_and_on_takes_tasks_again(
    home: Home, tmp_path: Path
) -> None:
    path = tmp_path / "open"
    with running_worker(home, SLOTS="1") as worker:
        running = worker.submit("gate", path=str(path))
        worker.until_slots(used=1)
        queued = worker.submit("hello", name="Ada")
        worker.until_slots(used=1, queue=1)
        for _ in range(2):
            assert worker.ask("POST", "/off").json["status"] == "maintenance"
        refused = worker.run("hello")
        assert (refused.status, refused.problem) == (503, "maintenance")
        path.touch()
        assert running.result().json["result"] == "open"
        assert queued.result().json["result"] == {"message": "Hello, Ada!"}
        assert worker.get("/health")["status"] == "maintenance"
        for _ in range(2):
            assert worker.ask("POST", "/on").json["status"] == "ready"
        assert worker.run("page_title", url=f"{worker.url}/docs").status == 200
