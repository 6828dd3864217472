import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness.peers.fake_node import KEY, TASK_ID, FakeNode, Said, problem
from tests.slotgrid.cli.conftest import Run


def _add_problem(node: FakeNode, *said: Any, **more: Any) -> None:
    async def fail(_: dict[str, Any]) -> AsyncIterator[Said]:
        yield problem(*said, **more)

    node.add("fail", fail)


async def test_the_result_alone_goes_to_stdout_as_json(run: Run) -> None:
    ran = await run("call", "hello", "--mode", "stream")
    assert ran.exit_code == 0, ran.stderr
    assert json.loads(ran.stdout)["message"] == "Hello, Wörld!"
    lines = ran.stderr.splitlines()
    said = ["· looking for words", "· found some (50%)", "│ a line of the log", "Hello, World!"]
    assert lines[:4] == said
    assert lines[4] == f"✓ hello  312 ms, waited 2 ms · here-3000 · {TASK_ID}"


async def test_words_and_options_become_a_submission(run: Run, node: FakeNode) -> None:
    words = ("url=http://x/?a=b", "retries=3", "--priority", "1", "--wait-s", "5")
    ran = await run("call", "page_title", *words, "--timeout-s", "2.5", "--group", "g")
    assert ran.exit_code == 0, ran.stderr
    assert node.submissions == [
        {
            "function": "page_title",
            "input": {"url": "http://x/?a=b", "retries": 3},
            "mode": "sync",
            "priority": 1,
            "wait_s": 5.0,
            "timeout_s": 2.5,
            "group": "g",
        }
    ]


async def test_an_input_comes_as_json_from_a_file_or_from_stdin(
    run: Run, node: FakeNode, tmp_path: Path
) -> None:
    file = tmp_path / "input.json"
    file.write_text('{"url": "file"}')
    await run("call", "page_title", "--input", '{"url": "json"}')
    await run("call", "page_title", "--input", f"@{file}", "retries=1")
    await run("call", "page_title", "--input", "-", stdin='{"url": "stdin"}')
    inputs = [submission["input"] for submission in node.submissions]
    assert inputs == [{"url": "json"}, {"url": "file", "retries": 1}, {"url": "stdin"}]


@pytest.mark.parametrize("source", ["[1]", "{", "@/no/such/file", '{"a": ' * 100_000])
async def test_an_input_that_is_no_object_is_refused(run: Run, node: FakeNode, source: str) -> None:
    ran = await run("call", "page_title", "--input", source)
    assert ran.exit_code == 2
    assert ran.stderr.startswith("✗ --input cannot be used")
    assert not node.submissions


async def test_words_that_do_not_fit_are_told_field_by_field_and_nothing_is_sent(
    run: Run, node: FakeNode
) -> None:
    ran = await run("call", "page_title", "retries=many", "urk=x")
    assert ran.exit_code == 2
    assert ran.stderr.splitlines() == [
        "✗ The input does not match the schema of page_title",
        "  retries: expected integer, got 'many'",
        "  urk: there is no such field; did you mean url?",
        "  url: is required",
        "  → `slotgrid functions page_title` shows its fields.",
    ]
    assert not node.submissions


async def test_what_the_node_finds_wrong_is_told_by_the_names_of_the_fields(
    run: Run, node: FakeNode
) -> None:
    errors = [
        {"pointer": "/input/url", "message": "is not a URL"},
        {"pointer": "/priority", "message": "expected 1 or more"},
    ]
    _add_problem(
        node, "invalid-input", 400, "Not valid", "fail: /input/url: is not a URL", errors=errors
    )
    ran = await run("call", "fail")
    assert ran.exit_code == 2
    assert ran.stderr.splitlines()[:3] == [
        "✗ Not valid  400 invalid-input",
        "  url: is not a URL",
        "  /priority: expected 1 or more",
    ]


@pytest.mark.parametrize(
    ("name", "status", "exit_code"),
    [
        ("function-failed", 500, 1),
        ("worker-lost", 502, 1),
        ("deadline-exceeded", 504, 1),
        ("forbidden-address", 403, 1),
        ("task-cancelled", 409, 1),
        ("mode-unsupported", 400, 2),
        ("body-too-large", 413, 2),
        ("forbidden", 403, 3),
        ("over-quota", 429, 3),
        ("queue-full", 503, 3),
        ("wait-exceeded", 504, 3),
    ],
)
async def test_the_exit_code_says_whose_turn_it_is(
    run: Run, node: FakeNode, name: str, status: int, exit_code: int
) -> None:
    _add_problem(node, name, status, "Title", "the detail", retry_after_s=7)
    ran = await run("call", "fail", "--mode", "stream")
    assert ran.exit_code == exit_code
    assert not ran.stdout
    first, second, advice = ran.stderr.splitlines()
    assert (first, second) == (f"✗ Title  {status} {name}", "  the detail")
    assert advice.startswith("  → ")
    assert advice.endswith("Try again after 7 s.")


