"""`/workers` and `/groups` of a balancer, its health, metrics and documentation."""

import asyncio

import pytest
from openapi_spec_validator import validate

from balancer.fleet.worker_states import WorkerState
from slotgrid.core.errors import DatabaseUnavailable
from slotgrid.intake.openapi_document import path_of
from tests.harness.environment import LINK_KEY
from tests.harness.function_files import write_functions
from tests.harness.in_process.balancer import RunningBalancer
from tests.harness.waiting import until


async def test_workers_are_listed_and_shown_with_their_last_tasks(
    balancer: RunningBalancer,
) -> None:
    await balancer.worker("worker-1", LABELS="zone=eu")
    await balancer.worker("worker-2", GROUP="other", SLOTS=3)
    answer = await balancer.submit("echo", input={"value": 1})
    page = await balancer.get("/workers")
    assert page["total"] == 2
    first, second = page["workers"]
    assert (first["name"], first["status"], first["labels"]) == (
        "worker-1",
        "ready",
        {"zone": "eu"},
    )
    assert (second["group"], second["slots"]["limit"]) == ("other", 3)
    assert second["pools"] == {"default": {"size": 3, "free": 3, "busy": 0}}
    assert [w["name"] for w in (await balancer.get("/workers", group="other"))["workers"]] == [
        "worker-2"
    ]
    assert (await balancer.get("/workers", status="lost"))["total"] == 0
    worker = (await balancer.get("/workers/worker-1"))["worker"]
    assert [task["id"] for task in worker["tasks"]] == [answer.json["id"]]
    assert "echo" in [function["name"] for function in worker["functions"]]
    missing = await balancer.request("GET", "/workers/nobody")
    assert missing.status == 404


async def test_a_worker_is_switched_off_and_on(balancer: RunningBalancer) -> None:
    await balancer.worker("worker-1")
    off = await balancer.request("POST", "/workers/worker-1/off")
    assert (off.status, off.json["status"]) == (200, "maintenance")
    await balancer.until_worker("worker-1", WorkerState.MAINTENANCE)
    waiting = balancer.start("echo", value=1)
    await until(lambda: balancer.balancer.dispatcher.waiting == 1)
    on = await balancer.request("POST", "/workers/worker-1/on")
    assert (on.status, on.json["status"]) == (200, "ready")
    assert (await waiting).status == 200


async def test_a_worker_is_drained_and_tells_its_log_through_the_balancer(
    balancer: RunningBalancer,
) -> None:
    worker = await balancer.worker("worker-1")
    logs = (await balancer.get("/workers/worker-1/logs", limit="500"))["logs"]
    assert "worker.listening" in [line["event"] for line in logs]
    caller = balancer.start("nap", seconds=1)
    await balancer.until_running(1)
    answer = await balancer.request("POST", "/workers/worker-1/drain", json={"deadline_s": 30})
    assert answer.status == 200, answer.body
    await until(lambda: balancer.balancer.fleet.roster.states()[WorkerState.READY] == 0)
    assert (await caller).status == 200
    assert await worker.ended() == 0
    gone = await balancer.request("POST", "/workers/worker-1/on")
    assert gone.status == 503, gone.body


async def test_groups_are_listed_with_their_contracts(balancer: RunningBalancer) -> None:
    await balancer.worker("worker-1", CONTRACT=1)
    await balancer.worker("worker-2", CONTRACT=2)
    await balancer.worker("worker-3", GROUP="other")
    page = await balancer.get("/groups")
    assert page["total"] == 2
    default, other = page["groups"]
    assert (default["name"], default["contracts"], default["workers"]) == ("default", [1, 2], 2)
    assert default["functions_count"] == other["functions_count"] > 3
    assert (await balancer.submit("echo")).json["worker"] == "worker-2"  # the highest contract
    assert (await balancer.submit("echo", contract=1)).json["worker"] == "worker-1"
    assert (await balancer.submit("echo", group="other")).json["worker"] == "worker-3"
    functions = await balancer.get("/functions", group="other")
    assert {one["group"] for one in functions["functions"]} == {"other"}


