"""Requests without a browser are traffic of their task."""

from pathlib import Path

import pytest

from tests.harness.in_process.worker import browserless_worker, running_worker
from tests.harness.peers.upstream_proxies import UpstreamProxy
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


PROXIED = """
input: {{url: string, proxy: string}}
browser: {{proxy: {{server: "{{{{ input.proxy }}}}"}}}}
steps:
  - {{name: got, action: http_request, with: {{url: "{{{{ input.url }}}}"}}}}
  {then}
return: "{{{{ steps.got.output.status }}}}"
"""


@pytest.mark.parametrize("then", ["", '- {action: goto, with: {url: "{{ input.url }}"}}'])
async def test_they_take_the_proxy_of_the_browser_block(
    tmp_path: Path, site: Site, then: str
) -> None:
    proxy = UpstreamProxy("http")
    async with proxy.running(), running_worker(tmp_path, {}) as worker:
        (worker.folder.path / "proxied.yaml").write_text(PROXIED.format(then=then))
        await worker.reload()
        assert await worker.call("proxied", url=site.at("/catalogue"), proxy=proxy.url) == 200
        assert len(proxy.asked) >= (2 if then else 1)


async def test_without_the_guard_a_proxy_is_refused_and_not_passed_by(
    tmp_path: Path, site: Site
) -> None:
    proxy = UpstreamProxy("http")
    async with (
        proxy.running(),
        running_worker(tmp_path, {}, TRAFFIC_GUARD="false") as worker,
    ):
        (worker.folder.path / "proxied.yaml").write_text(PROXIED.format(then=""))
        await worker.reload()
        problem = await worker.problem("proxied", url=site.at("/catalogue"), proxy=proxy.url)
        assert "only with TRAFFIC_GUARD=true" in problem["detail"]
        assert site.hits == {}