async def test_artifacts_are_listed_where_they_can_be_had(run: Run, node: FakeNode) -> None:
    node.artifacts = {"page one.png": b"x" * 2048}
    ran = await run("call", "hello")
    url = f"{node.url}/tasks/{TASK_ID}/artifacts/page%20one.png"
    assert f"▪ {url}  image/png, 2.0 KiB" in ran.stderr.splitlines()


async def test_artifacts_are_saved_into_a_folder_also_when_the_task_failed(
    run: Run, node: FakeNode, tmp_path: Path
) -> None:
    node.artifacts = {"failure.png": b"what it looked like", "deep/one.txt": b"1"}
    _add_problem(node, "function-failed", 500, "It failed", "ValueError", task_id=TASK_ID)
    ran = await run("call", "fail", "--save", str(tmp_path / "new"))
    assert ran.exit_code == 1
    saved = {p.relative_to(tmp_path / "new"): p for p in tmp_path.rglob("*") if p.is_file()}
    assert {str(name) for name in saved} == {"failure.png", "deep/one.txt"}
    assert saved[Path("failure.png")].read_bytes() == b"what it looked like"


async def test_an_artifact_of_any_name_is_saved_under_it(
    run: Run, node: FakeNode, tmp_path: Path
) -> None:
    names = ["Report (1).pdf", "Отчёт 😀.txt", "100% %2F #1 {b} [c];d", "Ж" * 118 + ".txt"]
    node.artifacts = {name: name.encode() for name in names}
    ran = await run("call", "hello", "--save", str(tmp_path))
    assert ran.exit_code == 0, ran.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == node.artifacts


async def test_an_artifact_never_lands_outside_of_its_folder(
    run: Run, node: FakeNode, tmp_path: Path
) -> None:
    node.artifacts = {"../outside.txt": b"no"}
    ran = await run("call", "hello", "--save", str(tmp_path / "inside"))
    assert ran.exit_code == 3
    assert "points outside of" in ran.stderr
    assert list(tmp_path.iterdir()) == []


async def test_a_folder_that_cannot_be_written_is_told(
    run: Run, node: FakeNode, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    node.artifacts = {"a.png": b"1"}
    ran = await run("call", "hello", "--save", str(tmp_path / "file" / "below"))
    assert ran.exit_code == 2
    assert "cannot be written" in ran.stderr


@pytest.mark.parametrize("mode", ["sync", "stream"])
async def test_ctrl_c_hangs_up_which_cancels_the_task(node: FakeNode, mode: str) -> None:
    async def endless(_: dict[str, Any]) -> AsyncIterator[Said]:
        await asyncio.Event().wait()
        yield "never", {}

    node.add("endless", endless)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "slotgrid.cli", "call", "endless", "--mode", mode),
        env={**os.environ, "SLOTGRID_URL": node.url, "AUTH_KEY": KEY},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    await asyncio.wait_for(node.started.wait(), 30)
    process.send_signal(signal.SIGINT)
    stdout, stderr = await asyncio.wait_for(process.communicate(), 30)
    await asyncio.wait_for(node.hung_up.wait(), 10)
    # Not alone there when asyncio debugs: a busy machine makes it speak of slow callbacks.
    assert "✗ Interrupted: disconnecting, which cancels the task." in stderr.decode().splitlines()
    assert "Traceback" not in stderr.decode()
    assert (stdout, process.returncode) == (b"", 130)


async def test_half_a_surrogate_pair_in_a_result_is_still_json(run: Run, node: FakeNode) -> None:
    ran = await run("call", "hello", '--input={"x": "\\ud800"}')
    assert json.loads(ran.stdout)["given"] == {"x": "\ud800"}


async def test_a_node_that_remembers_no_tasks_still_gives_the_result(
    run: Run, node: FakeNode
) -> None:
    node.remembers = False
    ran = await run("call", "hello")
    assert ran.exit_code == 0, ran.stderr
    assert "▪" not in ran.stderr
