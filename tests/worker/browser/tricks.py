"""What a task may leave behind, each as a pair: one leaves it, the other looks for it.

`check` tells whether something of an earlier task is seen. Both are given a context, a page and
the site's address, and nothing else, so the same pair runs isolated and, on purpose, not.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast

from aiohttp.test_utils import TestServer
from playwright.async_api import BrowserContext, Page

from tests.worker.browser.site import HITS, PASSWORD, USER

LISTEN_MS = 500


@dataclass(frozen=True)
class Visit:
    """One task's view: its context, its page, the site."""

    context: BrowserContext
    page: Page
    site: TestServer

    async def open(self, path: str) -> int:
        """Goes to `path` of the site; the HTTP status."""
        response = await self.page.goto(str(self.site.make_url(path)))
        assert response is not None
        return response.status

    async def script(self, source: str) -> object:
        """Runs `source`, the body of an async function, on the site's page."""
        await self.open("/page")
        return cast(object, await self.page.evaluate(f"(async () => {{ {source} }})()"))


Deed = Callable[[Visit], Awaitable[object]]


@dataclass(frozen=True)
class Trick:
    """One thing that must not pass from task to task."""

    name: str
    dirty: Deed
    check: Callable[[Visit], Awaitable[bool]]


def _scripts(name: str, *, dirty: str, check: str) -> Trick:
    async def see(visit: Visit) -> bool:
        return bool(await visit.script(check))

    return Trick(name, lambda visit: visit.script(dirty), see)


async def _keep_in_cache(visit: Visit) -> None:
    await visit.script("await (await fetch('/cached')).text()")


async def _is_cached(visit: Visit) -> bool:
    before = visit.site.app[HITS]["/cached"]
    await _keep_in_cache(visit)
    return visit.site.app[HITS]["/cached"] == before


async def _grant(visit: Visit) -> None:
    await visit.context.grant_permissions(["geolocation"])


async def _leave_tab(visit: Visit) -> None:
    async with visit.context.expect_page():
        await visit.script("window.open('/who', 'left')")


async def _sees_tab(visit: Visit) -> bool:
    named = await visit.script(
        "const tab = window.open('', 'left'); const href = tab.location.href; tab.close();"
        "return href !== 'about:blank'"
    )
    return bool(named)


async def _leave_listener(visit: Visit) -> None:
    async with visit.context.expect_page() as opened:
        await visit.script("window.open('/page')")
    tab = await opened.value
    await tab.wait_for_load_state()
    await tab.evaluate(
        "() => { self.channel = new BroadcastChannel('any');"
        "channel.onmessage = event => { if (event.data === 'call') channel.postMessage('here') } }"
    )


async def _log_in(visit: Visit) -> None:
    await visit.page.goto(
        str(visit.site.make_url("/secret").with_user(USER).with_password(PASSWORD))
    )


async def _is_logged_in(visit: Visit) -> bool:
    return await visit.open("/secret") == 200


TRICKS = [
    _scripts(
        "cookie",
        dirty="document.cookie = 'left=1; max-age=3600'",
        check="return document.cookie.includes('left')",
    ),
    _scripts(
        "local storage",
        dirty="localStorage.setItem('left', '1')",
        check="return localStorage.length > 0",
    ),
    _scripts(
        "session storage",
        dirty="sessionStorage.setItem('left', '1')",
        check="return sessionStorage.length > 0",
    ),
    _scripts(
        "indexed storage",
        dirty="await new Promise(done => { indexedDB.open('left').onsuccess = done })",
        check="return (await indexedDB.databases()).length > 0",
    ),
    _scripts(
        "cache storage",
        dirty="await (await caches.open('left')).put('/left', new Response('x'))",
        check="return (await caches.keys()).length > 0",
    ),
    _scripts(
        "file system",
        dirty="await (await navigator.storage.getDirectory())"
        ".getFileHandle('left', { create: true })",
        check="for await (const one of (await navigator.storage.getDirectory()).keys())"
        " return true; return false",
    ),
    Trick("HTTP cache", _keep_in_cache, _is_cached),
    _scripts(
        "service worker",
        dirty="await navigator.serviceWorker.register('/worker.js');"
        "await navigator.serviceWorker.ready",
        check="return (await (await fetch('/who')).text()) === 'service worker'",
    ),
    Trick(
        "permission",
        _grant,
        _scripts(
            "",
            dirty="",
            check="return (await navigator.permissions.query({ name: 'geolocation' }))"
            ".state === 'granted'",
        ).check,
    ),
    _scripts("window name", dirty="window.name = 'left'", check="return window.name !== ''"),
    _scripts("history", dirty="location.hash = 'left'", check="return history.length > 2"),
    Trick(
        "broadcast channel",
        _leave_listener,
        _scripts(
            "",
            dirty="",
            check=f"""
                const channel = new BroadcastChannel('any');
                const answered = new Promise(done => {{ channel.onmessage = () => done(true) }});
                channel.postMessage('call');
                const silence = new Promise(done => setTimeout(() => done(false), {LISTEN_MS}));
                return await Promise.race([answered, silence]);
            """,
        ).check,
    ),
    Trick("opened tab", _leave_tab, _sees_tab),
    Trick("HTTP authentication", _log_in, _is_logged_in),
]
