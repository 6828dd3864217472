"""The `browser` field: what a site and its scripts see of it, and who gets what is secret."""

import asyncio
import json
import time
from typing import Any

import msgspec
import pytest

from functions.crawl import crawl
from functions.extract import extract
from functions.page_text import page_text
from functions.page_title import page_title
from functions.screenshot import screenshot
from slotgrid.function import InputRefused
from tests.functions.conftest import context
from tests.functions.fakes import RecordingContext
from tests.harness.chromium import browser
from tests.harness.peers.forward_proxy import forward_proxy
from tests.harness.waiting import until
from tests.site.fixtures import Site, site
from tests.site.sessions import PASSWORD, USER
from tests.site.visitors import Arrival
from worker.pages.browser_options import BrowserOptions
from worker.pages.context_page import context_options, open_context_page
from worker.pages.errors import PageUnreachable
from worker.pages.inputs import Viewport

__all__ = ["browser", "context", "site"]

LOGIN = {"username": USER, "password": PASSWORD}


def options(**given: Any) -> BrowserOptions:
    """The block as JSON gives it."""
    return msgspec.convert(given, BrowserOptions)


async def seen(context: RecordingContext, site: Site, **given: Any) -> dict[str, Any]:
    """What a script sees of a browser with these options."""
    page = await open_context_page(context, site.url, options(**given))
    await page.goto(site.at("/visitors/seen"))
    await page.wait_for_function("document.getElementById('place').textContent")
    found: dict[str, Any] = json.loads(await page.inner_text("#seen"))
    return found | {"place": await page.inner_text("#place")}


async def test_scripts_see_what_was_asked_for(context: RecordingContext, site: Site) -> None:
    found = await seen(
        context, site,
        user_agent="Lynx/2.9", locale="de-CH", timezone="Asia/Kathmandu", color_scheme="dark",
        viewport={"width": 400, "height": 300}, device_scale_factor=2, mobile=True,
        geolocation={"latitude": 52.5, "longitude": 13.25},
        cookies=[
            {"name": "plain", "value": "a b=c"},
            {"name": "hidden", "value": "x", "http_only": True, "path": "/visitors"},
            {"name": "elsewhere", "value": "x", "url": "http://other.example/"},
            {"name": "later", "value": "y", "domain": "127.0.0.1", "expires": time.time() + 60},
        ],
    )  # fmt: skip
    assert found["agent"] == "Lynx/2.9"
    assert (found["language"], found["timezone"], found["dark"]) == ("de-CH", "Asia/Katmandu", True)
    assert (found["width"], found["scale"], found["touch"]) == (980, 2, True)  # no viewport tag
    assert found["place"] == "52.5,13.25"
    assert sorted(found["cookies"].split("; ")) == ["later=y", "plain=a b=c"]
    page = await context.page()
    await page.goto(site.at("/visitors/headers"))
    headers = json.loads(await page.inner_text("pre"))
    assert headers["User-Agent"] == "Lynx/2.9"
    assert headers["Accept-Language"] == "de-CH"
    assert "hidden=x" in headers["Cookie"]


async def test_without_options_a_spare_context_will_do(site: Site) -> None:
    for block in (None, options(), options(javascript=True, cookies=[], headers={})):
        assert context_options(block or BrowserOptions(), site.url) == {}


async def test_without_javascript_the_page_is_read_as_it_was_sent(
    context: RecordingContext, site: Site
) -> None:
    block = options(javascript=False)
    title = await page_title(context, site.at("/visitors/seen"), browser=block)
    assert title.title == "Unseen"
    assert "Seen" not in (await page_text(context, site.at("/visitors/seen"))).content


async def test_headers_reach_the_site_and_no_other(context: RecordingContext, site: Site) -> None:
    block = options(headers={"X-Key": "k-1", "Authorization": "Bearer b-1", "accept": "text/x"})
    page = await open_context_page(context, site.url, block)
    await page.goto(site.at("/visitors/parts"))
    expected = {"/visitors/from-worker", "/visitors/landed", "/visitors/foreign.svg"}
    await until(lambda: expected <= {one.path for one in site.arrivals})
    own = [one for one in site.arrivals if one.host == "127.0.0.1"]
    foreign = [one for one in site.arrivals if one.host == "localhost"]
    assert {"/visitors/landed", "/visitors/api", "/visitors/frame"} <= {o.path for o in foreign}
    assert {"/visitors/api", "/visitors/own.svg", "/visitors/away", "/visitors/frame",
            "/visitors/worker.js", "/visitors/from-worker"} <= {o.path for o in own}  # fmt: skip
    for one in own:
        assert has(one, "X-Key") == "k-1", one.path
        assert has(one, "Authorization") == "Bearer b-1", one.path
        assert has(one, "Accept") == "text/x", one.path
    for one in foreign:
        assert has(one, "X-Key") is None, one.path
        assert has(one, "Authorization") is None, one.path
    assert "/visitors/service.js" not in {one.path for one in site.arrivals}


