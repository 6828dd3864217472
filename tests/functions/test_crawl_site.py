"""Which site a crawl belongs to, which of its links are one page, and what robots.txt says."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import web
from playwright.async_api import Browser

from functions._robots import RobotsForbid
from functions.crawl import Crawl, crawl
from slotgrid.function import InputRefused
from tests.functions.fakes import RecordingContext
from tests.site.fixtures import Site
from tests.site.sessions import PASSWORD, USER
from worker.pages.browser_options import BrowserOptions
from worker.pages.errors import PageUnreachable


def paths(crawled: Crawl, site: Site) -> list[str]:
    """The addresses that were visited, relative to the site."""
    return [page.url.removeprefix(site.url) for page in crawled.pages]


@pytest.mark.parametrize("how", ["redirect", "meta", "script"])
async def test_the_crawl_belongs_to_the_host_where_its_start_led(
    context: RecordingContext, site: Site, how: str
) -> None:
    home = f"{site.other_url}/crawl/home"
    crawled = await crawl(context, site.at(f"/crawl/moved/{how}?to={home}"), delay_s=0)
    assert crawled.site == f"{site.other_url}/"
    assert crawled.pages[0].redirected_to == home
    assert [page.url for page in crawled.pages[1:]] == [
        f"{site.other_url}/crawl/leaf/{name}" for name in ("one", "two", "full")
    ]


async def test_a_later_page_that_leads_to_another_host_is_recorded_and_not_followed(
    context: RecordingContext, site: Site
) -> None:
    away = site.at(f"/crawl/moved/redirect?to={site.other_url}/crawl/home")
    crawled = await crawl(context, site.at(f"/crawl/links?to={away}"), delay_s=0)
    assert [(page.redirected_to, page.links) for page in crawled.pages] == [
        (None, 1),
        (f"{site.other_url}/crawl/home", 3),
    ]
    assert crawled.site == f"{site.url}/"


async def test_every_spelling_of_an_address_is_one_page(
    context: RecordingContext, site: Site
) -> None:
    crawled = await crawl(context, site.at("/crawl/spellings/"), delay_s=0)
    assert paths(crawled, site) == [
        "/crawl/spellings/",
        "/crawl//spellings/",
        "/crawl/leaf/%7eada",
        "/crawl/leaf/%C3%BC",
    ]


async def test_links_are_relative_to_the_base_of_the_page(
    context: RecordingContext, site: Site
) -> None:
    crawled = await crawl(context, site.at("/crawl/based"), delay_s=0)
    assert paths(crawled, site) == ["/crawl/based", "/crawl/leaf/one"]


async def test_links_in_maps_graphics_shadow_roots_and_frames_are_found(
    context: RecordingContext, site: Site
) -> None:
    crawled = await crawl(context, site.at("/crawl/kinds"), delay_s=0)
    assert {path.removeprefix("/crawl/leaf/") for path in paths(crawled, site)[1:]} == {
        *("area", "svg", "xlink", "shadow", "nested", "frame", "blank")
    }


@pytest.mark.parametrize("how", ["head", "header"])
async def test_a_page_that_asks_robots_to_follow_nothing_is_obeyed_as_robots_txt_is(
    context: RecordingContext, site: Site, how: str
) -> None:
    start = site.at(f"/crawl/unwelcome/{how}")
    assert len((await crawl(context, start, delay_s=0)).pages) == 1
    assert len((await crawl(context, start, delay_s=0, robots=False)).pages) == 2


class Hosts:
    """Sites under names, reached through a proxy: a page for each name, scheme and path."""

    def __init__(self) -> None:
        self.redirects: dict[str, str] = {}
        self.bodies: dict[str, str] = {}
        self.robots: dict[str, str] = {}
        self.statuses: dict[str, int] = {}
        self.asked: list[tuple[str, str]] = []
        self.headers: list[Mapping[str, str]] = []
        self.ports: tuple[int, int] = (0, 0)
        self.open = 0
        self.idle = asyncio.Event()

    async def answer(self, request: web.Request) -> web.Response:
        """Redirect, or show the body of the address; none is missing."""
        path = request.raw_path
        url = path if "://" in path else f"{request.scheme}://{request.host}{path}"
        self.asked.append((url, request.headers["User-Agent"]))
        self.headers.append(request.headers)
        if url in self.redirects:
            raise web.HTTPMovedPermanently(self.redirects[url])
        if request.path == "/robots.txt":
            status = self.statuses.get(url, 200)
            return web.Response(text=self.robots.get(url, ""), status=status)
        body = self.bodies.get(url, "")
        return web.Response(text=f"<title>{url}</title>{body}", content_type="text/html")

    async def forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect a client of the proxy with the server, whatever host it asks for."""
        self.open += 1
        self.idle.clear()
        with suppress(asyncio.IncompleteReadError, ConnectionError):  # some open ahead of need
            head = await reader.readuntil(b"\r\n\r\n")
            await self.connect(head, reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        self.open -= 1
        if not self.open:
            self.idle.set()

    async def connect(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Pass on what follows the head of a client's first request."""
        method, target, _ = head.split(b" ", 2)
        port = self.ports[target.endswith(b":443")]
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port)
        if method == b"CONNECT":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            server_writer.write(head)
        with suppress(ConnectionError):
            await asyncio.gather(_pump(reader, server_writer), _pump(server_reader, writer))
        server_writer.close()
        with suppress(ConnectionError):
            await server_writer.wait_closed()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


@pytest.fixture
async def hosts(tmp_path: Path) -> AsyncIterator[Hosts]:
    """Run the sites with and without TLS."""
    key, chain = tmp_path / "key.pem", tmp_path / "chain.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=any"),
            *("-days", "2", "-keyout", key, "-out", chain),
        ],
        check=True,
        capture_output=True,
    )
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(chain, key)
    hosts = Hosts()
    app = web.Application()
    app.router.add_get("/{path:.*}", hosts.answer)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    for context in (None, tls):
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    hosts.ports = (runner.addresses[0][1], runner.addresses[1][1])
    yield hosts
    await runner.cleanup()


