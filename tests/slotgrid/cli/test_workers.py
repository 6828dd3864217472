import json
import socket
from pathlib import Path
from typing import Any

import pytest

from slotgrid.cli import node as cli_node
from slotgrid.cli.node import Node
from tests.harness.peers.fake_node import FakeNode
from tests.slotgrid.cli.conftest import Run


def _worker(name: str, status: str, detail: str | None = None) -> dict[str, Any]:
    return {
        "name": name, "status": status, "detail": detail, "group": "default", "contract": 2,
        "slots": {"used": 3, "limit": 10}, "system": {"cpu_percent": 41.2, "memory_percent": 7.0},
    }  # fmt: skip


async def test_workers_are_listed_with_how_each_stands(run: Run, node: FakeNode) -> None:
    node.workers = [_worker("w-1", "ready"), _worker("w-2", "mismatch", "lacks hello")]
    ran = await run("workers")
    assert ran.exit_code == 0, ran.stderr
    _, first, second = ran.stdout.splitlines()
    assert first.split() == ["w-1", "ready", "default", "2", "3", "of", "10", "41", "%", "7", "%"]
    assert second.endswith("lacks hello")
    assert json.loads((await run("workers", "--json")).stdout) == node.workers


async def test_a_fleet_without_workers_says_how_one_comes_in(run: Run) -> None:
    assert "BALANCER_URL" in (await run("workers")).stdout


def test_without_a_port_in_the_settings_a_balancer_that_listens_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("PORT", "HOST", "AUTH_KEY"):
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        monkeypatch.setattr(cli_node, "BALANCER_PORT", port)
        assert Node()._address()[0] == f"http://127.0.0.1:{port}"
        monkeypatch.setenv("PORT", "3123")
        assert Node()._address()[0] == "http://127.0.0.1:3123"
        monkeypatch.delenv("PORT")
    assert Node()._address()[0] == "http://127.0.0.1:3000"
