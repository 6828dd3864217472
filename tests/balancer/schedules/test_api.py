"""`/schedules` of a balancer: definitions, switches, runs by hand, and what is refused."""

import asyncio
from typing import Any

import pytest

from tests.harness.in_process.balancer import RunningBalancer
from tests.harness.waiting import until

YEARLY = "0 0 29 2 *"


async def make(balancer: RunningBalancer, name: str = "nightly", **fields: Any) -> Any:
    body = {"name": name, "cron": YEARLY, "function": "echo", "input": {"value": 1}, **fields}
    answer = await balancer.request("POST", "/schedules", json=body)
    assert answer.status == 201, answer.body
    return answer.json["schedule"]


async def test_a_schedule_is_made_shown_replaced_and_removed(balancer: RunningBalancer) -> None:
    await balancer.worker()
    made = await make(balancer, timezone="Europe/Berlin", priority=3, metadata={"a": 1})
    assert (made["owner"], made["origin"], made["enabled"]) == ("root", "api", True)
    assert (made["overlap"], made["missed"], made["mode"]) == ("skip", "skip", "async")
    assert made["next_runs"][0] == "2028-02-28T23:00:00.000Z"
    assert len(made["next_runs"]) == 5
    page = await balancer.get("/schedules")
    assert (page["total"], page["schedules"]) == (1, [made])
    again = await balancer.request(
        "POST", "/schedules", json={"name": "nightly", "cron": YEARLY, "function": "echo"}
    )
    assert (again.status, again.json["type"]) == (409, "/problems/conflict")
    put = await balancer.request(
        "PUT", "/schedules/nightly", json={"cron": "0 6 * * *", "function": "nap"}
    )
    assert put.status == 200, put.body
    replaced = put.json["schedule"]
    assert (replaced["function"], replaced["timezone"], replaced["priority"]) == ("nap", "UTC", 5)
    assert replaced["next_runs"][0].endswith("T06:00:00.000Z")
    assert (await balancer.request("DELETE", "/schedules/nightly")).status == 200
    assert (await balancer.request("GET", "/schedules/nightly")).status == 404
    assert (await balancer.request("PUT", "/schedules/nightly", json=made)).status in {400, 404}
    assert [e["event"] for e in balancer.logs.entries() if e["event"].startswith("audit.")] == [
        "audit.schedule.create",
        "audit.schedule.replace",
        "audit.schedule.remove",
    ]


@pytest.mark.parametrize(
    ("fields", "pointer", "message"),
    [
        ({"cron": "0 0 31 2 *"}, "/cron", "never fires"),
        ({"cron": "nonsense"}, "/cron", "five fields"),
        ({"timezone": "Europe/Atlantis"}, "/timezone", "no time zone"),
        ({"overlap": "queue"}, "/overlap", "allow, skip, cancel_previous"),
        ({"missed": True}, "/missed", "expected a string"),
        ({"mode": "sync"}, "/mode", "async or webhook"),
        ({"mode": "webhook"}, "/webhook", "required"),
        ({"mode": "async", "webhook": {"url": "https://a.example"}}, "/webhook", "goes with"),
        ({"name": "a/b"}, "/name", "letters, digits"),
        ({"name": ""}, "/name", "must not be empty"),
        ({"crom": "* * * * *"}, "/crom", 'did you mean "cron"'),
        ({"owner": "root"}, "/owner", "unknown field"),
        ({"enabled": "yes"}, "/enabled", "true or false"),
        ({"not_before": "2030-01-01"}, "/not_before", "unknown field"),
    ],
)
async def test_what_is_wrong_is_named(
    balancer: RunningBalancer, fields: dict[str, Any], pointer: str, message: str
) -> None:
    body = {"name": "x", "cron": YEARLY, "function": "echo", **fields}
    answer = await balancer.request("POST", "/schedules", json=body)
    assert answer.status == 400, answer.body
    assert [e["pointer"] for e in answer.json["errors"]] == [pointer]
    assert message in answer.json["errors"][0]["message"]


async def test_a_task_that_would_be_refused_refuses_its_schedule(
    balancer: RunningBalancer,
) -> None:
    await balancer.worker()
    body = {"name": "x", "cron": YEARLY, "function": "ecko"}
    answer = await balancer.request("POST", "/schedules", json=body)
    assert (answer.status, answer.json["type"]) == (404, "/problems/unknown-function")
    assert "echo" in answer.json["error"]


