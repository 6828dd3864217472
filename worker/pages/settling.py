"""Waiting until a page has come to rest: it may move on by script once it has loaded."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress

from playwright.async_api import Error, Page

from worker.pages.activity import Activity, watch
from worker.pages.errors import PageUnreachable
from worker.pages.faults import GUARD_REASON, GUARD_STATUSES, lost
from worker.pages.loading import STATUS, finish_loading, listed, moved_on, responsive, status_of
from worker.pages.visits import Stopwatch, Visit

MAX_MOVES = 10
"""Documents that a page is followed to after its load; some pages reload themselves for ever."""

QUIET_SHARE = 0.12
"""The part of `settle_s` without any movement after which a page has settled: 60 ms by default.
Together with the calls into the page, one on which nothing moves waits at most 100 ms."""

_ERROR_PAGE = "chrome-error:"

# What can move a page by itself. Scripts that the browser does not run, like JSON-LD, do not.
_LOOK = """() => {
  const runs = script => /^$|javascript|ecmascript|jscript|livescript|^module$/i
    .test(script.getAttribute("type")?.trim() ?? "");
  const canMove = [...document.querySelectorAll("script")].some(runs) || document.querySelector(
    "meta[http-equiv=refresh i], iframe, frame, object, embed, [onload], [onerror], [onfocus], " +
    "[onpageshow], [onanimationstart], [onanimationend], [onbegin], [onend]") !== null;
  return [canMove, STATUS];
}""".replace("STATUS", STATUS)
# Resolves to whether the page has begun to move on to another document, at the latest `limitMs` on.
# The time since the load counts, if only half of it: what it brought cannot be seen any more.
# Chromium may run a timer some milliseconds late, after one that is due later. So a task of the
# lowest priority ends the wait: all that is due in the page runs before it. And as requests are
# reported late, the page's own event `navigate` says whether one of those moved it on.
_STILL = """([quietMs, limitMs]) => new Promise(resolve => {
  const now = () => performance.now();
  const began = now();
  const loaded = performance.getEntriesByType("navigation")[0]?.loadEventEnd || began;
  let movedAt = Math.max(loaded, began - quietMs / 2);
  let move = null;
  const onNavigate = event => {
    if (!event.destination.sameDocument && event.downloadRequest === null) move = event;
  };
  // Pages may have a variable of that name.
  const moves = window.Navigation && navigation instanceof Navigation ? navigation : null;
  moves?.addEventListener("navigate", onNavigate);
  const observer = new MutationObserver(() => { movedAt = now(); });
  observer.observe(document,
    { subtree: true, childList: true, attributes: true, characterData: true });
  const left = () => Math.min(movedAt + quietMs, began + limitMs) - now();
  const look = () => {
    const leftMs = left();
    if (leftMs > 0) return setTimeout(look, leftMs);
    scheduler.postTask(finish, { priority: "background" });
  };
  const finish = () => {
    if (left() > 0 && move === null) return look();
    observer.disconnect();
    moves?.removeEventListener("navigate", onNavigate);
    resolve(move !== null && !move.defaultPrevented);
  };
  look();
})"""


async def settle(visit: Visit) -> None:
    """Wait until nothing on the page moves, and follow it where it moves on; updates `visit`.

    A page that nothing can move is not waited for. Others have settled when neither a request nor
    the document has moved for 12 % of `settle_s`, or after `settle_s`. A navigation to another
    document is followed to its load, under the limits of the first one. With a `settle_s` of 0
    only a page that moves on before it has loaded is followed.
    Raises PageUnreachable when the document that the page moves on to does not arrive, or is an
    answer of the traffic guard.
    """
    if visit.waits.until == "commit":
        return
    for _ in range(MAX_MOVES):
        if not await _moves_on(visit):
            break
        await arrive(visit)
    else:
        visit.loaded, visit.pending = False, listed([visit.page.url])
        with suppress(Error):  # it moves on again
            await responsive(visit, visit.page.evaluate("window.stop()"))
    if visit.page.url.startswith(_ERROR_PAGE):
        raise PageUnreachable(await lost(visit.page, visit.url))
    if visit.status in GUARD_STATUSES:
        reason: str | None = await responsive(visit, visit.page.evaluate(GUARD_REASON))
        if reason is not None:
            raise PageUnreachable(f"{visit.page.url} cannot be opened: {reason}")


async def arrive(visit: Visit) -> None:
    """Wait for the load of the document that the page has moved on to; updates `visit`."""
    stopwatch = Stopwatch()
    # Its answer also says that the document is there: else the load of the last one would count.
    with suppress(Error):  # it moves on again
        visit.status = await status_of(visit)
    await finish_loading(visit, stopwatch)


async def _moves_on(visit: Visit) -> bool:
    """Wait until the page is at rest; return whether it shows another document instead."""
    page, refreshes = visit.page, visit.refreshes
    visit.refreshes = False
    try:
        can_move, visit.status = await responsive(visit, page.evaluate(_LOOK))
        if visit.loaded:  # the page before, perhaps: this one may have moved on by itself
            await finish_loading(visit, Stopwatch())
        if visit.waits.settle_s == 0 or not (can_move or refreshes):
            return False
        async with watch(page) as activity:
            await activity.recall()
            if await _is_still(page, activity, visit.waits.settle_s):
                return False
            await _follow(visit, activity)
    except Error as error:
        if not moved_on(error):
            raise
    return True


async def _is_still(page: Page, activity: Activity, settle_s: float) -> bool:
    """Wait for quiet, at most `settle_s`; return False when a navigation has begun."""
    stopwatch, quiet_s = Stopwatch(), settle_s * QUIET_SHARE
    while activity.navigation is None and (left_s := settle_s - stopwatch.seconds) > 0:
        still = page.evaluate(_STILL, [quiet_s * 1000, left_s * 1000])
        moves_on = await _first_of(still, activity.navigates(), at_most_s=left_s)
        if moves_on:
            await _first_of(activity.navigates(), at_most_s=settle_s - stopwatch.seconds)
        elif activity.under_way:
            await activity.idle(at_most_s=settle_s - stopwatch.seconds)
        elif activity.quiet_for_s >= quiet_s:
            break
    return activity.navigation is None


async def _first_of(*waits: Awaitable[bool | None], at_most_s: float) -> bool:
    """Wait for the first of several ends; return whether one gave true. Raises what that raised."""
    tasks = [asyncio.ensure_future(one) for one in waits]
    try:
        done, _ = await asyncio.wait(tasks, timeout=at_most_s, return_when=asyncio.FIRST_COMPLETED)
        return True in [one.result() for one in done]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _follow(visit: Visit, activity: Activity) -> None:
    """Wait until the page shows the document that it moves on to. Raises PageUnreachable."""
    await responsive(visit, activity.arrives())
    response = activity.response
    visit.refreshes = response is not None and "refresh" in response.headers
