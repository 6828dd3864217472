"""No page reaches an address that is closed to it: each way is tried, and each spelling.

Every case runs with the guard off, too, and then reaches its target: so it can fail.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from playwright.async_api import Error as PlaywrightError

from slotgrid.runtime.setting_choices import BrowserKind
from tests.harness.waiting import PATIENT, until
from tests.worker.browser.conftest import StartBrowsers
from tests.worker.guard.cases import Case, all_cases, hints
from tests.worker.guard.corpus import SITE, Site, show, site_of
from tests.worker.guard.guards import guard_of, refusals
from tests.worker.guard.listening import Post, posts
from tests.worker.guard.names import Names
from tests.worker.guard.ways_of_functions import WAYS
from worker.browser.browser_context import TaskContext
from worker.browser.launch import LaunchPlan
from worker.guard.guard import Guard

LATE_S = 2.0
"""For what the browser would do late, or over UDP, where no refusal shows that it tried."""
KINDS = [
    BrowserKind.SHELL,
    pytest.param(BrowserKind.CHROMIUM, marks=pytest.mark.long),
]
LOOPBACK_NAMES = ("localhost.", "some.localhost", "inner.test", "LOCALHOST")


@dataclass(frozen=True)
class Trial:
    """A browser with a context, and the targets of all cases."""

    context: TaskContext
    site: Site
    cases: list[Case]
    posts: list[Post]
    base: str
    """The site for functions: without the guard, Playwright's driver may not know `localhost`."""

    async def run(self) -> None:
        """Start every case."""
        await show(self.context, self.site, self.cases)
        ways = list(WAYS.values())
        for way, post in zip(ways, self.posts[len(self.cases) :], strict=True):
            try:
                async with asyncio.timeout(10):
                    await way(self.context.context, self.base, f"http://127.0.0.1:{post.port}/")
            except (PlaywrightError, TimeoutError):
                continue

    def names(self, ports: set[int]) -> list[str]:
        """The cases whose targets have these ports."""
        each = zip([*(case.name for case in self.cases), *WAYS], self.posts, strict=True)
        return [name for name, post in each if post.port in ports]

    @property
    def reached(self) -> set[int]:
        return {post.port for post in self.posts if post.reached_at}

    @property
    def loud(self) -> set[int]:
        """The ports of cases of which a refusal is to be seen."""
        silent = {
            post.port for case, post in zip(self.cases, self.posts, strict=False) if case.silent
        }
        return {post.port for post in self.posts} - silent


@asynccontextmanager
async def trial(
    start: StartBrowsers,
    cases: Sequence[Case],
    kind: BrowserKind = BrowserKind.SHELL,
    guard: Guard | None = None,
) -> AsyncIterator[Trial]:
    switches = () if guard else ("--host-resolver-rules=MAP inner.test 127.0.0.1",)
    plan = LaunchPlan(kind=kind, extra_args=switches)
    async with AsyncExitStack() as stack:
        udp = [case.udp for case in cases] + [False] * len(WAYS)
        made = await stack.enter_async_context(posts(udp))
        site = await stack.enter_async_context(site_of(cases, made))
        browsers = await start(plan, slots=1, limits=PATIENT, guard=guard)
        context = await browsers.context()
        stack.push_async_callback(context.close)
        base = site.url if guard else f"http://127.0.0.1:{site.port}"
        yield Trial(context, site, list(cases), made, base)


def closed_guard() -> Guard:
    """A guard that opens the site alone."""
    return guard_of(SITE, Names({name: [["127.0.0.1"]] for name in (SITE, *LOOPBACK_NAMES)}))


def machine() -> list[str]:
    """This machine's own addresses, as hosts of a URL."""
    found = [one for each in psutil.net_if_addrs().values() for one in each]
    return sorted(
        f"[{one.address}]" if ":" in one.address else one.address
        for one in found
        if int(one.family) in {2, 10} and "%" not in one.address and one.address != "::1"
    )


