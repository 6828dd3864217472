"""`slotgrid tasks`, and tasks that are handed over, on a node with a database."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import web
from click.testing import CliRunner, Result
from pytest_aiohttp.plugin import AiohttpClient, AiohttpServer

from slotgrid.cli.main import cli
from slotgrid.client import Accepted, Answer, Client, Problem
from tests.harness.environment import KEY
from tests.harness.in_process.node import RunningNode, running_node

Run = Callable[..., Awaitable[Result]]


@pytest.fixture
async def node(aiohttp_client: AiohttpClient) -> AsyncIterator[RunningNode]:
    async with running_node(aiohttp_client, durable=True, slots=1) as running:
        yield running


@pytest.fixture
async def client(node: RunningNode) -> AsyncIterator[Client]:
    async with Client(node.url, KEY) as client:
        yield client


@pytest.fixture
def run(node: RunningNode) -> Run:
    async def invoke(*words: str) -> Result:
        env = {"SLOTGRID_URL": node.url, "AUTH_KEY": KEY, "COLUMNS": "160"}
        return await asyncio.to_thread(CliRunner().invoke, cli, words, env=env)

    return invoke


async def _handed_over(run: Run, *words: str) -> str:
    ran = await run("call", *words)
    assert ran.exit_code == 0, ran.stderr
    task_id = json.loads(ran.stdout)["id"]
    assert f"slotgrid tasks follow {task_id}" in ran.stderr
    return str(task_id)


async def test_a_task_that_is_handed_over_can_be_followed_to_its_result(run: Run) -> None:
    task_id = await _handed_over(run, "greet", "name=Ada", "--mode", "async")
    ran = await run("tasks", "follow", task_id)
    assert ran.exit_code == 0, ran.stderr
    assert json.loads(ran.stdout) == {"message": "Hello, Ada!"}
    assert "Hello, Ada!" in ran.stderr


async def test_following_a_task_that_fails_ends_like_the_call_would(run: Run) -> None:
    task_id = await _handed_over(run, "fail", "--mode", "async")
    ran = await run("tasks", "follow", task_id)
    assert ran.exit_code == 1
    assert "no luck" in ran.stderr
    assert ran.stdout == ""


async def test_what_is_listed_can_be_filtered_and_shown(run: Run) -> None:
    assert "No tasks." in (await run("tasks")).stdout
    done = await _handed_over(run, "echo", "value=1", "--mode", "async", "--priority", "2")
    failed = await _handed_over(run, "fail", "--mode", "async")
    for task_id in (done, failed):
        assert (await run("tasks", "show", task_id, "--wait-s", "20")).exit_code == 0
    listed = (await run("tasks")).stdout.splitlines()
    assert listed[0].split() == ["Task", "Status", "Function", "Mode", "Created", "Ran"]
    assert [line.split()[:2] for line in listed[1:]] == [[failed, "failed"], [done, "completed"]]
    only = await run("tasks", "list", "--status", "failed", "--status", "queued", "--json")
    assert [task["id"] for task in json.loads(only.stdout)["tasks"]] == [failed]
    assert "1 to 1 of 2; --offset 1 goes on." in (await run("tasks", "list", "-n", "1")).stdout
    shown = (await run("tasks", "show", failed)).stdout
    assert "priority 5, by root" in shown
    assert "no luck" in shown
    assert json.loads((await run("tasks", "show", done, "--json")).stdout)["priority"] == 2


async def test_tasks_are_cancelled_by_id_or_by_filter(run: Run, node: RunningNode) -> None:
    held = await _handed_over(run, "hold", "--mode", "async")
    await node.running_task()
    waiting = [await _handed_over(run, "echo", "value=1", "--mode", "async") for _ in range(3)]
    ran = await run("tasks", "cancel", waiting[0])
    assert f"cancelled {waiting[0]}" in ran.stdout
    assert "cancelled 2" in (await run("tasks", "cancel", "--all", "--function", "echo")).stdout
    again = await run("tasks", "cancel", waiting[0])
    assert again.exit_code == 2
    assert "task-finished" in again.stderr
    for words in ((), ("--all", held), ("--function", "echo", held)):
        assert (await run("tasks", "cancel", *words)).exit_code == 2
    assert not (await node.get(f"/tasks/{held}"))["task"]["finished_at"]


async def test_a_retry_shows_the_result_or_what_was_accepted(
    run: Run, node: RunningNode, client: Client
) -> None:
    durable = await _handed_over(run, "echo", "value=2", "--mode", "async")
    await run("tasks", "show", durable, "--wait-s", "20")
    accepted = json.loads((await run("tasks", "retry", durable)).stdout)
    assert accepted["id"] != durable
    for mode in ("sync", "stream"):
        body = {"function": "greet", "mode": mode}
        async with node.caller.post("/task", json=body) as answer:
            await answer.read()
        first = (await client.tasks(function="greet", limit=1)).tasks[0]
        again = await run("tasks", "retry", first["id"])
        assert json.loads(again.stdout) == {"message": "Hello, World!"}


async def test_a_webhook_is_sent_and_sent_again(
    run: Run, node: RunningNode, aiohttp_server: AiohttpServer
) -> None:
    got: asyncio.Queue[str] = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        got.put_nowait((await request.json())["data"]["id"])
        return web.Response()

    app = web.Application()
    app.add_routes([web.post("/hook", take)])
    server = await aiohttp_server(app)
    async with asyncio.timeout(20):
        url = str(server.make_url("/hook"))
        task_id = await _handed_over(run, "echo", "value=1", "--webhook", url)
        assert await got.get() == task_id
        delivered = ("tasks", "list", "--delivery", "delivered")
        while task_id not in (await run(*delivered)).stdout:  # noqa: ASYNC110  it tells nobody
            await asyncio.sleep(0.01)
        assert (await run("tasks", "redeliver", task_id)).exit_code == 0
        assert await got.get() == task_id


@pytest.mark.parametrize(
    "words",
    [
        ("--mode", "webhook"),
        ("--mode", "async", "--webhook", "http://127.0.0.1/"),
        ("--mode", "sync", "--not-before", "2030-01-01T00:00:00Z"),
        ("--idempotency-key", "k"),
        ("--mode", "async", "--save", "folder"),
    ],
)
async def test_options_that_the_mode_does_not_take_are_a_mistake(
    run: Run, words: tuple[str, ...]
) -> None:
    assert (await run("call", "echo", "value=1", *words)).exit_code == 2


async def test_one_key_is_one_task_for_the_client_too(client: Client) -> None:
    first = await client.submit("echo", {"value": 1}, idempotency_key="k")
    again = await client.submit("echo", {"value": 1}, idempotency_key="k")
    assert first.id == again.id
    with pytest.raises(Problem) as caught:
        await client.submit("echo", {"value": 2}, idempotency_key="k")
    assert caught.value.name == "conflict"


async def test_a_batch_is_accepted_whole_or_refused_with_its_faults(client: Client) -> None:
    task = {"function": "echo", "input": {"value": 1}}
    accepted = await client.submit_many([task] * 3, idempotency_key="k")
    assert len({one.id for one in accepted}) == 3
    assert all(isinstance(one, Accepted) for one in accepted)
    with pytest.raises(Problem) as caught:
        await client.submit_many([task, {"function": "echo"}])
    assert caught.value.errors[0].pointer == "/tasks/1/input"
    for one in accepted:
        assert (await client.task(one.id, wait_s=20))["status"] == "completed"
        assert isinstance(await client.retry(one.id), Accepted)
    assert isinstance(await client.retry((await client.call("greet")).id), Answer)


async def test_who_follows_outlasts_a_restart_of_the_node(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        async with running_node(aiohttp_client, durable=True, data_dir=tmp_path, slots=1) as node:
            held = asyncio.create_task(node.submit("hold"))
            await node.running_task()
            client = await stack.enter_async_context(Client(node.url, KEY))
            waiting = await client.submit("greet")
            following = asyncio.create_task(_kinds(client, waiting.id))
            task = node.history.get(waiting.id)
            assert task is not None
            while not task.events._waiters:  # noqa: ASYNC110  a reader does not say that it is there
                await asyncio.sleep(0.001)
            node.durable.release_queued()
            node.runner.gate.set()
            await held
        port = int(node.url.rpartition(":")[2])
        async with running_node(aiohttp_client, durable=True, data_dir=tmp_path, port=port):
            async with asyncio.timeout(20):
                assert (await following)[-1] == "done"


async def _kinds(client: Client, task_id: str, *, patience_s: float = 30.0) -> list[str]:
    return [event.kind async for event in client.events(task_id, patience_s=patience_s)]