def has(arrival: Arrival, name: str) -> str | None:
    return {key.lower(): value for key, value in arrival.headers.items()}.get(name.lower())


async def test_headers_go_along_within_the_site_and_to_listed_origins(
    context: RecordingContext, site: Site
) -> None:
    block = options(headers={"X-Key": "k-1"}, header_origins=[site.other_url])
    page = await open_context_page(context, site.url, block)
    await page.goto(site.at("/visitors/here"))
    await page.goto(site.at("/visitors/away"))
    other = await page.context.new_page()
    await other.goto(site.at("/visitors/more"))
    assert [(one.path, has(one, "X-Key")) for one in site.arrivals] == [
        (f"/visitors/{path}", "k-1") for path in ("here", "arrived", "away", "landed", "more")
    ]


async def test_a_tab_that_the_page_opens_soon_has_the_headers(
    context: RecordingContext, site: Site
) -> None:
    page = await open_context_page(context, site.url, options(headers={"X-Key": "k-1"}))
    await page.goto(site.at("/visitors/parts"))
    async with page.context.expect_page() as opening:
        await page.click("a")
    tab = await opening.value
    async with asyncio.timeout(20):
        await tab.goto(site.at("/visitors/later"))
        while has(site.arrivals[-1], "X-Key") is None:
            await tab.goto(site.at("/visitors/later"))


async def test_a_crawl_keeps_the_options_in_each_of_its_tabs(
    context: RecordingContext, site: Site
) -> None:
    block = options(headers={"X-Key": "k-1"}, locale="de-CH", user_agent="Lynx/2.9")
    crawled = await crawl(context, site.at("/visitors/crawled"), max_pages=1, browser=block)
    assert [one.title for one in crawled.pages] == ["Part"]
    arrival = site.arrivals[-1]
    assert has(arrival, "X-Key") == "k-1"
    assert has(arrival, "Accept-Language") == "de-CH"
    assert has(arrival, "User-Agent") == "Lynx/2.9"


async def test_headers_without_a_context_of_their_own_are_refused(
    context: RecordingContext, site: Site
) -> None:
    same = options(headers={"X-Key": "k-1"})
    await page_title(context, site.at("/visitors/a"), browser=same)
    await page_title(context, site.at("/visitors/b"), browser=same)
    with pytest.raises(InputRefused, match="already open") as refused:
        await page_title(context, site.url, browser=options(headers={"X-Key": "k-2"}))
    assert refused.value.field == "browser/headers"


@pytest.mark.parametrize("given", ["block", "address"])
async def test_http_authentication_is_answered_for_the_site_alone(
    context: RecordingContext, site: Site, given: str
) -> None:
    url = site.at("/basic-auth")
    if given == "address":
        url = url.replace("://", f"://{USER}:open%20sesame@")
    block = options(credentials=LOGIN) if given == "block" else None
    title = await page_title(context, url, browser=block)
    assert (title.title, title.status) == ("Reading room", 200)
    assert title.url == site.at("/basic-auth")
    elsewhere = await page_title(context, f"{site.other_url}/basic-auth")
    assert elsewhere.status == 401


async def test_another_origin_gets_the_credentials_only_if_it_is_named(
    context: RecordingContext, site: Site
) -> None:
    block = options(credentials={**LOGIN, "origin": site.other_url + "/"})
    assert (await page_title(context, site.at("/basic-auth"), browser=block)).status == 401
    assert (await page_title(context, f"{site.other_url}/basic-auth")).status == 200


async def test_every_function_takes_a_login_in_the_address_and_shows_none_of_it(
    context: RecordingContext, site: Site
) -> None:
    url = site.at("/basic-auth").replace("://", f"://{USER}:open%20sesame@")
    crawled = await crawl(context, url, max_pages=1)
    assert [(one.url, one.title) for one in crawled.pages] == [
        (site.at("/basic-auth"), "Reading room")
    ]
    extracted = await extract(context, url, item="h1", fields={"text": "h1"}, next_page="h1")
    picture = await screenshot(context, url)
    for result in (crawled, extracted, picture):
        assert "sesame" not in str(result)
    assert picture.url == site.at("/basic-auth")


async def test_an_error_does_not_show_the_login_of_the_address(context: RecordingContext) -> None:
    with pytest.raises(PageUnreachable) as raised:
        await page_title(context, "http://ann:p@127.0.0.1:1/")
    assert str(raised.value).startswith("http://127.0.0.1:1/ cannot be opened")


