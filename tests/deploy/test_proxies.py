"""nginx and Caddy with the files that are shipped, between callers, a balancer and a worker."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from html import unescape
from io import BytesIO
from pathlib import Path
from urllib.parse import urljoin

import orjson
import pytest
from aiohttp import ClientSession, ClientTimeout, TCPConnector

from slotgrid.runtime.settings import Settings
from tests.deploy.fronts import FRONTS, Front
from tests.harness.calls import GIVE_UP_S
from tests.harness.environment import KEY
from tests.harness.processes.nodes import Node, nodes

BODY_LIMIT_BYTES = Settings.from_env({}).request_body_limit_bytes

CALLER = "127.0.0.2"
"""Another address than the proxy's own, which is trusted."""


@dataclass(frozen=True)
class Fronted:
    """A balancer behind a proxy, a worker that dials it through the proxy, and a caller."""

    front: Front
    balancer: Node
    caller: ClientSession


@asynccontextmanager
async def fronted(kind: str, folder: Path, *, prefix: str = "") -> AsyncIterator[Fronted]:
    """All of them, and no slot taken at the end."""
    proxy = folder / kind
    proxy.mkdir()
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(nodes(folder))
        balancer = await running.balancer(
            "balancer", ROOT_PATH=prefix, TRUSTED_PROXIES="127.0.0.1", WORKERS_FILE="none.json"
        )
        front = stack.enter_context(FRONTS[kind](balancer.url, proxy))
        url = front.prefixed if prefix else front.url
        worker = await running.worker("worker-1", BALANCER_URL=url, **front.env)
        await balancer.until_ready_workers(1)
        connector = TCPConnector(ssl=front.tls or True, local_addr=(CALLER, 0))
        caller = await stack.enter_async_context(
            ClientSession(
                headers={"Authorization": KEY},
                timeout=ClientTimeout(total=GIVE_UP_S),
                connector=connector,
            )
        )
        yield Fronted(front, balancer, caller)
        await balancer.until_used(0)
        await worker.until_used(0)


@pytest.fixture(params=sorted(FRONTS))
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Fronted]:
    """Behind each proxy, under a host name of its own."""
    async with fronted(request.param, tmp_path) as running:
        yield running


@pytest.fixture(params=sorted(FRONTS))
async def below(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Fronted]:
    """Behind each proxy, below a path of another site."""
    async with fronted(request.param, tmp_path, prefix="/slotgrid") as running:
        yield running


async def test_a_stream_arrives_while_its_task_still_runs(site: Fronted) -> None:
    asked = {"function": "nap", "mode": "stream"}
    async with site.caller.post(f"{site.front.url}/task", json=asked) as answer:
        assert answer.status == 200
        async for line in answer.content:
            if b"asleep" in line:
                break
        else:
            pytest.fail("the stream ended before its first word came")
        await site.balancer.until_used(1)
        assert answer.connection is not None
        assert answer.connection.transport is not None
        answer.connection.transport.abort()
    # The caller hung up, and the proxy passes that on: the task ends long before its nap.
    await site.balancer.until_used(0)


async def test_the_largest_body_passes_and_a_larger_one_is_refused_by_the_node(
    site: Fronted,
) -> None:
    task = {"function": "echo", "input": {"value": 1}}
    padding = BODY_LIMIT_BYTES - len(orjson.dumps({**task, "metadata": {"padding": ""}}))
    whole = orjson.dumps({**task, "metadata": {"padding": "x" * padding}})
    assert len(whole) == BODY_LIMIT_BYTES
    as_json = {"Content-Type": "application/json"}
    url = f"{site.front.url}/task"
    async with site.caller.post(url, data=BytesIO(whole), headers=as_json) as answer:
        assert answer.status == 200, await answer.text()
    async with site.caller.post(url, data=BytesIO(whole + b" "), headers=as_json) as answer:
        assert answer.status == 413
        assert (await answer.json(content_type=None))["type"] == "/problems/body-too-large"


async def test_tasks_reach_a_worker_that_dialled_through_it_in_the_name_of_the_caller(
    site: Fronted,
) -> None:
    large = "x" * 1_000_000
    asked = {"function": "echo", "input": {"value": large}}
    async with site.caller.post(f"{site.front.url}/task", json=asked) as answer:
        told = await answer.json()
    assert (answer.status, told["worker"]) == (200, "worker-1")
    assert told["result"] == large
    async with site.caller.post(f"{site.front.url}/off") as answer:
        assert answer.status == 200
    line = await asyncio.to_thread(site.balancer.process.until_event, "audit.off")
    assert line["address"] == CALLER


async def test_below_a_prefix_every_page_is_whole_and_tasks_run(below: Fronted) -> None:
    prefixed = below.front.prefixed
    for path in ("", "/", "/docs"):
        async with below.caller.get(prefixed + path) as answer:
            page, url = await answer.text(), str(answer.url)
            assert answer.status == 200, path
            assert answer.content_type == "text/html"
            assert answer.url.path.startswith("/slotgrid/")
        loaded = re.findall(r"""<(?:link|script|img)\b[^>]*\b(?:href|src)="([^"]+)""", page)
        assert loaded, path
        for target in loaded:
            async with below.caller.get(urljoin(url, unescape(target))) as answer:
                assert answer.status == 200, target
                assert answer.url.path.startswith("/slotgrid/"), target
    async with below.caller.get(f"{prefixed}/openapi") as answer:
        assert (await answer.json())["servers"] == [{"url": "/slotgrid"}]
    asked = {"function": "echo", "input": {"value": 7}}
    async with below.caller.post(f"{prefixed}/task", json=asked) as answer:
        assert (await answer.json())["result"] == 7
