"""What sites keep in the browser: cookies, storage, logins."""

import json
import time
from typing import Any

import pytest

from tests.worker.actions.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_get_cookies(world: World) -> None:
    _, (cookie,) = await world.example("get_cookies")
    assert (cookie["name"], cookie["value"]) == ("colour", "red")
    assert (cookie["domain"], cookie["path"]) == ("127.0.0.1", "/")
    assert cookie["expires"] > time.time()
    assert not cookie["secure"]


async def test_cookies_of_other_addresses_and_hidden_ones(world: World) -> None:
    _, _, every, other = await world.commands(
        ("goto", {"url": world.site.at("/cookies/set?a=1&http_only=1")}),
        ("goto", {"url": world.site.other_url + "/cookies/set?b=2"}),
        ("get_cookies", {}),
        ("get_cookies", {"urls": [world.site.other_url]}),
    )
    assert {one["name"]: one["httpOnly"] for one in every} == {"a": True, "b": False}
    assert [one["name"] for one in other] == ["b"]


async def test_set_cookies(world: World) -> None:
    count, _ = await world.example("set_cookies")
    assert count == 1


async def test_cookies_arrive_where_they_are_for(world: World) -> None:
    cookies = [
        {"name": "current", "value": "1"},
        {"name": "deep", "value": "2", "path": "/cookies/set"},
        {"name": "until", "value": "3", "domain": "localhost", "expires": time.time() + 99},
        {"name": "strict", "value": "", "url": world.site.at("/a/b"), "sameSite": "Strict"},
    ]
    _, count, kept, _, saved = await world.commands(
        ("goto", {"url": world.site.at("/catalogue")}),
        ("set_cookies", {"cookies": cookies}),
        ("get_cookies", {}),
        ("goto", {"url": world.site.at("/cookies")}),
        ("save_html", {}),
    )
    assert count == 4
    assert {one["name"]: one["path"] for one in kept}["deep"] == "/cookies/set"
    html = (await world.worker.request("GET", saved["url"])).body.decode()
    assert '{"current": "1", "strict": ""}' in html.replace("&quot;", '"')


@pytest.mark.parametrize(
    ("cookie", "words"),
    [
        ({}, "has neither `url` nor `domain`, and the tab shows about:blank"),
        ({"url": "ftp://x/"}, "is not an address of http or https"),
        ({"url": "http://x/", "domain": "x"}, "has both `url` and `domain`"),
        ({"domain": "x", "expires": 5}, "expires in the past"),
        (
            {"url": "http://example.org", "name": "__Host-a"},
            "Chromium refused the cookie '__Host-a'",
        ),
        ({"url": "http://example.org", "sameSite": "None"}, "Chromium refused the cookie 'a'"),
    ],
)
async def test_cookies_that_cannot_be_set(world: World, cookie: dict[str, Any], words: str) -> None:
    given = {"name": "a", "value": "b", **cookie}
    assert words in await world.failure(("set_cookies", {"cookies": [given]}))


async def test_clear_cookies(world: World) -> None:
    _, removed = await world.example("clear_cookies")
    assert removed == 1
    *_, left = await world.commands(
        ("goto", {"url": world.site.at("/cookies/set?a=1&b=2")}),
        ("clear_cookies", {"domain": "example.org"}),
        ("clear_cookies", {}),
        ("get_cookies", {}),
    )
    assert left == []


async def test_get_storage(world: World) -> None:
    _, found = await world.example("get_storage")
    assert found == {"origin": world.site.url, "items": {}}


async def test_storage_of_the_page_by_kind_and_key(world: World) -> None:
    page = ("goto", {"url": world.site.at("/pages/storage.html?write=x")})
    _, _, local, some, session = await world.commands(
        page,
        ("set_storage", {"items": {"größe": "ä", "n": 1, "list": [None]}}),
        ("get_storage", {}),
        ("get_storage", {"keys": ["n", "missing"]}),
        ("get_storage", {"kind": "session"}),
    )
    assert local["items"] == {"note": "x", "größe": "ä", "n": "1", "list": "[null]"}
    assert some["items"] == {"n": "1"}
    assert session["items"] == {"note": "x"}


async def test_set_storage(world: World) -> None:
    hits = world.site.hits["/"]
    count, found = await world.example("set_storage")
    assert count == 2
    assert found["items"] == {"theme": "dark", "seen": "[1,2]"}
    assert world.site.hits["/"] == hits  # another origin's storage needs no request


