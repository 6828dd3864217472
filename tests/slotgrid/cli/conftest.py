import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from click.testing import CliRunner, Result
from pytest_aiohttp.plugin import AiohttpServer

from slotgrid.cli.main import cli
from tests.harness.peers.fake_node import KEY, PAGE_INPUT, FakeNode, Said, answer

Run = Callable[..., Awaitable[Result]]


@pytest.fixture
async def node(aiohttp_server: AiohttpServer) -> FakeNode:
    """A node with two functions: `hello`, which streams, and `page_title`, which has fields."""
    node = FakeNode()
    node.add("hello", _hello)
    node.add("page_title", _page_title, PAGE_INPUT)
    server = await aiohttp_server(node.app)
    node.url = str(server.make_url("")).rstrip("/")
    return node


@pytest.fixture
def run(node: FakeNode) -> Run:
    """Runs the command line against the node; the result has stdout, stderr and exit_code."""

    async def invoke(*words: str, stdin: str | None = None) -> Result:
        env = {"SLOTGRID_URL": node.url, "AUTH_KEY": KEY, "COLUMNS": "100"}
        return await asyncio.to_thread(CliRunner().invoke, cli, words, env=env, input=stdin)

    return invoke


async def _hello(values: dict[str, object]) -> AsyncIterator[Said]:
    yield "status", {"text": "looking for words", "data": None}
    yield "progress", {"text": "found some", "data": {"fraction": 0.5}}
    yield "log", {"text": "a line of the log", "data": {"stream": "stdout"}}
    for word in ("Hello, ", "World", "!"):
        yield "chunk", {"data": word}
    yield answer({"message": "Hello, Wörld!", "given": values})


async def _page_title(values: dict[str, object]) -> AsyncIterator[Said]:
    yield answer({"title": "Example", "given": values})
