"""Requests of pages: refused, changed, answered, captured."""

import base64
import json
from html import unescape
from typing import Any

import pytest

from tests.worker.actions.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


def arrivals(world: World) -> set[str]:
    """What arrived of the parts so far, as host and path."""
    return {f"{one.host}{one.path}" for one in world.site.arrivals}


def start_page(html: str) -> tuple[str, dict[str, Any]]:
    """A command that makes that HTML the page `/start` of any site."""
    headers = {"Content-Type": "text/html; charset=utf-8"}
    return "intercept", {"url": "*/start", "do": "fulfil", "headers": headers, "body": html}


async def json_file(world: World, saved: dict[str, Any]) -> Any:
    answer = await world.worker.request("GET", saved["url"])
    assert answer.status == 200
    return json.loads(answer.body)


async def headers_of(world: World, *before: tuple[str, dict[str, Any]]) -> dict[str, str]:
    """The headers that arrive after these commands."""
    *_, saved = await world.commands(
        *before,
        ("goto", {"url": world.site.at("/visitors/headers")}),
        ("save_html", {}),
    )
    html = (await world.worker.request("GET", saved["url"])).body.decode()
    found: dict[str, str] = json.loads(unescape(html.partition("<pre>")[2].partition("</pre>")[0]))
    return {name.lower(): value for name, value in found.items()}


async def test_block_urls(world: World) -> None:
    hits = world.site.hits["/images/1.svg"]
    blocked, opened = await world.example("block_urls")
    assert blocked == {"patterns": ["*.svg", "/tracker/"], "blocked": 0}
    assert opened["loaded"]
    assert world.site.hits["/images/1.svg"] == hits


async def test_frames_workers_and_fetches_are_blocked_and_counted(world: World) -> None:
    world.site.arrivals.clear()
    patterns = ["/visitors/frame", "*/visitors/own.svg", "localhost"]
    *_, counted = await world.commands(
        ("block_urls", {"patterns": patterns}),
        ("goto", {"url": world.site.at("/visitors/parts"), "settle_s": 3}),
        ("sleep", {"seconds": 0.5}),
        ("block_urls", {"patterns": patterns}),
    )
    assert counted["patterns"] == patterns
    assert counted["blocked"] >= 6
    seen = arrivals(world)
    assert "127.0.0.1/visitors/api" in seen
    assert not any(one.startswith("localhost") for one in seen)
    assert not seen & {"127.0.0.1/visitors/own.svg", "127.0.0.1/visitors/frame"}


async def test_requests_of_workers_are_blocked(world: World) -> None:
    world.site.arrivals.clear()
    script = (
        "const code = `fetch('${location.origin}/visitors/blocked').catch(() => 0)"
        ".then(() => fetch('${location.origin}/visitors/passed')).then(() => postMessage(1))`;"
        "new Worker(URL.createObjectURL(new Blob([code]))).onmessage = () => "
        "{ document.title = 'Fetched' }"
    )
    *_, saved = await world.commands(
        ("block_urls", {"patterns": ["/blocked"]}),
        start_page(f"<script>{script}</script>"),
        ("goto", {"url": world.site.at("/start")}),
        ("sleep", {"seconds": 0.5}),
        ("save_html", {}),
    )
    assert b"<title>Fetched" in (await world.worker.request("GET", saved["url"])).body
    assert arrivals(world) == {"127.0.0.1/visitors/passed"}


async def test_a_blocked_page_is_said_in_words(world: World) -> None:
    failure = await world.failure(
        ("block_urls", {"patterns": ["*/catalogue*"]}),
        ("goto", {"url": world.site.at("/catalogue")}),
    )
    assert "the address was blocked (ERR_BLOCKED_BY_CLIENT)" in failure


async def test_brackets_and_marks_in_patterns_are_themselves(world: World) -> None:
    *_, opened = await world.commands(
        ("block_urls", {"patterns": ["*[a-z]*", "*/catalogue?x*"]}),
        ("goto", {"url": world.site.at("/catalogue")}),
    )
    assert opened["status"] == 200


