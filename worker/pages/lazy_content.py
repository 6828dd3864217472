"""What a page loads only when it comes into view: a scroll through the page, and a bounded wait."""

import asyncio
from typing import Any

from playwright.async_api import Page

from worker.pages.activity import Activity, watch

GROWTH_WINDOWS = 50
"""Window heights by which a page may grow while it is scrolled through: the end of endless ones."""
QUIET_S = 0.1
"""Without a request for this long, what came into view has begun to load, and has ended."""
END_S = 0.5
"""Seconds that the end of the page may take to bring more page."""
FETCH_S = 2.0
"""Seconds that fetches of scripts are waited for: some never end."""
DWELL_S = 0.4
"""Seconds in which a script that waits for the end of the scrolling loads what is in view."""

# The scripts take no time from a page that cannot react: without scripts and without lazy elements.
_SURVEY = """() => ({
    height: document.documentElement.scrollHeight,
    window: innerHeight,
    reacts: document.scripts.length > 0 || Boolean(document.querySelector('[loading=lazy i]')),
})"""
_SCROLL = """async y => {
    scrollTo({left: 0, top: y, behavior: 'instant'})
    const frame = () => new Promise(resolve => {
        requestAnimationFrame(resolve)
        setTimeout(resolve, 100)  // no frame comes when the browser is busy
    })
    await frame()
    await frame()
    return {height: document.documentElement.scrollHeight, window: innerHeight}
}"""
# An observer with a margin of the whole page finds what a picture of the page shows, and not what a
# carousel or a closed part hides. A placeholder has its address in an attribute of a script's.
_ABSENT = """async () => {
    const images = [...document.images].filter(one => !one.complete || waits(one))
    function waits(one) {
        const named = one.dataset.src ?? one.dataset.original ?? one.dataset.lazySrc
        if (!named) return false
        return URL.canParse(named, document.baseURI)
            && new URL(named, document.baseURI).href !== one.currentSrc
    }
    if (!images.length) return []
    const shown = await new Promise(resolve => {
        const observer = new IntersectionObserver(entries => {
            observer.disconnect()
            resolve(entries.filter(one => one.isIntersecting).map(one => one.target))
        }, {root: document, rootMargin: '1000000px'})
        images.forEach(one => observer.observe(one))
        setTimeout(resolve, 500, [])
    })
    return shown.map(one => ({
        y: scrollY + one.getBoundingClientRect().top,
        address: one.complete ? null : one.currentSrc || one.src,
    }))
}"""
_DECODE = """limit => Promise.race([
    Promise.allSettled([...document.images].filter(one => one.complete && one.naturalWidth)
        .map(one => one.decode())).then(() => null),
    new Promise(resolve => setTimeout(resolve, limit, null)),
])"""


async def load_lazy_content(page: Page, *, at_most_s: float, has_grown: bool = False) -> list[str]:
    """Scroll from the top to the end, so that what is lazy loads; then back to the top.

    Returns the addresses of pictures that had not come after `at_most_s`. A page that grows while
    it is scrolled through is followed for `GROWTH_WINDOWS`. `has_grown`: the window has just become
    higher, so that what it shows now may still load.
    """
    seen = await page.evaluate(_SURVEY)
    if not seen["reacts"] or (seen["height"] <= seen["window"] and not has_grown):
        return []
    end = asyncio.get_running_loop().time() + at_most_s
    async with watch(page) as activity:
        if has_grown:
            await activity.recall()
        await _scroll_through(page, activity, seen, end)
        await _arrived(activity, end)
        await _visit_again(page, activity, end)
        await page.evaluate(_SCROLL, 0)
        await _arrived(activity, end)
        await page.evaluate(_DECODE, max(0.1, _left(end)) * 1000)
        absent = await page.evaluate(_ABSENT)
    return [one["address"] for one in absent if one["address"]]


async def _scroll_through(page: Page, activity: Activity, seen: Any, end: float) -> None:
    """Scroll down by most of a window at a time, until the end or the limits."""
    limit = seen["height"] + GROWTH_WINDOWS * seen["window"]
    y = 0.0
    while y < min(seen["height"], limit) and _left(end) > 0:
        seen = await page.evaluate(_SCROLL, y)
        y += seen["window"] * 0.9
        if y >= seen["height"]:
            await activity.quiet(at_most_s=min(END_S, _left(end)), quiet_s=QUIET_S)
            seen = await page.evaluate(_SCROLL, y)


async def _visit_again(page: Page, activity: Activity, end: float) -> None:
    """Stay a moment at what is still a placeholder: some scripts wait until scrolling ends."""
    reached = -1.0
    for one in sorted(await page.evaluate(_ABSENT), key=lambda one: float(one["y"])):
        if one["y"] <= reached or _left(end) <= 0:
            continue
        seen = await page.evaluate(_SCROLL, max(0.0, one["y"] - 100))
        reached = one["y"] - 100 + seen["window"]
        await asyncio.sleep(min(DWELL_S, max(0.0, _left(end))))
        await _arrived(activity, end)


async def _arrived(activity: Activity, end: float) -> None:
    """Wait until requests have ended; those of scripts for a shorter time."""
    loop = asyncio.get_running_loop()
    fetches_end = min(end, loop.time() + FETCH_S)
    while True:
        limit = fetches_end if _only_fetches(activity) else end
        left = limit - loop.time()
        if left <= 0:
            return
        try:
            await asyncio.wait_for(activity.changed(), min(QUIET_S, left))
        except TimeoutError:
            if not activity.under_way:
                return


def _only_fetches(activity: Activity) -> bool:
    return all(one.resource_type in {"fetch", "xhr"} for one in activity.under_way)


def _left(end: float) -> float:
    return end - asyncio.get_running_loop().time()
