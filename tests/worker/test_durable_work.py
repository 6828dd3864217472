"""What a worker says of its durable work: in /health, in /metrics, and never in its log."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpServer

from slotgrid.runtime.settings import Settings, SettingsError
from tests.harness.in_process.worker import RunningWorker, browserless_worker

GREET = """
from slotgrid.function import Context, function


@function()
async def greet(context: Context) -> str:
    return "hello"
"""


async def _delivery_counts(worker: RunningWorker) -> dict[str, float]:
    text = (await worker.request("GET", "/metrics")).body.decode()
    lines = [line for line in text.splitlines() if line.startswith("slotgrid_deliveries_total{")]
    return {line.split('"')[1]: float(line.rpartition(" ")[2]) for line in lines}


async def test_health_tells_what_waits_and_that_the_database_answers(tmp_path: Path) -> None:
    later = {"mode": "async", "not_before": "2100-01-01T00:00:00Z"}
    async with browserless_worker(tmp_path, {"greet.py": GREET}) as worker:
        assert (await worker.get("/health"))["durable"] == {
            "waiting": 0,
            "database": "available",
            "reason": None,
        }
        for _ in range(3):
            assert (await worker.submit("greet", **later)).status == 202
        assert (await worker.get("/health"))["durable"]["waiting"] == 3


async def test_deliveries_are_counted_by_what_followed(
    tmp_path: Path, aiohttp_server: AiohttpServer
) -> None:
    statuses = iter([200, 500])

    async def take(_: web.Request) -> web.Response:
        return web.Response(status=next(statuses))

    app = web.Application()
    app.add_routes([web.post("/hook", take)])
    private = {"ALLOWED_PRIVATE_NETWORKS": "127.0.0.0/8", "WEBHOOK_RETRIES": 0}
    server = await aiohttp_server(app)
    async with browserless_worker(tmp_path, {"greet.py": GREET}, **private) as worker:
        webhook = {"url": str(server.make_url("/hook"))}
        for state in ("delivered", "failed"):
            answer = await worker.submit("greet", mode="webhook", webhook=webhook)
            assert answer.status == 202, answer.body
            await _listed(worker, answer.json["id"], state)
        assert await _delivery_counts(worker) == {"delivered": 1, "failed": 1}


async def _listed(worker: RunningWorker, task_id: str, delivery: str) -> None:
    async with asyncio.timeout(20):
        while True:
            listed: list[Any] = (await worker.get("/tasks", delivery=delivery))["tasks"]
            if task_id in {task["id"] for task in listed}:
                return
            await asyncio.sleep(0.01)


async def test_the_secret_that_was_made_at_first_start_is_hidden_from_every_log(
    tmp_path: Path,
) -> None:
    async with browserless_worker(tmp_path, {"greet.py": GREET}) as worker:
        made = next(iter(worker.redactor.known.whole - {worker.worker.settings.auth_key}))
        assert made.startswith("whsec_")
        assert worker.redactor.known.hide_text(f"signed with {made}") == "signed with [redacted]"


def test_what_is_secret_in_the_settings_is_told_to_whoever_hides_it() -> None:
    settings = Settings.from_env(
        {
            "AUTH_KEY": "a-key",
            "WEBHOOK_SECRET": "signing",
            "DATABASE_URL": "postgresql://user:p%40ss%2Fword@db/name",
            "WEBHOOK_HEADERS": '{"X-From": "us", "Authorization": "Bearer abc"}',
        }
    )
    hidden = {"a-key", "signing", "p%40ss%2Fword", "p@ss/word", "Bearer abc"}
    assert set(settings.secrets()) == hidden
    assert not any(secret in repr(settings) for secret in hidden)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WEBHOOK_SECRET", "whsec_*"),
        ("WEBHOOK_HEADERS", '{"Host": "elsewhere"}'),
        ("WEBHOOK_HEADERS", '{"X-Two": "a\\r\\nX-Three: b"}'),
        ("ALLOWED_PRIVATE_NETWORKS", "localhost, 10.1"),
    ],
)
async def test_settings_that_could_send_nothing_are_refused_at_the_start(
    tmp_path: Path, name: str, value: str
) -> None:
    with pytest.raises(SettingsError, match=name):
        async with browserless_worker(tmp_path, {}, **{name: value}):
            raise AssertionError("it started")
