"""Requests without a browser are traffic of their task."""

from pathlib import Path

from tests.harness.in_process.worker import browserless_worker
from tests.site.fixtures import Site, site

__all__ = ["site"]


async def test_they_need_no_browser_and_count(tmp_path: Path, site: Site) -> None:
    async with browserless_worker(tmp_path, {}) as worker:
        request = {"action": "http_request", "with": {"url": site.at("/large")}}
        answer = await worker.submit("commands", input={"commands": [request, request]})
        assert answer.status == 200, answer.body
        task = await worker.task(answer.json["id"])
        size = answer.json["result"]["commands"][0]["output"]["size"]
        assert task["traffic"]["received_bytes"] > 2 * size
        assert task["traffic"]["connections"] == 2


async def test_too_much_of_it_ends_the_task(tmp_path: Path, site: Site) -> None:
    async with browserless_worker(tmp_path, {}, TRAFFIC_LIMIT="100kb") as worker:
        request = {"url": site.at("/downloads/endless.bin"), "max_body_bytes": 10_000_000}
        commands = [{"action": "http_request", "with": request}]
        problem = await worker.problem("commands", commands=commands)
        assert "TRAFFIC_LIMIT" in problem["detail"]
        await worker.idle()
