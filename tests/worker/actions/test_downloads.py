"""Files that pages send, as artifacts."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.site.attachments import REPORT
from tests.site.sessions import PASSWORD, USER
from tests.site.transfers import SMALL_CSV
from tests.worker.actions.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def content(world: World, file: dict[str, Any]) -> bytes:
    answer = await world.worker.request("GET", file["url"])
    assert answer.status == 200, answer.body
    assert len(answer.body) == file["size"]
    return answer.body


async def test_download(world: World) -> None:
    _, clicked, opened = await world.example("download")
    assert (clicked["name"], clicked["id"]) == ("Report.pdf", "download-1")
    assert await content(world, clicked) == REPORT
    assert opened["name"] == "small.csv"
    assert (await content(world, opened)).decode() == SMALL_CSV
    assert opened["source"] == world.site.at("/downloads/small.csv")


async def test_download_each(world: World) -> None:
    _, found = await world.example("download_each")
    assert [one["name"] for one in found["files"]] == [
        "Report.pdf",
        "Report (1).pdf",
        "page.html",
        "hello.txt",
        "blob.txt",
    ]
    assert await content(world, found["files"][1]) == REPORT
    assert b"<html" in await content(world, found["files"][2])
    assert await content(world, found["files"][3]) == b"hello"
    assert await content(world, found["files"][4]) == b"blobby"
    (failed,) = found["failed"]
    assert failed["source"] == world.site.at("/nowhere")
    assert "answers 404" in failed["error"]
    assert (found["links"], found["truncated"]) == (6, False)


async def test_wait_for_download(world: World) -> None:
    *_, file = await world.example("wait_for_download")
    assert file["name"] == "Report.pdf"
    assert await content(world, file) == REPORT


async def test_list_downloads(world: World) -> None:
    *_, listed = await world.example("list_downloads")
    (one,) = listed["downloads"]
    assert (one["state"], one["artifact"], one["error"]) == ("saved", "Report.pdf", None)


async def test_save_captures(world: World) -> None:
    *_, saved = await world.example("save_captures")
    assert len(saved["files"]) > 1
    assert {one["content_type"] for one in saved["files"]} == {"image/svg+xml"}
    assert saved["files"][0]["name"].startswith("1-")
    assert b"<svg" in await content(world, saved["files"][0])


async def test_captures_are_named_by_tokens(world: World) -> None:
    entries = [
        {
            "url": "http://a.example/b%20c?d",
            "body": "x",
            "started_at": "2026-01-01T00:00:00Z",
            "response_headers": {"content-type": "text/csv; charset=utf-8"},
        },
        {"url": "http://a.example/", "body_base64": "AP8="},
        {"url": "http://a.example/cut", "body": "x", "body_truncated": True},
        {"url": "http://a.example/none"},
    ]
    naming = "{id} {name} {mime} {size} {ts}.{ext}"
    (saved,) = await world.commands(("save_captures", {"entries": entries, "naming": naming}))
    assert [one["name"] for one in saved["files"]] == [
        "1 b c text-csv 1 2026-01-01T000000Z.csv",
        "2 index unknown 2 .bin",
    ]
    assert saved["skipped"] == 2


async def test_the_tab_stays_where_it_is_when_an_address_is_saved(world: World) -> None:
    page = world.site.at("/pages/console.html")
    _, file, tabs = await world.commands(
        ("goto", {"url": page}),
        ("download", {"url": world.site.at("/catalogue")}),
        ("list_tabs", {}),
    )
    assert file["name"] == "catalogue.html"
    assert [one["url"] for one in tabs["tabs"]] == [page]


async def test_cookies_are_sent_for_an_address(world: World) -> None:
    _, file = await world.commands(
        ("set_cookies", {"cookies": [{"name": "me", "value": "Ada", "url": world.site.url}]}),
        ("download", {"url": world.site.at("/visitors/headers")}),
    )
    assert b"me=Ada" in await content(world, file)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/status/404", "answers 404, and no file"),
        ("/status/204", "answers 204: no file"),
        ("/redirect/loop", "cannot be downloaded"),
        ("/sent/broken", "broke off"),
    ],
)
async def test_an_address_without_a_file_fails(world: World, path: str, words: str) -> None:
    assert words in await world.failure(("download", {"url": world.site.at(path)}))


@pytest.mark.parametrize(
    ("path", "limits", "words"),
    [
        ("/slow/hang", {"begin_timeout_s": 0.3}, "the answer of http"),
        ("/sent/trickling", {"file_timeout_s": 0.5}, "the end of the download 'trickling.bin'"),
    ],
)
async def test_a_wait_says_what_it_waited_for(
    world: World, path: str, limits: dict[str, Any], words: str
) -> None:
    reason = await world.failure(("download", {"url": world.site.at(path), **limits}))
    assert words in reason
    assert "not within" in reason


async def test_a_click_without_a_download_says_what_the_tab_shows(world: World) -> None:
    reason = await world.failure(
        ("goto", {"url": world.site.at("/catalogue")}),
        ("download", {"selector": "a", "begin_timeout_s": 0.5}),
    )
    assert "a download after the click on the element with selector 'a': not within 0.5 s" in reason
    assert "give its address as `url`" in reason


async def test_a_link_to_a_new_tab_leaves_no_tab(world: World) -> None:
    *_, file, tabs = await world.commands(
        ("goto", {"url": world.site.at("/sending/each")}),
        ("download", {"text": "The same"}),
        ("list_tabs", {}),
    )
    assert file["name"] == "Report.pdf"
    assert tabs["count"] == 1


async def test_a_broken_file_stops_each_unless_it_may_go_on(world: World) -> None:
    reason = await world.failure(
        ("goto", {"url": world.site.at("/sending/each")}),
        ("download_each", {"selector": "a.file"}),
    )
    assert "answers 404" in reason
    assert "(link 3 of 6; 2 files are saved)" in reason


async def test_each_takes_no_more_than_it_may(world: World) -> None:
    *_, found, none = await world.commands(
        ("goto", {"url": world.site.at("/sending/each")}),
        ("download_each", {"selector": "a.file", "max_files": 1}),
        ("download_each", {"selector": "a.nothing"}),
    )
    assert [one["name"] for one in found["files"]] == ["Report.pdf"]
    assert found["truncated"]
    assert none == {"files": [], "failed": [], "links": 0, "truncated": False}


async def test_a_running_download_is_listed_as_such(world: World) -> None:
    *_, listed = await world.commands(
        ("goto", {"url": world.site.at("/sending/trickling")}),
        ("click", {"text": "The file"}),
        ("list_downloads", {}),
    )
    assert [(one["name"], one["state"]) for one in listed["downloads"]] == [
        ("trickling.bin", "running")
    ]
    assert json.dumps(listed)


async def test_a_download_is_saved_once(world: World) -> None:
    reason = await world.failure(
        ("download", {"url": world.site.at("/downloads/small.csv")}),
        ("wait_for_download", {"id": "download-1"}),
    )
    assert "download-1 is saved already, as 'small.csv'" in reason
    reason = await world.failure(("wait_for_download", {"timeout_s": 0.1}))
    assert "a download: not within 0.1 s" in reason


@pytest.mark.parametrize("before", [(), (("new_tab", {}),)], ids=["first", "later"])
async def test_a_password_in_the_address_is_used_and_not_shown(
    world: World, before: tuple[tuple[str, dict[str, Any]], ...]
) -> None:
    login = f"http://{USER}:{quote(PASSWORD)}@"
    url = world.site.at("/basic-auth").replace("http://", login)
    *_, file, listed = await world.commands(
        *before, ("download", {"url": url}), ("list_downloads", {})
    )
    assert file["source"] == world.site.at("/basic-auth")
    assert PASSWORD not in str(listed)
    assert file["size"] > 0