async def settled(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds, or for a long time: the test says then what is missing.

    Chromium delays a page's WebSockets by seconds when many have failed.
    """
    with suppress(TimeoutError):
        await until(condition, 90)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", KINDS)
async def test_every_case_reaches_its_target_without_the_guard(
    start: StartBrowsers, kind: BrowserKind
) -> None:
    cases = all_cases(full=kind is BrowserKind.CHROMIUM, machine=machine())
    async with trial(start, cases, kind) as tried:
        await tried.run()
        everything = {post.port for post in tried.posts}
        await settled(lambda: tried.reached == everything)
        assert tried.names(everything - tried.reached) == []
        assert len(everything) >= 250


@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", KINDS)
async def test_no_case_reaches_its_target_past_the_guard(
    start: StartBrowsers, kind: BrowserKind
) -> None:
    cases = all_cases(full=kind is BrowserKind.CHROMIUM, machine=machine())
    guard = closed_guard()
    with refusals() as refused:
        async with guard.running(), trial(start, cases, kind, guard) as tried:
            await tried.run()
            await settled(lambda: tried.loud <= refused.ports)
            await asyncio.sleep(LATE_S)
            assert tried.names(tried.reached) == []
            assert tried.names(tried.loud - refused.ports) == []


@pytest.mark.parametrize("kind", KINDS)
async def test_hints_reach_nothing_past_the_guard(start: StartBrowsers, kind: BrowserKind) -> None:
    guard = closed_guard()
    async with guard.running(), trial(start, hints(), kind, guard) as tried:
        await show(tried.context, tried.site, tried.cases)
        await asyncio.sleep(LATE_S)
        assert tried.names(tried.reached) == []


@pytest.mark.parametrize("kind", KINDS)
async def test_no_page_opens_a_file_or_the_browser_itself(
    start: StartBrowsers, kind: BrowserKind, tmp_path: Path
) -> None:
    """Neither in a place of its own nor by a redirect. A function may: it is trusted."""
    secret = tmp_path / "secret.html"
    secret.write_text("<title>secret</title>secret")
    to = [
        f"file://{secret}",
        "chrome://version/",
        "chrome-untrusted://terms/",
        "devtools://devtools/bundled/inspector.html",
    ]
    to += [f"view-source:file://{secret}", f"filesystem:file://{secret}", "chrome-extension://a/b"]
    documents = [
        text
        for url in to
        for text in (
            f"<script>location = '{url}'</script>",
            f"<iframe src='{url}'></iframe>",
            f"<iframe src='/redirect?code=302&to={url}'></iframe>",
            f"<script>location = '/redirect?code=302&to={url}'</script>",
            f"<script>open('{url}')</script>",
            f"<meta http-equiv=refresh content='0;url={url}'>",
        )
    ]
    cases = [Case(text, text, alone=True) for text in documents]
    guard = closed_guard()
    async with guard.running(), trial(start, cases, kind, guard) as tried:
        await show(tried.context, tried.site, tried.cases)
        await asyncio.sleep(LATE_S)
        context = tried.context.context
        shown = {frame.url for page in context.pages for frame in page.frames}
        closed = (
            "file:",
            "chrome:",
            "chrome-untrusted:",
            "devtools:",
            "view-source:",
            "filesystem:",
        )
        assert [url for url in shown if url.startswith(closed)] == []


FORM = """<!doctype html><form action=/empty method=post><input name=name autocomplete=name>
<input name=email type=email autocomplete=email><input name=street autocomplete=street-address>
<input name=city><input name=zip autocomplete=postal-code><input name=tel type=tel>
<input type=password name=password autocomplete=current-password><button>Send</button></form>
<textarea spellcheck=true lang=en>Wrogn text</textarea>"""


@pytest.mark.parametrize("kind", KINDS)
async def test_the_browser_itself_asks_for_nothing(start: StartBrowsers, kind: BrowserKind) -> None:
    """No update, no account, no service for forms, texts or statistics."""
    names = Names({SITE: [["127.0.0.1"]]})
    guard = guard_of(SITE, names)
    case = Case("form", FORM, alone=True)
    async with guard.running(), trial(start, [case], kind, guard) as tried:
        page = await tried.context.context.new_page()
        await page.goto(f"{tried.site.url}/case/0")
        await page.locator("[name=email]").press_sequentially("someone@example.org")
        await page.locator("[name=password]").press_sequentially("something")
        await page.locator("textarea").press_sequentially("Wrogn")
        await page.locator("button").click()
        await asyncio.sleep(4 * LATE_S)
        assert set(names.asked) == {SITE}
