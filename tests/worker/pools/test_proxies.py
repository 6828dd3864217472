"""The proxy of a pool: for its pages only, with its login, and with every target checked."""

from pathlib import Path
from typing import Any

import pytest

from tests.harness.in_process.worker import running_worker
from tests.harness.peers.upstream_proxies import UpstreamProxy
from tests.site.fixtures import Site
from tests.worker.pools.profiles import a_pools_file, function_text

SECRET = "pass:w@rd/%41"
STATUS = """
    try:
        answer = await page.goto(url)
    except Exception as error:
        return str(error).splitlines()[0]
    return answer.status
"""
FUNCTIONS = {"status.py": function_text("status", STATUS)}


async def status_in(worker: Any, pool: str, url: str) -> Any:
    answer = await worker.submit("status", input={"url": url}, place={"pool": pool})
    return answer.json["result"] if answer.status == 200 else answer.json["type"]


@pytest.mark.parametrize("isolation", ["context", "persistent"])
async def test_two_pools_have_two_proxies(
    tmp_path: Path, site: Site, isolation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POOL_PROXY_PASSWORD", SECRET)
    http, socks = UpstreamProxy("http"), UpstreamProxy("socks5", "ann", SECRET)
    async with http.running(), socks.running():
        file = a_pools_file(
            tmp_path,
            f"""
kept: {{size: 1, isolation: {isolation}, proxy: "{http.url}"}}
other:
  size: 1
  isolation: {isolation}
  proxy: {{server: "{socks.url}", username: ann, password_secret: POOL_PROXY_PASSWORD}}
plain: {{size: 1}}
""",
        )
        # The site is private, so it must be opened; the operator's proxies need not be.
        async with running_worker(tmp_path, FUNCTIONS, POOLS_FILE=file, SLOTS=3) as worker:
            assert await status_in(worker, "plain", site.url) == 200
            assert http.asked == socks.asked == []
            assert await status_in(worker, "kept", site.url) == 200
            assert http.asked != []
            assert socks.asked == []
            before = len(http.asked)
            assert await status_in(worker, "other", site.url) == 200
            assert len(http.asked) == before
            assert all(one.startswith("SOCKS 127.0.0.1:") for one in socks.asked)
            assert socks.asked != []
            told = str(await worker.get("/health")) + str(worker.logs.entries())
            assert SECRET not in told


async def test_targets_behind_the_proxy_of_a_pool_are_checked(tmp_path: Path, site: Site) -> None:
    proxy = UpstreamProxy("http")
    async with proxy.running():
        file = a_pools_file(tmp_path, f'kept: {{size: 2, proxy: "{proxy.url}"}}\n')
        async with running_worker(
            tmp_path, FUNCTIONS, POOLS_FILE=file, ALLOWED_PRIVATE_NETWORKS=""
        ) as worker:
            answer = await worker.submit("status", input={"url": site.url})
            assert answer.json["type"] == "/problems/forbidden-address"
            assert proxy.asked == []
