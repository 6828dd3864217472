"""What robots.txt permits, by RFC 9309: rules, agents, and files that are none."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from functions._robots import MAX_DELAY_S, MAX_ROBOTS_BYTES, Robots, read_robots
from tests.functions.fakes import RecordingContext

HOST = "http://example.com"
SIMPLE_EXAMPLE = """\
User-Agent: *
Disallow: *.gif$
Disallow: /example/
Allow: /publications/

User-Agent: foobot
Disallow:/
Allow:/example/page.html
Allow:/example/allowed.gif

User-Agent: barbot
User-Agent: bazbot
Disallow: /example/page.html

User-Agent: quxbot
"""
"""RFC 9309, 5.1."""
LONGEST_MATCH = """\
User-Agent: foobot
Allow: /example/page/
Disallow: /example/page/disallowed.gif
"""
"""RFC 9309, 5.2."""


def permits(text: str, path: str, agent: str = "Slotgrid") -> bool:
    return Robots.parse(text, agent=agent).refusal(HOST + path) is None


@pytest.mark.parametrize(
    ("text", "agent", "path", "permitted"),
    [
        (SIMPLE_EXAMPLE, "otherbot", "/example/a", False),
        (SIMPLE_EXAMPLE, "otherbot", "/publications/a", True),
        (SIMPLE_EXAMPLE, "otherbot", "/publications/a.gif", True),
        (SIMPLE_EXAMPLE, "otherbot", "/picture.gif", False),
        (SIMPLE_EXAMPLE, "otherbot", "/picture.gif?large", True),
        (SIMPLE_EXAMPLE, "foobot", "/", False),
        (SIMPLE_EXAMPLE, "FooBot", "/example/page.html", True),
        (SIMPLE_EXAMPLE, "foobot", "/example/allowed.gif", True),
        (SIMPLE_EXAMPLE, "barbot", "/example/page.html", False),
        (SIMPLE_EXAMPLE, "bazbot", "/example/page.html", False),
        (SIMPLE_EXAMPLE, "barbot", "/example/other", True),
        (SIMPLE_EXAMPLE, "quxbot", "/example/page.html", True),
        (LONGEST_MATCH, "foobot", "/example/page/", True),
        (LONGEST_MATCH, "foobot", "/example/page/disallowed.gif", False),
    ],
)
def test_the_examples_of_the_rfc(text: str, agent: str, path: str, permitted: bool) -> None:
    assert permits(text, path, agent) is permitted


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        # RFC 9309, 2.2.2 and 2.2.3.
        ("/foo/bar?baz=quz", "/foo/bar?baz=quz"),
        ("/foo/bar?baz=https://foo.bar", "/foo/bar?baz=https%3A%2F%2Ffoo.bar"),
        ("/foo/bar?baz=https%3A%2F%2Ffoo.bar", "/foo/bar?baz=https://foo.bar"),
        ("/foo/bar/ツ", "/foo/bar/%E3%83%84"),
        ("/foo/bar/%E3%83%84", "/foo/bar/%e3%83%84"),
        ("/foo/bar/%62%61%7A", "/foo/bar/baz"),
        ("/path/file-with-a-%2A.html", "/path/file-with-a-*.html"),
        ("/path/foo-%24", "/path/foo-$"),
        ("/this/path/exactly$", "/this/path/exactly"),
        ("/this/*/exactly", "/this/path/exactly"),
        ("/*?sort=", "/list?sort=price"),
    ],
)
def test_a_rule_matches_an_address_in_another_spelling(rule: str, path: str) -> None:
    assert not permits(f"User-agent: *\nDisallow: {rule}", path)


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ("/path/file-with-a-%2A.html", "/path/file-with-a-word.html"),
        ("/this/path/exactly$", "/this/path/exactly/not"),
        ("/*?sort=", "/list?page=2&sort"),
        ("/a%2Fb", "/a/b"),
        ("/Case", "/case"),
    ],
)
def test_a_rule_does_not_match_another_address(rule: str, path: str) -> None:
    assert permits(f"User-agent: *\nDisallow: {rule}", path)


def test_of_two_rules_the_longer_one_wins_and_allow_wins_a_tie() -> None:
    text = "User-agent: *\nDisallow: /\nAllow: /shop\nDisallow: /shop/cart\nAllow: /shop/cart"
    assert permits(text, "/shop/lamps")
    assert permits(text, "/shop/cart")
    assert not permits(text, "/blog")
    assert permits(text, "/robots.txt")


def test_groups_of_one_agent_are_merged_and_others_end_with_it() -> None:
    text = (
        "User-agent: Slotgrid\nDisallow: /a\n\nUser-agent: *\nDisallow: /b\n"
        "User-agent: otherbot\nUser-agent: SLOTGRID\nSitemap: http://x/\nDisallow: /c\n"
    )
    assert [permits(text, path) for path in ("/a", "/b", "/c")] == [False, True, False]
    assert [permits(text, path, "nobot") for path in ("/a", "/b", "/c")] == [True, False, True]


@pytest.mark.parametrize(
    ("named", "permitted"),
    [
        ("Slotgrid", False),
        ("slotgrid/1.0 (crawls)", False),
        ("Slotgrid # ours", False),
        ("Slot", True),
        ("Slotgrid-News", True),
        ("MySlotgrid", True),
        ("*", False),
        ("", True),
    ],
)
def test_a_group_names_our_product_token_exactly(named: str, permitted: bool) -> None:
    assert permits(f"User-agent: {named}\nDisallow: /", "/a") is permitted


def test_a_whole_header_is_addressed_by_each_of_its_products() -> None:
    agent = "Mozilla/5.0 (compatible; Foobot/2.1; +http://example.com/bot) Slotgrid/1.0"
    for token in ("Foobot", "slotgrid", "Mozilla"):
        assert not permits(f"User-agent: {token}\nDisallow: /", "/a", agent)
    assert permits("User-agent: bot\nDisallow: /", "/a/b", "Foobot/2.1")


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_line_ends_and_a_byte_order_mark_make_no_difference(end: str) -> None:
    text = end.join(["\ufeffUser-agent: *", "Disallow: /a # not here", "", "Disallow:"])
    assert [permits(text, path) for path in ("/a", "/b")] == [False, True]


def test_the_longer_of_crawl_delay_and_request_rate_counts_up_to_a_limit() -> None:
    def delay_s(lines: str) -> float:
        return Robots.parse(f"User-agent: *\n{lines}", agent="Slotgrid").delay_s

    assert delay_s("Crawl-delay: 2.5") == 2.5
    assert delay_s("Crawl-delay: 1\nRequest-rate: 1/4") == 4
    assert delay_s("Crawl-delay: 3600") == MAX_DELAY_S
    assert delay_s("Crawl-delay: soon") == 0


def test_without_rules_everything_is_permitted_at_once() -> None:
    assert Robots().refusal(f"{HOST}/private/a") is None
    assert Robots().delay_s == 0


class RobotsHost:
    """A host with one robots.txt, as the test sets it."""

    def __init__(self) -> None:
        self.status, self.body, self.content_type = 200, b"", "text/plain"
        self.redirects = 0
        self.server = TestServer(self._app())

    def _app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/robots.txt", self.robots)
        app.router.add_get(r"/hop/{left:\d+}", self.hop)
        return app

    async def robots(self, _request: web.Request) -> web.Response:
        if self.redirects:
            raise web.HTTPFound(f"/hop/{self.redirects - 1}")
        return web.Response(
            status=self.status, body=self.body, headers={"Content-Type": self.content_type}
        )

    async def hop(self, request: web.Request) -> web.Response:
        if left := int(request.match_info["left"]):
            raise web.HTTPFound(f"/hop/{left - 1}")
        return web.Response(body=self.body)

    async def permits(self, context: RecordingContext, path: str) -> bool:
        url = str(self.server.make_url(path))
        requests = context.browser_context.request
        robots = await read_robots(requests, url, agent="Slotgrid", seconds=5)
        return robots.refusal(url) is None


@pytest.fixture
async def host() -> AsyncIterator[RobotsHost]:
    host = RobotsHost()
    await host.server.start_server()
    yield host
    await host.server.close()


BAN = "User-agent: *\nDisallow: /ü"


@pytest.mark.parametrize(
    ("answer", "permitted"),
    [
        ((200, BAN, "text/plain"), False),
        ((200, BAN, "text/plain; charset=iso-8859-1"), False),  # it is UTF-8 whatever it says
        ((200, BAN, "text/html"), False),
        ((200, f"\n<!doctype html><pre>\n{BAN}\n</pre>", "text/html"), True),
        ((200, "", "text/plain"), True),
        ((204, "", "text/plain"), True),
        ((401, BAN, "text/plain"), True),
        ((404, BAN, "text/plain"), True),
        ((410, BAN, "text/plain"), True),
        ((429, "", "text/plain"), False),
        ((500, "", "text/plain"), False),
        ((503, "", "text/plain"), False),
    ],
)
async def test_the_status_says_whether_there_are_rules(
    context: RecordingContext, host: RobotsHost, answer: tuple[int, str, str], permitted: bool
) -> None:
    host.status, text, host.content_type = answer
    host.body = text.encode()
    assert await host.permits(context, "/%C3%BCber") is permitted


@pytest.mark.parametrize(("hops", "permitted"), [(5, False), (6, True)])
async def test_five_redirects_are_followed(
    context: RecordingContext, host: RobotsHost, hops: int, permitted: bool
) -> None:
    host.body, host.redirects = b"User-agent: *\nDisallow: /", hops
    assert await host.permits(context, "/a") is permitted


async def test_a_large_file_is_read_up_to_its_last_whole_line_within_the_limit(
    context: RecordingContext, host: RobotsHost
) -> None:
    head = b"User-agent: *\nDisallow: /first\n"
    within = b"Disallow: /shop"
    filler = b"#" * (MAX_ROBOTS_BYTES - len(head) - len(within) - 1) + b"\n"
    host.body = head + filler + within + b"/cart\n"
    assert not await host.permits(context, "/first")
    assert await host.permits(context, "/shop")
    assert await host.permits(context, "/shop/cart")


async def test_a_host_that_does_not_answer_forbids_everything(
    context: RecordingContext, host: RobotsHost
) -> None:
    url = str(host.server.make_url("/a"))
    await host.server.close()
    requests = context.browser_context.request
    robots = await read_robots(requests, url, agent="Slotgrid", seconds=5)
    assert robots.refusal(url) == (
        f"{robots.url} cannot be read (nothing listens there), so it forbids {url}"
    )