async def test_items_are_removed_and_the_current_tab_stays(world: World) -> None:
    _, left, state, html = await world.commands(
        ("goto", {"url": world.site.at("/pages/storage.html?write=x")}),
        ("set_storage", {"items": {"note": None, "a": "b"}}),
        ("get_storage", {"origin": world.site.other_url}),
        ("save_html", {}),
    )
    assert left == 1
    assert state == {"origin": world.site.other_url, "items": {}}
    assert b"<title>Storage" in (await world.worker.request("GET", html["url"])).body


async def test_storage_that_is_not_there(world: World) -> None:
    failure = await world.failure(("get_storage", {}))
    assert "the tab shows about:blank, which has no storage" in failure
    failure = await world.failure(("get_storage", {"origin": "nonsense"}))
    assert "'nonsense' is no origin" in failure
    failure = await world.failure(
        ("goto", {"url": world.site.at("/catalogue")}),
        ("get_storage", {"kind": "session", "origin": world.site.other_url}),
    )
    assert "session storage belongs to a tab" in failure
    fill = "<script>localStorage.setItem('a', 'x'.repeat(5 * 1024 * 1024 - 99))</script>"
    headers = {"Content-Type": "text/html"}
    failure = await world.failure(
        ("intercept", {"url": "*/fill", "do": "fulfil", "body": fill, "headers": headers}),
        ("goto", {"url": world.site.at("/fill")}),
        ("set_storage", {"items": {"b": "x" * 1000}}),
    )
    assert "is full: origins have about 5 MB" in failure


async def stored_after(world: World, *commands: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """What a page has stored after these commands."""
    *_, saved = await world.commands(
        ("goto", {"url": world.site.at("/pages/storage.html?write=x")}),
        *commands,
        ("goto", {"url": world.site.at("/pages/storage.html")}),
        ("save_html", {}),
    )
    html = (await world.worker.request("GET", saved["url"])).body.decode()
    found: dict[str, Any] = json.loads(html.partition('id="seen">')[2].partition("</pre>")[0])
    return found


async def test_clear_storage(world: World) -> None:
    _, kinds, after = await world.example("clear_storage")
    assert "indexed_db" in kinds
    assert after["items"] == {}


@pytest.mark.parametrize("origin", ["*", None])
async def test_everything_or_a_kind_is_cleared(world: World, origin: str | None) -> None:
    given = {} if origin is None else {"origin": origin}
    every = {"local": "x", "session": "x", "indexed": "x", "cache": "x"}
    assert await stored_after(world) == every
    assert await stored_after(world, ("clear_storage", given)) == dict.fromkeys(every)
    left = await stored_after(world, ("clear_storage", {**given, "kinds": ["local", "cache"]}))
    with_it = {"session": None} if origin == "*" else {}
    assert left == {**every, **with_it, "local": None, "cache": None}


async def test_other_origins_keep_what_they_have(world: World) -> None:
    left = await stored_after(world, ("clear_storage", {"origin": world.site.other_url}))
    assert left["local"] == "x"


async def test_save_login(world: World) -> None:
    _, saved = await world.example("save_login")
    assert (saved["name"], saved["cookies"], saved["origins"]) == ("reader.json", 1, [])
    state = (await world.worker.request("GET", saved["url"])).body.decode()
    world.worker.folder.write(
        "greeted.py",
        "from typing import Any\n\n"
        "from slotgrid.function import Context, function\n\n\n"
        "@function()\n"
        "async def greeted(context: Context, state: dict[str, Any], url: str) -> str:\n"
        '    """Open a page with a saved login."""\n'
        '    page = await context.page({"storage_state": state})\n'
        "    await page.goto(url)\n"
        '    return await page.inner_text("h1")\n',
    )
    await world.worker.reload()
    url = world.site.at("/account")
    greeting = await world.worker.call("greeted", state=json.loads(state), url=url)
    assert greeting == "Hello, reader"


async def test_a_saved_login_has_storage_and_databases(world: World) -> None:
    *_, saved = await world.commands(
        ("goto", {"url": world.site.at("/pages/storage.html?write=x")}),
        ("save_login", {}),
    )
    state = json.loads((await world.worker.request("GET", saved["url"])).body)
    assert saved["origins"] == [world.site.url]
    (origin,) = state["origins"]
    assert origin["localStorage"] == [{"name": "note", "value": "x"}]
    assert origin["indexedDB"][0]["name"] == "notes"
