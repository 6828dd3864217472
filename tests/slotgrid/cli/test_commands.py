import asyncio
import json
import os
import re
import signal
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from slotgrid.cli.logs import newer
from slotgrid.cli.main import cli
from tests.harness.peers.fake_node import KEY, FakeNode, described
from tests.slotgrid.cli.conftest import Run


def _lines(count: int) -> list[dict[str, Any]]:
    return [
        {"ts": f"2031-05-04T10:00:{i:02}.123456Z", "level": "info", "event": f"event.{i}"}
        for i in range(count)
    ]


async def test_functions_are_listed_with_what_they_do(run: Run) -> None:
    ran = await run("functions")
    assert ran.exit_code == 0
    heading, hello, page_title = ran.stdout.splitlines()
    assert heading.split() == ["Function", "Modes", "Timeout", "Description"]
    assert re.match(r"hello +sync stream +20 s +What hello does\.", hello)
    assert page_title.startswith("page_title ")


async def test_a_node_without_functions_says_so(run: Run, node: FakeNode) -> None:
    node.functions.clear()
    assert "no functions" in (await run("functions")).stdout


async def test_one_function_shows_its_fields_and_a_call_to_paste(run: Run) -> None:
    shown = (await run("functions", "page_title")).stdout
    assert "modes sync, stream · timeout 20 s" in shown
    assert re.search(r"^url +string +required +Address of the page", shown, re.MULTILINE)
    assert re.search(r'^wait_until +load \| networkidle +"load"', shown, re.MULTILINE)
    assert "slotgrid call page_title url=https://example.com" in shown


async def test_a_function_without_input_says_so(run: Run, node: FakeNode) -> None:
    node.functions["bare"] = described("bare", {"type": "object"})
    shown = (await run("functions", "bare")).stdout
    assert "It takes no input." in shown
    assert "slotgrid call bare\n" in shown


async def test_json_is_the_answer_of_the_node(run: Run, node: FakeNode) -> None:
    listed = json.loads((await run("functions", "--json")).stdout)
    assert listed == list(node.functions.values())
    one = json.loads((await run("functions", "hello", "--json")).stdout)
    assert one == node.functions["hello"]
    assert json.loads((await run("health", "--json")).stdout) == {"status": "ready"}


async def test_an_unknown_function_leads_to_the_list(run: Run) -> None:
    ran = await run("functions", "helo")
    assert ran.exit_code == 2
    assert "did you mean 'hello'?" in ran.stderr
    assert "→ `slotgrid functions` lists the functions." in ran.stderr


async def test_health_shows_slots_and_what_is_broken(run: Run, node: FakeNode) -> None:
    node.health = {
        "status": "maintenance",
        "slots": {"used": 5, "available": 5, "limit": 10, "queue": 2, "held": "memory"},
        "functions": [{"name": f"function_{i}", "revision": "a"} for i in range(20)],
        "broken": [{"path": "x.py", "error": "line 3: invalid syntax", "kept_revision": None}],
        "pools": {"default": {"size": 10, "free": 5, "busy": 5}},
        "services": [],
        "system": {"memory_percent": 40.5, "load": [0.5, 1]},
    }
    shown = re.sub(r" +", " ", (await run("health")).stdout)
    assert shown.startswith("● maintenance\n")
    assert f"slots {'█' * 10}{'░' * 10} 5 of 10 used, 2 waiting, held back: memory" in shown
    assert "function_11 and 8 more" in shown
    assert "broken path x.py error line 3: invalid syntax" in shown
    assert "pools default size 10 free 5 busy 5" in shown
    assert "services" not in shown
    assert "system memory_percent 40.5 \n load 0.5, 1" in shown


async def test_health_without_a_key_says_what_is_missing(run: Run) -> None:
    assert "shows more: --key or AUTH_KEY" in (await run("health")).stdout


async def test_logs_show_the_last_lines_readably(run: Run, node: FakeNode) -> None:
    fields = {"state": "done", "why": "two words", "exception": "Traceback\nValueError: no"}
    node.logs = [*_lines(9), {"ts": "?", "level": "error", "event": "boom", **fields}]
    shown = (await run("logs", "-n", "2")).stdout.splitlines()
    assert shown == [
        "10:00:08.123  info    event.8",
        '?  error   boom  state=done  why="two words"',
        "Traceback",
        "ValueError: no",
    ]
    as_json = (await run("logs", "-n", "1", "--json")).stdout
    assert json.loads(as_json) == node.logs[-1]
    assert (await run("logs", "-n", "0")).stdout == ""