async def test_groups_count_what_starts_their_tasks(
    balancer: RunningBalancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = balancer.folder / "worker-1" / "functions"
    write_functions(folder)
    git = folder / ".git"
    git.mkdir()
    (git / "HEAD").write_text("a" * 40)
    await balancer.worker("worker-1")
    body = {"name": "x", "cron": "0 0 1 1 *", "function": "echo"}
    await balancer.request("POST", "/schedules", json=body)
    balancer.balancer.settings.hooks_file.write_text(
        "- {name: h, function: echo, verify: bearer, secret: a-long-secret-of-mine}\n"
    )
    await until(lambda: balancer.balancer.hooks.health()["in_file"] == 1)
    (group,) = (await balancer.get("/groups"))["groups"]
    assert (group["schedules_count"], group["hooks_count"]) == (1, 1)
    assert group["commits"] == ["a" * 40]

    async def unavailable() -> None:
        raise DatabaseUnavailable("it is away")

    monkeypatch.setattr(balancer.balancer.scheduling.schedules, "count_by_group", unavailable)
    (group,) = (await balancer.get("/groups"))["groups"]
    assert group["schedules_count"] is None


async def test_workers_that_differ_are_kept_out_with_the_difference_shown(
    balancer: RunningBalancer,
) -> None:
    await balancer.worker("worker-1")
    odd = balancer.folder / "worker-2" / "functions"
    odd.mkdir(parents=True)
    (odd / "echo.py").write_text("def nothing() -> None: ...\n")
    await balancer.start_worker("worker-2")
    await balancer.until_worker("worker-2", WorkerState.MISMATCH)
    worker = (await balancer.get("/workers/worker-2"))["worker"]
    assert worker["status"] == "mismatch"
    assert "lacks" in worker["detail"]
    answers = await asyncio.gather(*(balancer.submit("echo") for _ in range(6)))
    assert {answer.json["worker"] for answer in answers} == {"worker-1"}


async def test_health_and_metrics_tell_of_the_fleet(balancer: RunningBalancer) -> None:
    await balancer.worker("worker-1")
    health = await balancer.get("/health")
    assert health["slots"] == {"used": 0, "available": 2, "limit": 2, "queue": 0, "held": None}
    assert health["workers"]["states"]["ready"] == 1
    balancer.balancer.settings.workers_file.write_text("[")
    await until(lambda: balancer.balancer.inventory.fault is not None)
    assert "not JSON" in (await balancer.get("/health"))["workers"]["file_fault"]
    text = (await balancer.request("GET", "/metrics")).body.decode()
    assert 'slotgrid_workers{state="ready"} 1.0' in text
    assert "slotgrid_slot_mismatch 0.0" in text
    assert "slotgrid_report_age_seconds" in text


async def test_the_document_is_valid_and_has_every_route(balancer: RunningBalancer) -> None:
    await balancer.worker("worker-1")
    document = await balancer.get("/openapi")
    validate(document)
    assert "echo" in document["components"]["schemas"]["FunctionName"]["enum"]
    names = [one["operationId"] for path in document["paths"].values() for one in path.values()]
    assert len(names) == len(set(names))
    documented = {(method, path) for path, one in document["paths"].items() for method in one}
    routes = {
        (route.method.lower(), path_of(route.resource))
        for route in balancer.app.router.routes()
        if route.method != "HEAD" and route.resource is not None
    }
    # Mounts are documented by their prefixes, and there are none.
    assert routes - documented == {("get", "/{mounted}"), ("get", "/{mounted_file}")}
    assert documented <= routes


async def test_the_link_asks_for_its_own_key(balancer: RunningBalancer) -> None:
    assert (await balancer.request("GET", "/link")).status == 401  # with the key of callers
    plain = await balancer.request("GET", "/link", headers={"Authorization": LINK_KEY})
    assert (plain.status, plain.json["type"]) == (400, "/problems/invalid-request")  # no WebSocket
    wrong = await balancer.start_worker("worker-1", BALANCER_KEY="another-key")
    await asyncio.to_thread(wrong.process.until_event, "uplink.unreachable")
    assert balancer.boot_of("worker-1") is None


async def test_the_count_follows_callers_who_go_past_the_balancer(
    balancer: RunningBalancer,
) -> None:
    process = await balancer.worker("worker-1")
    worker = balancer.balancer.fleet.roster.worker("worker-1")
    assert worker is not None
    direct = {"function": "nap", "input": {"seconds": 60}}
    callers: list[asyncio.Task[object]] = []
    for left in (1, 0):
        asking = balancer.caller.post(f"{process.url}/task", json=direct)
        callers.append(asyncio.ensure_future(asking))
        await until(lambda left=left: worker.free == {"default": left})  # type: ignore[misc]
    waiting = balancer.start("echo", value=1)
    await until(lambda: balancer.balancer.dispatcher.waiting == 1)
    callers[0].cancel()  # one of them leaves: its slot is ours
    answer = await waiting
    assert (answer.status, answer.json["result"]) == (200, 1)
    assert worker.free == {"default": 1}
    callers[1].cancel()
    await until(lambda: worker.free == {"default": 2})
    assert balancer.balancer.health.mismatch() == 0
