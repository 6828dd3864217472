"""A node whose file descriptors strangers use up goes on, and does all its work afterwards."""

import resource
import socket
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.harness.processes.home import Home
from tests.harness.processes.process import PATIENCE_S
from tests.harness.processes.worker import RunningWorker, running_worker
from worker.__main__ import DESCRIPTORS

LIMIT = 600
"""So that the reserve, a quarter, is above what the kernel holds for one turn of the loop (128)."""
STRANGERS = LIMIT + 200
SILENT = b""
ANSWERED = b"GET /livez HTTP/1.1\r\nHost: t\r\n\r\n"
LIMITED = (
    "import resource, runpy, sys\n"
    f"resource.setrlimit(resource.RLIMIT_NOFILE, ({LIMIT}, {LIMIT}))\n"
    "sys.argv = sys.argv[1:]\n"
    "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)\n"
)
GREEDY = """
import asyncio
import os

from slotgrid.function import Context, function


@function()
async def greedy(context: Context, seconds: float) -> int:
    taken = []
    try:
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        await asyncio.sleep(seconds)
    finally:
        for one in taken:
            os.close(one)
    return len(taken)
"""


HOARDER = """
from slotgrid.function import Context, function


@function(timeout_s=60)
async def hoarder(context: Context, url: str, targets: list[str], seconds: float) -> int:
    page = await context.page()
    await page.goto(url)
    return await page.evaluate(
        '''async ([targets, seconds]) => {
            const sockets = targets.flatMap(target =>
                [...Array(60)].map(() => new WebSocket(target)));
            await new Promise(resolve => setTimeout(resolve, seconds * 1000));
            return sockets.length;
        }''',
        [targets, seconds],
    )
"""


def connect(node: RunningWorker, sent: bytes) -> socket.socket:
    """A stranger who has sent that, and stays."""
    host, port = node.url.removeprefix("http://").split(":")
    opened = socket.create_connection((host, int(port)), timeout=PATIENCE_S)
    opened.sendall(sent)
    return opened


def every_mode_works(node: RunningWorker) -> None:
    """A task in each mode, and one with a page, from the node's own port."""
    task = {"function": "hello", "input": {"name": "Ada"}}
    assert node.ask("POST", "/task", task).json["success"]
    page = node.run("page_title", url=f"{node.url}/problems/gone")
    assert page.status == 200, page
    assert "event: done" in node.ask("POST", "/task", {**task, "mode": "stream"}).text
    for mode in ({"mode": "async"}, {"mode": "webhook", "webhook": {"url": f"{node.url}/livez"}}):
        accepted = node.ask("POST", "/task", {**task, **mode})
        assert accepted.status == 202, accepted
        found = node.get(f"/tasks/{accepted.json['id']}?wait_s=30")
        assert found["task"]["status"] == "completed"


def withstands(node: RunningWorker, sent: bytes) -> None:
    """More strangers than the node has descriptors come and stay; then they leave."""
    every_mode_works(node)
    with ExitStack() as strangers:
        for _ in range(STRANGERS):
            strangers.enter_context(connect(node, sent))
        node.process.until_event("connections.descriptors_short")
        every_mode_works(node)
        assert len(list(Path(f"/proc/{node.process.pid}/fd").iterdir())) < LIMIT
    every_mode_works(node)
    assert len(node.process.events("connections.descriptors_short")) == 1
    assert [line for line in node.process.log if line["level"] in {"error", "critical"}] == []


@pytest.mark.parametrize("sent", [SILENT, ANSWERED], ids=["silent", "answered"])
def test_strangers_do_not_use_up_the_descriptors_of_a_worker(home: Home, sent: bytes) -> None:
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert most > STRANGERS + 100, "this test itself needs descriptors"
    with running_worker(
        home, "-c", LIMITED, "worker", ALLOWED_PRIVATE_NETWORKS="127.0.0.0/8"
    ) as worker:
        withstands(worker, sent)


def test_strangers_do_not_use_up_the_descriptors_of_a_balancer(home: Home) -> None:
    given = {"ALLOWED_PRIVATE_NETWORKS": "127.0.0.0/8", "BALANCER_KEY": "the-key-of-the-link"}
    balancing = home.python(
        *("-c", LIMITED, "balancer"),
        **given,
        DATA_DIR=str(home.root / "balancer"),
        NODE_NAME="balancer",
    )
    port = balancing.until_event("balancer.listening")["port"]
    url = f"http://127.0.0.1:{port}"
    with running_worker(home, BALANCER_URL=url, **given, ends=True) as worker:
        balancer = RunningWorker(home, balancing, url, worker.threads)
        balancer.until_health(lambda health: health["slots"]["available"] == 2)
        withstands(balancer, SILENT)


def test_a_worker_without_descriptors_keeps_its_loops(home: Home) -> None:
    """Worse than strangers: something else in the process takes all of them for a while."""
    (home.functions / "greedy.py").write_text(GREEDY)
    with running_worker(
        home, "-c", LIMITED, "worker", ALLOWED_PRIVATE_NETWORKS="127.0.0.0/8"
    ) as worker:
        taken = worker.run("greedy", seconds=5)
        assert taken.status == 200, taken
        assert taken.json["result"] > LIMIT / 2
        worker.until_status("ready")
        every_mode_works(worker)
        assert worker.process.events("background.died") == []


def test_a_page_that_holds_connections_leaves_descriptors_to_the_node(home: Home) -> None:
    (home.functions / "hoarder.py").write_text(HOARDER)
    with ExitStack() as listening:
        targets = []
        for n in range(8):  # browsers throttle WebSockets to one address
            silent = listening.enter_context(socket.create_server((f"127.0.0.{n + 1}", 0)))
            targets.append(f"ws://127.0.0.{n + 1}:{silent.getsockname()[1]}/")
        with running_worker(home, "-c", LIMITED, "worker") as worker:
            every_mode_works(worker)
            url = f"{worker.url}/problems/gone"
            hoarding = worker.submit("hoarder", url=url, targets=targets, seconds=8)
            held = Path(f"/proc/{worker.process.pid}/fd")
            most = 0
            while not hoarding.done():
                most = max(most, len(list(held.iterdir())))
                assert worker.ask("GET", "/livez").status == 200
            assert hoarding.result().status == 200, hoarding.result()
            assert LIMIT / 4 < most <= LIMIT * 0.75, most
            every_mode_works(worker)
            assert worker.process.events("background.died") == []


def test_a_worker_raises_its_soft_limit_as_far_as_it_may(home: Home) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    started = LIMITED.replace(f"({LIMIT}, {LIMIT})", f"(1024, {hard})")
    with running_worker(home, "-c", started, "worker") as worker:
        soft, _ = psutil.Process(worker.process.pid).rlimit(psutil.RLIMIT_NOFILE)
        assert soft == min(DESCRIPTORS, hard)