async def test_a_saved_login_opens_what_needs_one(context: RecordingContext, site: Site) -> None:
    page = await context.page()
    await page.goto(site.at("/login"))
    await page.fill("[name=user]", USER)
    await page.fill("[name=password]", PASSWORD)
    await page.click("button")
    await page.evaluate("localStorage.setItem('theme', 'plum')")
    state = await context.browser_context.storage_state()
    browser = context.browser_context.browser
    assert browser is not None
    fresh = RecordingContext(await browser.new_context())
    block = options(storage_state=state, cookies=[{"name": "more", "value": "1"}])
    assert (await page_title(fresh, site.at("/account"), browser=block)).title == "Account"
    page = await fresh.page()
    await page.goto(site.at("/visitors/seen"))
    found = json.loads(await page.inner_text("#seen"))
    assert (found["stored"], found["cookies"]) == ({"theme": "plum"}, "more=1")
    stranger = RecordingContext(await browser.new_context())
    assert (await page_title(stranger, site.at("/account"))).title == "Log in"


@pytest.mark.parametrize("login", [None, "ada:b@c d"])
async def test_a_proxy_gets_every_request(
    context: RecordingContext, site: Site, login: str | None
) -> None:
    async with forward_proxy(login=login) as proxy:
        server = f"http://127.0.0.1:{proxy.port}"
        given: dict[str, Any] = {"server": server}
        if login is not None:
            given["server"] = server.replace("://", "://ada:b%40c%20d@")
        title = await page_title(context, site.at("/arrived"), browser=options(proxy=given))
        assert title.title == "Arrived"
        assert site.at("/arrived") in proxy.asked
        assert set(proxy.logins) == ({login} if login else set())


async def test_a_login_for_the_proxy_is_not_for_the_site(
    context: RecordingContext, site: Site
) -> None:
    async with forward_proxy(login=f"{USER}:{PASSWORD}") as proxy:
        given = {"server": f"http://127.0.0.1:{proxy.port}", **LOGIN}
        block = options(proxy=given)
        assert (await page_title(context, site.at("/basic-auth"), browser=block)).status == 401


async def test_a_socks_proxy_gets_every_request_but_those_past_it(
    context: RecordingContext, site: Site
) -> None:
    async with forward_proxy(socks=True) as proxy:
        given = {"server": f"socks5://127.0.0.1:{proxy.port}", "bypass": ["localhost"]}
        await page_title(context, site.at("/arrived"), browser=options(proxy=given))
        assert {one.partition(":")[0] for one in proxy.asked} == {"127.0.0.1"}
        before = len(proxy.asked)
        await page_title(context, f"{site.other_url}/arrived")
        assert len(proxy.asked) == before


@pytest.mark.parametrize(
    ("given", "field", "why"),
    [
        ({"cookies": [{"name": "a", "value": "b", "expires": 5}]}, "cookies/0/expires", "past"),
        (
            {"cookies": [{"name": "a", "value": "b", "same_site": "none"}]},
            "cookies/0/secure",
            "would drop the cookie unless `secure` is true",
        ),
        ({"cookies": [{"name": "__Secure-a", "value": "b"}]}, "cookies/0/secure", "secure"),
        ({"credentials": LOGIN}, "credentials", "the address has a user name or password too"),
    ],
)
def test_what_the_browser_would_silently_ignore_is_refused(
    given: dict[str, Any], field: str, why: str
) -> None:
    with pytest.raises(InputRefused, match=why) as refused:
        context_options(options(**given), "http://ann:b@x.example/")
    assert refused.value.field == f"browser/{field}"


def test_http_on_its_own_port_stands_for_https_of_the_same_host_too() -> None:
    def origins(url: str) -> list[str]:
        found = context_options(BrowserOptions(), url)["http_credentials"]
        return [one["origin"] for one in found]

    assert origins("http://a:b@Bücher.example/x") == [
        "http://xn--bcher-kva.example",
        "https://xn--bcher-kva.example",
    ]
    assert origins("http://a:b@x.example:8080/") == ["http://x.example:8080"]
    assert origins("https://a:b@[::1]:443/") == ["https://[::1]"]


async def test_the_window_is_given_once(context: RecordingContext, site: Site) -> None:
    block = options(viewport={"width": 640, "height": 400})
    with pytest.raises(InputRefused, match="`viewport` and `browser"):
        await screenshot(context, site.url, viewport=Viewport(1, 1), browser=block)
    await screenshot(context, site.at("/visitors/seen"), browser=block)
    page = await context.page()
    assert json.loads(await page.inner_text("#seen"))["width"] == 640