async def test_unblock_urls(world: World) -> None:
    _, left = await world.example("unblock_urls")
    assert left["patterns"] == ["*.png"]
    hits = world.site.hits["/images/1.svg"]
    await world.commands(
        ("block_urls", {"patterns": ["*.svg"]}),
        ("unblock_urls", {}),
        ("goto", {"url": world.site.at("/catalogue")}),
    )
    assert world.site.hits["/images/1.svg"] > hits
    failure = await world.failure(("unblock_urls", {"patterns": ["*.gif"]}))
    assert "'*.gif' is not blocked" in failure


async def test_set_headers(world: World) -> None:
    patterns, opened = await world.example("set_headers")
    assert patterns == [f"{world.site.url}/*"]
    assert opened["status"] == 200


async def test_headers_are_for_the_site_of_the_page_alone(world: World) -> None:
    world.site.arrivals.clear()
    await world.commands(
        ("goto", {"url": world.site.at("/catalogue")}),
        ("set_headers", {"headers": {"X-Team": "blue"}}),
        ("goto", {"url": world.site.at("/visitors/parts"), "settle_s": 2}),
    )
    for one in world.site.arrivals:
        if one.path == "/visitors/service.js" or "from-worker" in one.path:
            continue  # a service worker is out of reach
        assert one.headers.get("X-Team") == ("blue" if one.host == "127.0.0.1" else None), one


async def test_headers_are_replaced_removed_and_ended(world: World) -> None:
    every = {"urls": ["*"]}
    found = await headers_of(
        world,
        ("set_headers", {"headers": {"X-Old": "1"}, **every}),
        ("set_headers", {"headers": {"user-agent": "Mine", "accept-language": ""}, **every}),
    )
    assert found["user-agent"] == "Mine"
    assert "accept-language" not in found
    assert "x-old" not in found
    found = await headers_of(
        world,
        ("set_headers", {"headers": {"X-Old": "1"}, **every}),
        ("set_headers", {"headers": {}}),
    )
    assert "x-old" not in found
    failure = await world.failure(("set_headers", {"headers": {"X": "1"}}))
    assert "the tab shows about:blank, which has no site" in failure


async def test_intercept(world: World) -> None:
    hits = world.site.hits["/visitors/own"]
    _, opened = await world.example("intercept")
    assert opened["title"] == "Hi"
    assert world.site.hits["/visitors/own"] == hits


async def test_the_newest_rule_decides_and_ends_after_its_times(world: World) -> None:
    page = ("goto", {"url": world.site.at("/catalogue")})
    html = {"headers": {"Content-Type": "text/html; charset=utf-8"}, "do": "fulfil"}
    _, _, first, second, third, counts = await world.commands(
        ("intercept", {"url": "/catalogue", "body": "<title>Alt</title>", **html}),
        ("intercept", {"url": "/catalogue", "body": "<title>Größe</title>", "times": 1, **html}),
        page,
        page,
        ("goto", {"url": world.site.at("/arrived")}),
        ("clear_intercepts", {}),
    )
    assert [one["title"] for one in (first, second, third)] == ["Größe", "Alt", "Arrived"]
    assert counts == [{"url": "/catalogue", "matched": 1}, {"url": "/catalogue", "matched": 1}]


async def test_requests_can_fail_or_change(world: World) -> None:
    page = ("goto", {"url": world.site.at("/catalogue")})
    rule = {"url": "*/catalogue", "do": "abort", "reason": "connection_refused"}
    failure = await world.failure(("intercept", rule), page)
    assert "nothing listens there (ERR_CONNECTION_REFUSED)" in failure
    change = {
        "url": "*/catalogue",
        "do": "change",
        "method": "POST",
        "body": "x",
        "to": world.site.at("/arrived"),
        "methods": ["GET"],
    }
    _, opened, saved = await world.commands(("intercept", change), page, ("save_html", {}))
    assert opened["title"] == "Arrived"
    assert opened["url"] == world.site.at("/catalogue")
    html = (await world.worker.request("GET", saved["url"])).body
    assert b'<p id="method">POST</p>' in html