def test_only_lines_that_came_since_are_new() -> None:
    lines = _lines(6)
    assert newer(lines[2:], lines[:4]) == lines[4:]
    assert newer(lines[:4], lines[:4]) == []
    assert newer(lines[4:], lines[:4]) == lines[4:]
    assert newer(lines, []) == lines


async def test_following_the_log_ends_with_ctrl_c(node: FakeNode) -> None:
    node.logs = _lines(2)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "slotgrid.cli", "logs", "--follow"),
        env={**os.environ, "SLOTGRID_URL": node.url, "AUTH_KEY": KEY},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    async with asyncio.timeout(30):
        assert b"event.0" in await process.stdout.readline()
        assert b"event.1" in await process.stdout.readline()
        node.logs = _lines(3)
        assert b"event.2" in await process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert await process.stdout.read() == b""
        assert b"Traceback" not in await process.stderr.read()
        assert await process.wait() == 130


@pytest.mark.parametrize(
    ("words", "posted"),
    [
        (["on"], "/on"),
        (["off"], "/off"),
        (["drain"], "/drain {}"),
        (["drain", "--deadline-s", "2.5"], '/drain {"deadline_s": 2.5}'),
    ],
)
async def test_a_switch_is_posted_and_its_answer_shown(
    run: Run, node: FakeNode, words: list[str], posted: str
) -> None:
    ran = await run(*words)
    assert (ran.exit_code, ran.stdout) == (0, "maintenance  3 left\n")
    assert node.posted == [posted]


async def test_url_and_key_may_stand_before_or_after_the_command(node: FakeNode) -> None:
    for words in (
        ["--url", node.url, "--key", KEY, "health"],
        ["health", "--url", node.url, "--key", KEY],
        ["--url", "http://127.0.0.1:1", "--key", "no", "health", "--url", node.url, "--key", KEY],
    ):
        env = {"SLOTGRID_URL": "http://127.0.0.1:1", "AUTH_KEY": "wrong"}
        ran = await asyncio.to_thread(CliRunner().invoke, cli, words, env=env)
        assert ran.exit_code == 0, ran.stderr


async def test_the_env_file_of_the_folder_names_the_node(
    node: FakeNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("SLOTGRID_URL", "AUTH_KEY", "HOST", "PORT"):
        monkeypatch.delenv(name, raising=False)
    port = node.url.rpartition(":")[2]
    (tmp_path / ".env").write_text(f"PORT={port}\nAUTH_KEY={KEY}\n")
    ran = await asyncio.to_thread(CliRunner().invoke, cli, ["health"])
    assert ran.exit_code == 0, ran.stderr

    (tmp_path / ".env").write_text(f"PORT=many\nSLOTS=0\nAUTH_KEY={KEY}\n")
    ran = await asyncio.to_thread(CliRunner().invoke, cli, ["health"])
    assert ran.exit_code == 2
    assert "PORT: 'many' was given" in ran.stderr
    assert "SLOTS: '0' was given" in ran.stderr
    assert KEY not in ran.stderr


async def test_a_wrong_key_is_told_with_where_the_right_one_goes(run: Run) -> None:
    ran = await run("health", "--key", "wrong")
    assert ran.exit_code == 3
    assert ran.stderr.startswith("✗ A valid key is needed  401 unauthorized\n")
    assert "AUTH_KEY in the environment or in .env, or --key" in ran.stderr


def test_a_node_that_is_not_there_is_told_with_how_to_start_one() -> None:
    ran = CliRunner().invoke(cli, ["--url", "http://127.0.0.1:1", "--key", "k", "functions"])
    assert ran.exit_code == 3
    assert "No node answers at http://127.0.0.1:1" in ran.stderr
    assert "Connection refused" in ran.stderr
    assert "`slotgrid up`" in ran.stderr


def test_a_url_that_is_none_is_a_usage_fault() -> None:
    ran = CliRunner().invoke(cli, ["--url", "localhost:3000", "--key", "k", "functions"])
    assert ran.exit_code == 2
    assert "expected http:// or https://" in ran.stderr


def test_every_command_is_explained() -> None:
    ran = CliRunner().invoke(cli, ["--help"])
    for name, command in cli.commands.items():
        assert name in ran.stdout
        assert command.help, name
    assert CliRunner().invoke(cli, ["--version"]).stdout == f"slotgrid {version('slotgrid')}\n"