@pytest.fixture
async def named(browser: Browser, hosts: Hosts) -> AsyncIterator[RecordingContext]:
    """A context whose requests all go through a proxy to `hosts`."""
    async with await asyncio.start_server(hosts.forward, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        context = await browser.new_context(
            proxy={"server": f"http://127.0.0.1:{port}"}, ignore_https_errors=True
        )
        yield RecordingContext(context)
        await context.close()
        await hosts.idle.wait()


def visited(crawled: Crawl) -> list[str]:
    return [page.url for page in crawled.pages]


async def test_apex_and_www_and_both_schemes_are_one_site(
    named: RecordingContext, hosts: Hosts
) -> None:
    hosts.redirects = {
        "http://shop.example/": "https://shop.example/",
        "https://shop.example/": "https://www.shop.example/",
    }
    hosts.bodies = {
        "https://www.shop.example/": """<a href="http://shop.example/">1</a>
        <a href="http://shop.example/a">2</a> <a href="https://www.shop.example/a">3</a>
        <a href="//shop.example:443/b">4</a> <a href="https://blog.shop.example/">5</a>
        <a href="http://shop.example:8080/">6</a>"""
    }
    crawled = await crawl(named, "http://shop.example", delay_s=0)
    assert visited(crawled) == [
        "http://shop.example/",
        "http://shop.example/a",
        "https://shop.example/b",
    ]
    assert crawled.site == "https://www.shop.example/"
    assert crawled.pages[0].redirected_to == "https://www.shop.example/"
    robots = {url for url, _ in hosts.asked if url.endswith("/robots.txt")}
    assert robots == {
        *("http://shop.example/robots.txt", "https://shop.example/robots.txt"),
        "https://www.shop.example/robots.txt",
    }


async def test_a_name_with_an_umlaut_is_one_site_in_each_spelling(
    named: RecordingContext, hosts: Hosts
) -> None:
    here = "http://xn--bcher-kva.example/"
    hosts.bodies = {
        here: '<meta charset=utf-8><a href="http://BÜCHER.example/ä">1</a>'
        '<a href="http://xn--bcher-kva.example:80/%c3%a4">2</a><a href="/ä#x">3</a>'
    }
    crawled = await crawl(named, "http://bücher.example", delay_s=0)
    assert visited(crawled) == [here, f"{here}%C3%A4"]


async def test_a_start_that_robots_txt_forbids_is_an_error(
    named: RecordingContext, hosts: Hosts
) -> None:
    hosts.robots = {"http://shop.example/robots.txt": "User-agent: *\nDisallow: /cart"}
    with pytest.raises(RobotsForbid) as caught:
        await crawl(named, "http://shop.example/cart")
    assert str(caught.value) == (
        "http://shop.example/robots.txt forbids http://shop.example/cart; `robots: false` crawls "
        "it nevertheless"
    )
    assert [url for url, _ in hosts.asked] == ["http://shop.example/robots.txt"]
    crawled = await crawl(named, "http://shop.example/cart", robots=False)
    assert visited(crawled) == ["http://shop.example/cart"]


async def test_a_start_that_leads_to_where_robots_txt_forbids_is_an_error(
    named: RecordingContext, hosts: Hosts
) -> None:
    hosts.redirects = {"http://old.example/": "http://new.example/"}
    hosts.robots = {"http://new.example/robots.txt": "User-agent: Slotgrid\nDisallow: /"}
    with pytest.raises(RobotsForbid, match=r"new\.example/robots\.txt forbids http://new\.example"):
        await crawl(named, "http://old.example/")


async def test_a_page_that_leads_to_where_robots_txt_forbids_is_not_read(
    named: RecordingContext, hosts: Hosts
) -> None:
    hosts.redirects = {"http://shop.example/out": "http://shop.example/private"}
    hosts.bodies = {
        "http://shop.example/": '<a href="/out">1</a>',
        "http://shop.example/private": '<a href="/secret">2</a>',
    }
    hosts.robots = {"http://shop.example/robots.txt": "User-agent: *\nDisallow: /private"}
    crawled = await crawl(named, "http://shop.example/", delay_s=0)
    assert visited(crawled) == ["http://shop.example/", "http://shop.example/out"]
    assert "robots.txt forbids" in (crawled.pages[1].error or "")
    assert crawled.pages[1].title is None
    assert (crawled.refused_by_robots, crawled.failed) == (1, 1)


async def test_a_crawl_shows_itself_by_the_name_that_robots_txt_addresses(
    named: RecordingContext, hosts: Hosts
) -> None:
    hosts.bodies = {
        "http://shop.example/": '<a href="/a">1</a><a href="/b">2</a><img src="/img">'
        '<iframe src="/frame"></iframe><script>new Worker("/worker")</script>'
    }
    hosts.robots = {"http://shop.example/robots.txt": "User-agent: mybot\nDisallow: /b"}
    agent = "Mybot/2.1 (+https://my.example/bot)"
    crawled = await crawl(named, "http://shop.example/", delay_s=0, agent=agent, wait_until="load")
    assert visited(crawled) == ["http://shop.example/", "http://shop.example/a"]
    assert {url.removeprefix("http://shop.example/") for url, _ in hosts.asked} >= {
        *("", "robots.txt", "a", "img", "frame", "worker")
    }
    assert all(sent.startswith("Mozilla/5.0 (X11") for _, sent in hosts.asked)
    assert {url for url, sent in hosts.asked if not sent.endswith(f" {agent}")} == set()

    crawled = await crawl(named, "http://shop.example/", delay_s=0)
    assert len(crawled.pages) == 3
    assert hosts.asked[-1][1].endswith(" Slotgrid")


async def test_a_start_that_cannot_be_opened_is_an_error_that_says_why(
    context: RecordingContext, site: Site
) -> None:
    nowhere = "http://127.0.0.1:9/"
    for robots in (True, False):
        with pytest.raises(PageUnreachable, match=r"127\.0\.0\.1:9/ cannot be opened"):
            await crawl(context, nowhere, robots=robots)
    assert [chunk.count(nowhere) > 0 for chunk in context.chunks] == [True]
    for path, why in {
        "/downloads/small.csv": "a download",
        "/slow/hang": "had not answered",
    }.items():
        with pytest.raises(PageUnreachable, match=why):
            await crawl(context, site.at(path), page_timeout_s=1)


async def test_a_robots_txt_that_cannot_be_read_is_an_error_that_says_so(
    named: RecordingContext, hosts: Hosts
) -> None:
    hosts.statuses = {"http://shop.example/robots.txt": 503}
    with pytest.raises(
        RobotsForbid, match=r"robots\.txt cannot be read \(it answers 503\).*`robots: false`"
    ):
        await crawl(named, "http://shop.example/")
    assert len(hosts.asked) == 1


@pytest.fixture
async def host(hosts: Hosts) -> AsyncIterator[str]:
    """The address of `hosts` without a proxy."""
    yield f"http://127.0.0.1:{hosts.ports[0]}/"


async def test_a_user_agent_of_the_caller_is_the_one_that_robots_txt_addresses(
    context: RecordingContext, hosts: Hosts, host: str
) -> None:
    hosts.bodies = {host: '<a href="/a">1</a>'}
    hosts.robots = {f"{host}robots.txt": "User-agent: foobot\nDisallow: /a"}
    own = "Mozilla/5.0 (compatible; Foobot/2.1)"
    browser = BrowserOptions(user_agent=own, locale="de-CH", headers={"X-Team": "crawl"})
    crawled = await crawl(context, host, delay_s=0, browser=browser)
    assert (visited(crawled), crawled.refused_by_robots) == ([host], 1)
    assert {sent for _, sent in hosts.asked} == {own}
    assert {headers.get("X-Team") for headers in hosts.headers} == {"crawl"}
    assert hosts.headers[-1]["Accept-Language"].startswith("de-CH")
    with pytest.raises(InputRefused, match="give one"):
        await crawl(context, host, agent="Mybot", browser=browser)


async def test_a_language_of_the_caller_is_kept_beside_the_name_of_the_crawl(
    context: RecordingContext, hosts: Hosts, host: str
) -> None:
    await crawl(context, host, delay_s=0, browser=BrowserOptions(locale="de-CH"))
    assert hosts.asked[-1][1].endswith(" Slotgrid")
    assert hosts.headers[-1]["Accept-Language"].startswith("de-CH")


async def test_a_login_in_the_start_is_used_and_never_shown(
    context: RecordingContext, site: Site
) -> None:
    start = site.at("/basic-auth").replace("//", f"//{USER}:{PASSWORD}@")
    crawled = await crawl(context, start, delay_s=0)
    assert [page.status for page in crawled.pages] == [200]
    shown = f"{crawled} {context.chunks} {context.events}"
    assert PASSWORD not in shown
    assert "@" not in shown