async def test_a_schedule_runs_by_hand_and_tells_its_history(balancer: RunningBalancer) -> None:
    await balancer.worker()
    made = await make(balancer, enabled=False)
    assert (made["enabled"], made["next_runs"]) == (False, [])
    key = {"Idempotency-Key": "once"}
    first = await balancer.request("POST", "/schedules/nightly/run", headers=key)
    assert first.status == 202, first.body
    task_id = first.json["id"]
    task = (await balancer.get(f"/tasks/{task_id}", wait_s="20"))["task"]
    assert (task["status"], task["result"]) == ("completed", 1)
    assert task["source"] == {"kind": "schedule", "id": "nightly"}
    again = await balancer.request("POST", "/schedules/nightly/run", headers=key)
    assert again.json["id"] == task_id
    assert (await balancer.get("/tasks", schedule="nightly"))["total"] == 1
    runs = (await balancer.get("/schedules/nightly"))["schedule"]["last_runs"]
    assert [(r["outcome"], r["task_id"], r["task_status"]) for r in runs[-1:]] == [
        ("started", task_id, "completed")
    ]
    assert runs[0]["reason"] == "root started it"
    missing = await balancer.request("POST", "/schedules/nobody/run")
    assert missing.status == 404


async def test_a_run_by_hand_obeys_the_rule_for_overlaps(balancer: RunningBalancer) -> None:
    await balancer.worker(SLOTS=4)
    await make(balancer, function="nap", input={"seconds": 60})
    first = (await balancer.request("POST", "/schedules/nightly/run")).json["id"]
    refused = await balancer.request("POST", "/schedules/nightly/run")
    assert refused.status == 409
    assert first in refused.json["error"]
    fields = {"cron": YEARLY, "function": "nap", "input": {"seconds": 60}}
    for overlap in ("allow", "cancel_previous"):
        body = {**fields, "overlap": overlap}
        put = await balancer.request("PUT", "/schedules/nightly", json=body)
        assert put.status == 200, put.body
        started = await balancer.request("POST", "/schedules/nightly/run")
        assert started.status == 202, started.body
    tasks = (await balancer.get("/tasks", schedule="nightly"))["tasks"]
    assert len(tasks) == 3
    last, *previous = tasks
    for task in previous:
        ended = (await balancer.get(f"/tasks/{task['id']}", wait_s="20"))["task"]
        assert ended["status"] == "cancelled"
        assert "next firing" in ended["error"]["error"]
    assert (await balancer.get(f"/tasks/{last['id']}"))["task"]["status"] in {"queued", "running"}


async def test_a_switch_is_idempotent_and_decides_the_next_firing(
    balancer: RunningBalancer,
) -> None:
    await balancer.worker()
    await make(balancer)
    for _ in range(2):
        off = await balancer.request("POST", "/schedules/nightly/off")
        assert (off.status, off.json["schedule"]["enabled"]) == (200, False)
        assert off.json["schedule"]["next_runs"] == []
    on = await balancer.request("POST", "/schedules/nightly/on")
    assert (on.status, on.json["schedule"]["enabled"]) == (200, True)
    assert len(on.json["schedule"]["next_runs"]) == 5


async def test_secrets_of_a_schedule_are_not_shown(balancer: RunningBalancer) -> None:
    made = await make(
        balancer,
        webhook={"url": "https://a.example/x", "headers": {"X-Key": "hidden"}, "secret": "s" * 40},
    )
    assert made["mode"] == "webhook"
    assert made["webhook"] == {"url": "https://a.example/x"}
    assert made["input"] == {"value": "[redacted]"}  # no worker yet: its secrets are unknown
    assert b"hidden" not in (await balancer.request("GET", "/schedules")).body


async def test_schedules_are_counted_by_group(balancer: RunningBalancer) -> None:
    await make(balancer, "a")
    await make(balancer, "b", group="default")
    await make(balancer, "c", group="other")
    counts = await balancer.balancer.scheduling.schedules.count_by_group()
    assert counts == {"default": 2, "other": 1}


async def test_a_key_without_the_scope_makes_no_schedule(balancer: RunningBalancer) -> None:
    for method, path in (("GET", "/schedules"), ("POST", "/schedules/x/run")):
        answer = await balancer.request(method, path, headers={"Authorization": "another"})
        assert answer.status == 401


async def test_a_schedule_fires_by_itself_each_second(balancer: RunningBalancer) -> None:
    await balancer.worker()
    await make(balancer, cron="* * * * * *", overlap="allow")

    async def started() -> list[Any]:
        runs = (await balancer.get("/schedules/nightly"))["schedule"]["last_runs"]
        return [run for run in runs if run["outcome"] == "started"]

    async with asyncio.timeout(20):
        while len(await started()) < 3:  # noqa: ASYNC110  polls
            await asyncio.sleep(0.1)
    await balancer.request("POST", "/schedules/nightly/off")
    runs = await started()
    due = [run["due_at"] for run in runs]
    assert len(due) == len(set(due))
    await until(lambda: balancer.balancer.supervisor.running == 0, 20)
    total = (await balancer.get("/tasks", schedule="nightly"))["total"]
    assert total == len(runs)