async def test_a_file_of_the_functions_folder_may_answer(world: World) -> None:
    (world.worker.folder.path / "_answer.html").write_text("<title>From a file</title>")
    rule = {"url": "/x", "do": "fulfil", "file": "/_answer.html"}
    _, opened = await world.commands(
        ("intercept", {**rule, "headers": {"Content-Type": "text/html"}}),
        ("goto", {"url": "http://nowhere.invalid/x"}),
    )
    assert opened["title"] == "From a file"


async def test_clear_intercepts(world: World) -> None:
    *_, counts = await world.example("clear_intercepts")
    assert counts[0]["url"] == "*.svg"
    assert counts[0]["matched"] >= 1


async def test_capture_start(world: World) -> None:
    *_, captured = await world.example("capture_start")
    entry = captured["entries"][0]
    assert (entry["method"], entry["status"], entry["type"]) == ("GET", 200, "document")
    assert entry["url"] == world.site.at("/catalogue")
    assert "<title>" in entry["body"]
    assert entry["response_headers"]["content-type"] == "text/html; charset=utf-8"
    assert "user-agent" in entry["request_headers"]
    assert entry["timings_ms"]["wait"] >= 0
    assert entry["size"] > 0
    assert captured["count"] == len(captured["entries"])


async def test_capture_stop(world: World) -> None:
    *_, captured = await world.example("capture_stop")
    assert captured["entries"] == []
    entries = await json_file(world, captured["file"])
    assert len(entries) == captured["count"] > 1
    assert {one["type"] for one in entries} >= {"document", "image"}
    assert "no capture is running" in await world.failure(("capture_stop", {}))


async def test_what_went_wrong_moved_on_or_never_came_is_captured_too(world: World) -> None:
    *_, captured = await world.commands(
        ("capture_start", {"include_bodies": True, "max_body_bytes": 10}),
        ("goto", {"url": world.site.at("/redirect/302?to=/large")}),
        ("goto", {"url": world.site.at("/slow/hanging-image"), "load_timeout_s": 0.5}),
        ("block_urls", {"patterns": ["/images/"]}),
        ("goto", {"url": world.site.at("/catalogue")}),
        ("capture_stop", {}),
    )
    entries = captured["entries"]
    redirect, large = entries[0], entries[1]
    assert (redirect["status"], redirect["redirected_to"]) == (302, world.site.at("/large"))
    assert redirect["body"] is None
    assert large["body"] is None
    assert large["body_fault"] == "it has more than 10000000 bytes"
    page = next(one for one in entries if one["url"].endswith("/catalogue"))
    assert len(page["body"]) == 10
    assert page["body_truncated"]
    blocked = [one for one in entries if "/images/" in one["url"]]
    assert blocked
    assert all(one["failure"] and one["status"] is None for one in blocked)
    hanging = next(one for one in entries if one["url"].endswith("/slow/hang"))
    assert hanging["status"] is None


async def test_bodies_sent_and_bodies_that_are_no_text(world: World) -> None:
    script = (
        "<script>fetch('/login', {method: 'POST', body: new URLSearchParams({user: 'a', "
        "password: 'ö'})}).then(() => fetch('/png')).then(r => r.arrayBuffer())"
        ".then(() => fetch('/images/1.svg')).then(r => r.blob())"
        ".then(() => document.title = 'Sent')</script>"
    )
    (world.worker.folder.path / "_dot.png").write_bytes(b"\x89PNG\xff\0")
    png = {"url": "*/png", "do": "fulfil", "headers": {"Content-Type": "image/png"}}
    *_, captured = await world.commands(
        start_page(script),
        ("intercept", {**png, "file": "/_dot.png"}),
        ("capture_start", {"include_bodies": True}),
        ("goto", {"url": world.site.at("/start"), "settle_s": 2}),
        ("sleep", {"seconds": 0.5}),
        ("capture_stop", {}),
    )
    found = {one["url"].removeprefix(world.site.url): one for one in captured["entries"]}
    assert found["/login"]["request_body"] == "user=a&password=%C3%B6"
    assert found["/login"]["status"] == 401
    assert found["/png"]["body"] is None
    assert base64.b64decode(found["/png"]["body_base64"]) == b"\x89PNG\xff\0"
    assert found["/images/1.svg"]["body"] is None
    assert found["/images/1.svg"]["body_fault"] == "Chromium did not keep it"


