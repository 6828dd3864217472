"""Imported recipes run on the tests' site and give what webtasks gives."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from slotgrid.imports.moonsurf_commands import import_commands
from slotgrid.imports.notes import Imported
from slotgrid.imports.webtask_bundle import import_webtasks
from tests.harness.in_process.worker import RunningWorker, running_worker
from tests.site.fixtures import Site, running_site
from tests.slotgrid.imports import examples

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True)
class Home:
    """A worker to which tests import recipes."""

    worker: RunningWorker
    site: Site

    async def bring(self, files: dict[str, str]) -> Imported:
        """Import files of webtasks into the functions folder."""
        texts = {path: text.replace("SITE", self.site.url) for path, text in files.items()}
        imported = import_webtasks({path: text.encode() for path, text in texts.items()})
        for file in imported.files:
            path = self.worker.folder.path / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file.text)
        await self.worker.reload()
        broken = [(one.path, one.error) for one in self.worker.worker.registry.broken]
        assert broken == []
        return imported


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Home]:
    folder: Path = tmp_path_factory.mktemp("imports")
    async with running_site() as site, running_worker(folder, {}) as worker:
        yield Home(worker, site)


def left_out(imported: Imported) -> list[str]:
    return [note.message for note in imported.notes if note.left_out]


async def test_a_login_is_typed_and_read(home: Home) -> None:
    imported = await home.bring({"login.webtask": examples.LOGIN})
    assert left_out(imported) == []
    result = await home.worker.call("shop/login", password="open sesame")
    assert result["account"] == {
        "greeting": "Hello, reader",
        "way_out": f"{home.site.url}/logout",
        "source": "account",
    }


async def test_pages_are_read_in_rounds_and_a_failed_one_does_not_end_them(home: Home) -> None:
    imported = await home.bring({"tasks/shop/pages.yaml": examples.PAGING})
    assert left_out(imported) == []
    result = await home.worker.call("shop/pages", pages=[1, 999, 2])
    assert result["base"] == f"{home.site.url}/catalogue"
    first, failed, second = result["each"]
    assert failed is None or failed["products"] == []
    assert len(first["products"]) == len(second["products"]) > 1
    assert first["products"][0]["link"] == f"{home.site.url}/catalogue/product/1"
    assert first["products"][0] != second["products"][0]


async def test_loops_ask_the_page_before_each_round(home: Home) -> None:
    imported = await home.bring({"tasks/loops/until.yaml": examples.LOOP})
    assert left_out(imported) == []
    assert await home.worker.call("loops/until") == "counted to 4"


async def test_pictures_documents_and_recordings_become_artifacts(home: Home) -> None:
    imported = await home.bring({"captures.webtask": examples.CAPTURES})
    assert left_out(imported) == []
    result = await home.worker.call("captures")
    assert result["har"]["count"] >= 1
    assert "<li" in result["har"]["entries"][0]["body"]
    assert result["items"] == result["har"]["count"]
    assert "hello from the page" in str(result["logs"])
    assert result["clip"]["name"] == "clip.gif"
    assert result["clip"]["frames"] >= 1
    assert result["shot"]["content_type"] == "image/jpeg"
    assert result["doc"]["name"] == "page.pdf"
    assert result["made"]["name"] == "made.pdf"
    assert result["page"]["size"] > 1000


async def test_files_cookies_and_requests(home: Home) -> None:
    imported = await home.bring({"tasks/files/all.yaml": examples.FILES})
    assert left_out(imported) == []
    result = await home.worker.call("files/all")
    assert result["rows"] > 1
    assert result["status"] == 200
    assert '"products"' in result["body"]
    assert result["cookie"] == 1
    assert result["saved"] == 1


async def test_a_task_calls_another_with_its_own_names(home: Home) -> None:
    imported = await home.bring(
        {
            "tasks/calls/outer.yaml": examples.CALLING,
            "tasks/calls/inner.yaml": examples.INNER,
            "tasks/calls/prepare.yaml": examples.PREPARE,
            "scripts/tools/upper.js": (
                "// A module of webtasks.\nreturn arguments[0].toUpperCase() + arguments[1];"
            ),
        }
    )
    assert left_out(imported) == []
    result = await home.worker.call("calls/outer")
    assert result["found"]["title"]
    assert result["again"] == f"{result['found']['title'].upper()}2"


async def test_each_download_is_an_artifact(home: Home) -> None:
    imported = await home.bring({"downloads.webtask": examples.DOWNLOADS})
    assert left_out(imported) == []
    result = await home.worker.call("downloads/all")
    assert [one["name"] for one in result] == ["small.csv"]


async def test_a_command_list_of_moonsurf_runs(home: Home) -> None:
    given = {
        "task_name": "Look",
        "task_intention": "Look around",
        "commands": [
            {"tool_name": tool, "intention": f"step {tool}", "args": args}
            for tool, args in (
                ("browser_navigate", {"action": "goto", "url": f"{home.site.url}/login"}),
                ("browser_interact", {"action": "type", "selector": "[name=user]", "text": "x"}),
                ("browser_interact", {"action": "keyboard", "key": "Tab"}),
                ("browser_content", {"action": "get_text", "selector": "body"}),
                ("browser_execute", {"action": "evaluate", "script": "document.title"}),
                ("browser_content", {"action": "screenshot"}),
                ("browser_emulate", {"action": "viewport", "width": 400, "height": 300}),
                ("browser_network", {"action": "set_cookie", "name": "a", "value": "b"}),
                ("browser_network", {"action": "get_cookies"}),
                ("browser_debug", {"action": "console", "level": "all"}),
                ("browser_reload", {}),
                ("sleep", {"duration": 5}),
            )
        ],
    }
    imported = import_commands("look.json", json.dumps(given).encode())
    assert left_out(imported) == []
    assert [file.path for file in imported.files] == ["look.json"]
    result = await home.worker.call("commands", **json.loads(imported.files[0].text))
    outputs = [one["output"] for one in result["commands"]]
    assert "User" in outputs[3]["text"]
    assert outputs[4] == "Log in"
    assert outputs[8][0]["name"] == "a"
