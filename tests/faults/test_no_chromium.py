"""A machine on which no Chromium starts: what needs none works, the rest is told clearly."""

from pathlib import Path

from slotgrid.runtime.setting_choices import BrowserKind
from tests.faults.functions import PLAIN
from tests.harness.in_process.worker import running_worker
from tests.harness.waiting import until
from worker.browser.find_chromium import find_executable

FUNCTIONS = {
    **PLAIN,
    "chromium.py": """
        from slotgrid.function import NodeFacts

        @tag
        def chromium(node: NodeFacts) -> str:
            return node.browser_version or "none"
    """,
}


async def test_without_chromium_functions_that_need_none_work_and_others_say_why(
    tmp_path: Path,
) -> None:
    path = tmp_path / "chromium-headless-shell"
    async with running_worker(tmp_path, FUNCTIONS, CHROMIUM_PATH=path) as worker:
        assert (await worker.request("GET", "/readyz")).status == 200
        assert await worker.call("quick") == 42
        answer = await worker.submit("title")
        assert answer.status == 500
        assert answer.json["type"] == "/problems/browser-crashed"
        assert answer.json["reason"] == "no-browser"
        assert f"CHROMIUM_PATH is {path}, which is not a program" in answer.json["detail"]
        health = await worker.get("/health")
        assert health["status"] == "ready"
        assert f"CHROMIUM_PATH is {path}" in health["browsers"]["problem"]
        assert health["browsers"]["processes"] == []
        assert health["tags"]["chromium"] == "none"
        assert "slotgrid_browsers 0.0" in (await worker.request("GET", "/metrics")).body.decode()

        path.symlink_to(find_executable(BrowserKind.SHELL).path)
        await until(lambda: worker.worker.browsers.stats().problem is None, 60)
        assert await worker.call("title") == "A title"
        assert (await worker.get("/health"))["browsers"]["version"]


async def test_a_chromium_that_ends_at_once_is_told_like_one_that_is_missing(
    tmp_path: Path,
) -> None:
    path = tmp_path / "chromium-headless-shell"
    path.write_text("#!/bin/sh\necho 'error while loading shared libraries' >&2\nexit 127\n")
    path.chmod(0o755)
    async with running_worker(tmp_path, FUNCTIONS, CHROMIUM_PATH=path) as worker:
        assert await worker.call("quick") == 42
        answer = await worker.submit("title", timeout_s=20)
        assert answer.status == 500
        assert answer.json["reason"] == "no-browser"
        assert "error while loading shared libraries" in str(await worker.get("/health"))