async def test_an_answer_under_way_is_captured_as_far_as_it_is_known(world: World) -> None:
    *_, captured = await world.commands(
        ("capture_start", {"include_bodies": True}),
        ("goto", {"url": world.site.at("/slow/endless-body"), "load_timeout_s": 0.3}),
        ("capture_stop", {}),
    )
    (entry,) = captured["entries"]
    assert (entry["status"], entry["finished"], entry["body"]) == (200, False, None)
    assert entry["response_headers"]["content-type"] == "text/html; charset=utf-8"


async def test_a_capture_is_bounded_and_says_so(world: World) -> None:
    *_, captured = await world.commands(
        ("capture_start", {"max_entries": 2}),
        ("goto", {"url": world.site.at("/catalogue")}),
        ("capture_stop", {}),
    )
    assert captured["count"] == 2
    assert captured["truncated"]


async def test_har_start(world: World) -> None:
    *_, saved = await world.example("har_start")
    assert saved["name"] == "visit.har"
    har = await json_file(world, saved)
    entries = har["log"]["entries"]
    assert len(entries) == saved["entries"] > 1
    page = next(one for one in entries if one["request"]["url"].endswith("/catalogue"))
    assert page["response"]["status"] == 200
    assert page["timings"]["wait"] >= 0
    assert "<title>" in page["response"]["content"]["text"]


async def test_har_stop(world: World) -> None:
    *_, saved = await world.example("har_stop")
    assert saved["entries"] >= 1
    assert "no HAR file is being written" in await world.failure(("har_stop", {}))


async def test_a_har_file_is_saved_when_the_task_fails(world: World) -> None:
    commands = [
        {"action": "har_start", "with": {"bodies": False, "url": "**/catalogue"}},
        {"action": "goto", "with": {"url": world.site.at("/catalogue")}},
        {"action": "fail", "with": {"message": "no offer"}},
    ]
    problem = await world.worker.problem("commands", commands=commands)
    task = await world.worker.task(problem["task_id"])
    saved = next(one for one in task["artifacts"] if one["name"] == "network.har")
    (entry,) = (await json_file(world, saved))["log"]["entries"]
    assert "text" not in entry["response"]["content"]


async def test_secrets_are_in_no_file(world: World) -> None:
    world.worker.folder.write(
        "telling.py",
        "from slotgrid.function import Context, Secret, function\n\n\n"
        "@function()\n"
        "async def telling(context: Context, word: Secret) -> None:\n"
        '    """Ask for a page by a secret."""\n'
        "    page = await context.page()\n"
        f'    await page.goto("{world.site.at("/visitors/headers")}?word=" + word)\n'
        "    await page.set_content('<p>' + word)\n",
    )
    await world.worker.reload()
    call = {"action": "call", "with": {"function": "telling", "input": {"word": "sesame-1234"}}}
    answer = await world.worker.submit(
        "commands",
        input={
            "commands": [
                {"action": "har_start", "with": {}},
                {"action": "capture_start", "with": {"include_bodies": True}},
                call,
                {"action": "save_html", "with": {}},
                {"action": "har_stop", "with": {}},
                {"action": "capture_stop", "with": {"path": "requests.json"}},
            ]
        },
    )
    assert answer.status == 200, answer.body
    task = await world.worker.task(answer.json["id"])
    assert {one["name"] for one in task["artifacts"]} == {
        "network.har",
        "page.html",
        "requests.json",
    }
    for one in task["artifacts"]:
        data = (await world.worker.request("GET", one["url"])).body
        assert b"sesame-1234" not in data
        assert b"[redacted]" in data
    failure = await world.failure(
        ("call", call["with"]),  # type: ignore[arg-type]  # a mapping
        ("save_mhtml", {}),
    )
    assert "the page shows a secret of the task, so no MHTML of it is saved" in failure
    failure = await world.failure(
        ("call", call["with"]),  # type: ignore[arg-type]  # a mapping
        ("trace_start", {}),
    )
    assert "a task with secrets has no trace" in failure
