"""Local and session storage of an origin, read and written in one of its pages."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

from playwright.async_api import Error, Page, Route

from worker.actions.action_context import ActionContext
from worker.actions.errors import ActionFailed
from worker.actions.faults import short
from worker.pages.origins import origin_of

StorageKind = Literal["local", "session"]
STORAGE_S = 10.0

_READ = """([kind, keys]) => {
    const storage = window[kind + "Storage"];
    const wanted = keys ?? Object.keys(storage);
    return Object.fromEntries(
        wanted.map(key => [key, storage.getItem(key)]).filter(([, value]) => value !== null));
}"""
_WRITE = """([kind, items]) => {
    const storage = window[kind + "Storage"];
    for (const [key, value] of Object.entries(items))
        if (value === null) storage.removeItem(key); else storage.setItem(key, value);
    return storage.length;
}"""
_CLEAR = "kind => window[kind + 'Storage'].clear()"


class OriginStorage:
    """The storage of one origin, seen from a page of it."""

    def __init__(self, action: ActionContext, page: Page, origin: str, kind: StorageKind) -> None:
        self._action = action
        self._page = page
        self._kind = kind
        self.origin = origin

    async def read(self, keys: list[str] | None) -> dict[str, str]:
        """The items of these keys, or all. Raises ActionFailed."""
        found: dict[str, str] = await self._do(_READ, [self._kind, keys])
        return found

    async def write(self, items: dict[str, str | None]) -> int:
        """Set these items, and remove those that are None; how many are there then.

        Raises ActionFailed.
        """
        count: int = await self._do(_WRITE, [self._kind, items])
        return count

    async def clear(self) -> None:
        """Remove all items. Raises ActionFailed."""
        await self._do(_CLEAR, self._kind)

    async def _do(self, script: str, given: Any) -> Any:
        what = f"the {self._kind} storage of {self.origin}"
        try:
            return await self._action.within(
                STORAGE_S, self._page.evaluate(script, given), what=what
            )
        except Error as cause:
            if "QuotaExceeded" in cause.message or "exceeded the quota" in cause.message:
                raise ActionFailed(f"{what} is full: origins have about 5 MB") from cause
            raise ActionFailed(f"{what} cannot be used: {short(cause)}") from cause


def origin_named(origin: str) -> str:
    """The origin of an address or an origin. Raises ActionFailed if it is neither."""
    found = origin_of(origin)
    if found is None:
        raise ActionFailed(f"{origin!r} is no origin; give one such as https://example.org")
    return found


@asynccontextmanager
async def storage_of(
    action: ActionContext, kind: StorageKind, origin: str | None
) -> AsyncIterator[OriginStorage]:
    """The storage of an origin; that of the current page without one.

    For another origin, an empty page of it is opened in a tab of its own, without a request.
    Raises ActionFailed.
    """
    page = await action.page()
    current = origin_of(page.url)
    wanted = current if origin is None else origin_named(origin)
    if wanted is None:
        raise ActionFailed(
            f"the tab shows {page.url}, which has no storage: go to a page first, or give `origin`"
        )
    if wanted == current:
        yield OriginStorage(action, page, wanted, kind)
        return
    if kind == "session":
        raise ActionFailed(
            f"session storage belongs to a tab, which shows {page.url}: go to {wanted} first"
        )
    aside = await page.context.new_page()
    try:
        await aside.route("**/*", _blank)
        opening = aside.goto(f"{wanted}/", wait_until="commit", timeout=0)
        await action.within(STORAGE_S, opening, what=f"an empty page of {wanted}")
        yield OriginStorage(action, aside, wanted, kind)
    finally:
        await aside.close()


async def _blank(route: Route) -> None:
    await route.fulfill(body="<!doctype html>", content_type="text/html")
