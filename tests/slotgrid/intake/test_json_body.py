"""JSON bodies whose content type is another."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient

from slotgrid.intake.json_body import read_json
from tests.harness.in_process.node import RunningNode, running_node

TYPES = ("text/plain", "application/x-www-form-urlencoded", "application/octet-stream")


async def _read(request: web.Request) -> web.Response:
    return web.json_response(await read_json(request, any_type=True))


async def _read_strictly(request: web.Request) -> web.Response:
    return web.json_response(await read_json(request))


@pytest.fixture
async def node(aiohttp_client: AiohttpClient) -> AsyncIterator[RunningNode]:
    def add(app: web.Application) -> None:
        app.add_routes([web.post("/any", _read), web.post("/strict", _read_strictly)])

    async with running_node(aiohttp_client, add_own=add, docs_enabled=False) as running:
        yield running


@pytest.mark.parametrize("content_type", TYPES)
async def test_a_body_of_any_type_is_read_as_json_on_request(
    node: RunningNode, content_type: str
) -> None:
    headers = {"Content-Type": content_type}
    async with node.caller.post("/any", data=b'{"a": 1}', headers=headers) as answer:
        assert await answer.json() == [{"a": 1}, 8]
    refused = await node.problem("POST", "/strict", data=b'{"a": 1}', headers=headers)
    assert refused["type"] == "/problems/unsupported-media-type"


async def test_a_body_of_any_type_must_still_be_json(node: RunningNode) -> None:
    headers = {"Content-Type": "text/plain"}
    refused = await node.problem("POST", "/any", data=b"a=1", headers=headers)
    assert refused["type"] == "/problems/invalid-request"
