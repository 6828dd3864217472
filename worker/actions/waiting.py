"""Waiting for what a page shows or does; an error says what was waited for."""

import asyncio
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from playwright.async_api import Error, JSHandle, Locator
from playwright.async_api import TimeoutError as PageTimeout

from slotgrid.function import Meta
from worker.actions.action import action
from worker.actions.action_context import ActionContext
from worker.actions.errors import ActionFailed, StepTimeout
from worker.actions.faults import selector_fault, short
from worker.actions.scripts import json_of, run_script
from worker.actions.targets import readable, scope_of
from worker.pages.activity import watch
from worker.pages.inputs import Selector, WaitUntil
from worker.pages.loading import listed, moved_on
from worker.pages.visits import Stopwatch

POLL_S = 0.1
"""Seconds between two looks for what only a script can see."""

EXPLAIN_S = 0.5
"""Seconds for a look at what there is instead."""

Frame = Annotated[
    Selector | list[Selector] | None,
    Meta(description="Selector of an iframe to look in; a list for nested ones"),
]
TimeoutS = Annotated[float, Meta(gt=0, le=86400, description="Seconds to wait at most")]


@dataclass(frozen=True)
class Waited:
    """How long the wait took."""

    waited_s: Annotated[float, Meta(description="Seconds that it took")]
    matches: Annotated[int, Meta(description="How many elements match now")]


@dataclass(frozen=True)
class Value:
    """What an expression gave."""

    value: Annotated[Any, Meta(description="The expression's value as JSON, or true")]
    waited_s: Annotated[float, Meta(description="Seconds that it took")]


@dataclass(frozen=True)
class Arrived:
    """Where the tab is now."""

    url: Annotated[str, Meta(description="The page's address")]
    waited_s: Annotated[float, Meta(description="Seconds that it took")]


@dataclass(frozen=True)
class Idle:
    """How long the network took to become idle."""

    waited_s: Annotated[float, Meta(description="Seconds that it took")]
    inflight: Annotated[int, Meta(description="Requests that are still under way")]


@action
async def wait_for_selector(
    action: ActionContext,
    selector: Annotated[Selector, Meta(description="CSS, XPath, or a selector of Playwright's")],
    *,
    state: Annotated[
        Literal["visible", "hidden", "attached", "detached"],
        Meta(
            description="visible: one that matches can be seen; hidden: none can; "
            "attached: one is in the document, seen or not; detached: none is"
        ),
    ] = "visible",
    frame: Frame = None,
    timeout_s: TimeoutS = 10,
) -> Waited:
    """Wait until an element is there, or until none is.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/pages/late.html", settle_s: 0}}
    - {action: wait_for_selector, with: {selector: li.item}}
    ```
    """
    page = await action.page()
    every = scope_of(page, frame).locator(readable(selector))
    what = f"selector {selector!r}" + (f" in the frame {frame!r}" if frame else "")
    return await _wait_for(action, every, state=state, what=what, timeout_s=timeout_s)


@action
async def wait_for_text(
    action: ActionContext,
    text: Annotated[str, Meta(min_length=1, max_length=2000, description="The text, or a part")],
    *,
    exact: Annotated[
        bool, Meta(description="It is the whole text of an element, with its case")
    ] = False,
    state: Annotated[
        Literal["visible", "hidden"],
        Meta(description="hidden: wait until the text cannot be seen any more"),
    ] = "visible",
    frame: Frame = None,
    timeout_s: TimeoutS = 10,
) -> Waited:
    """Wait until a text can be seen on the page, or until it cannot.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/pages/late.html", settle_s: 0}}
    - {action: wait_for_text, with: {text: Here at last}}
    ```
    """
    page = await action.page()
    every = scope_of(page, frame).get_by_text(text, exact=exact)
    what = f"text {text!r}" + (f" in the frame {frame!r}" if frame else "")
    return await _wait_for(action, every, state=state, what=what, timeout_s=timeout_s)


@action
async def wait_for_expression(
    action: ActionContext,
    expression: Annotated[
        str,
        Meta(min_length=1, max_length=100_000, description="JavaScript: an expression or function"),
    ],
    *,
    args: Annotated[Any, Meta(description="Any JSON: the argument of a function")] = None,
    timeout_s: TimeoutS = 10,
) -> Value:
    """Wait until a JavaScript expression in the page is truthy, and give its value.

    The value of one that gives an element is true. An expression that fails, for example because
    an object is not there yet, is tried again.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/pages/late.html", settle_s: 0}}
    - {action: wait_for_expression, with: {expression: "document.querySelectorAll('.item').length"}}
    ```
    """
    page = await action.page()
    stopwatch, limit_s = Stopwatch(), action.limit_s(timeout_s)
    last = "the page did not answer"

    async def truthy() -> Any:
        nonlocal last
        while True:
            try:
                handle = await run_script(page, expression, args)
                if await handle.evaluate("box => Boolean(box.value)"):
                    return await _json_or_true(handle)
                last = f"it is {await handle.evaluate('box => String(box.value)')}"
            except ActionFailed as error:
                last = str(error)
            except Error as error:
                if not moved_on(error):
                    raise
            await asyncio.sleep(POLL_S)

    try:
        async with asyncio.timeout(limit_s):
            value = await truthy()
    except Error as cause:
        raise ActionFailed(f"waiting for {expression[:200]!r} failed: {short(cause)}") from cause
    except TimeoutError as cause:
        raise StepTimeout(
            f"{expression[:200]!r} was not truthy within {limit_s:.3g} s at {page.url}: {last}"
        ) from cause
    return Value(value, round(stopwatch.seconds, 3))


@action
async def wait_for_url(
    action: ActionContext,
    url: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=8192,
            description="The address: a glob, such as `**/account*`, or with `regex` a pattern",
        ),
    ],
    *,
    regex: Annotated[
        bool, Meta(description="`url` is a regular expression, found anywhere in the address")
    ] = False,
    wait_until: WaitUntil = "load",
    timeout_s: TimeoutS = 10,
) -> Arrived:
    """Wait until the current tab has an address, after a navigation or a change by script.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/redirect/script", settle_s: 0}}
    - {action: wait_for_url, with: {url: "**/arrived"}}
    ```
    """
    page = await action.page()
    stopwatch, limit_s = Stopwatch(), action.limit_s(timeout_s)
    try:
        wanted = re.compile(url) if regex else url
    except re.error as cause:
        raise ActionFailed(f"{url!r} is no regular expression: {cause}") from cause
    try:
        await page.wait_for_url(wanted, wait_until=wait_until, timeout=limit_s * 1000)
    except PageTimeout as cause:
        raise StepTimeout(
            f"the tab had no address {url!r} within {limit_s:.3g} s: it is at {page.url}"
        ) from cause
    except Error as cause:
        raise ActionFailed(f"waiting for the address {url!r} failed: {short(cause)}") from cause
    return Arrived(page.url, round(stopwatch.seconds, 3))


@action
async def wait_for_network_idle(
    action: ActionContext,
    *,
    idle_s: Annotated[
        float, Meta(gt=0, le=60, description="Seconds without more than `max_inflight` requests")
    ] = 0.5,
    max_inflight: Annotated[
        int, Meta(ge=0, le=1000, description="Requests that may be under way all the same")
    ] = 0,
    timeout_s: TimeoutS = 15,
) -> Idle:
    """Wait until the page has made no requests for a while.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/pages/late.html", settle_s: 0}}
    - {action: wait_for_network_idle, with: {idle_s: 0.6}}
    ```

    Limits:

    - WebSockets, event streams, media and beacons do not count: they last as long as the page.
    - Of the requests that began before the wait, the last 100 of the page are seen.
    """
    page = await action.page()
    stopwatch, limit_s = Stopwatch(), action.limit_s(timeout_s)
    async with watch(page) as activity:
        await activity.recall(every_type=True)
        calm_since = stopwatch.seconds
        while (now := stopwatch.seconds) < limit_s:
            busy = len(activity.under_way) > max_inflight
            if not busy and now - calm_since >= idle_s:
                return Idle(round(now, 3), len(activity.under_way))
            wait_s = limit_s - now if busy else min(limit_s - now, calm_since + idle_s - now)
            try:
                await asyncio.wait_for(activity.changed(), wait_s)
            except TimeoutError:
                continue
            if busy or len(activity.under_way) > max_inflight:
                calm_since = stopwatch.seconds
        under_way = listed(one.url for one in activity.under_way)
    rest = f"still under way: {', '.join(under_way[:3])}" if under_way else "it is never quiet"
    raise StepTimeout(
        f"the network of {page.url} was not idle for {idle_s:g} s within {limit_s:.3g} s: {rest}"
    )


async def _json_or_true(handle: JSHandle) -> Any:
    """The value as JSON; True for one without a JSON form, such as an element."""
    try:
        return await json_of(handle)
    except ActionFailed:
        return True


async def _wait_for(
    action: ActionContext, every: Locator, *, state: str, what: str, timeout_s: float
) -> Waited:
    stopwatch, limit_s, page = Stopwatch(), action.limit_s(timeout_s), every.page
    seen = every.filter(visible=True) if state in {"visible", "hidden"} else every
    wanted: Literal["attached", "detached"] = (
        "attached" if state in {"visible", "attached"} else "detached"
    )
    try:
        await seen.first.wait_for(state=wanted, timeout=limit_s * 1000)
        return Waited(round(stopwatch.seconds, 3), await seen.count())
    except PageTimeout as cause:
        reason = await _reason(every)
        raise StepTimeout(
            f"{what} was not {state} within {limit_s:.3g} s at {page.url}: {reason}"
        ) from cause
    except Error as cause:
        raise selector_fault(what, cause) or ActionFailed(
            f"waiting for {what} failed: {short(cause)}"
        ) from cause


async def _reason(every: Locator) -> str:
    try:
        async with asyncio.timeout(EXPLAIN_S):
            there, seen = await every.count(), await every.filter(visible=True).count()
    except TimeoutError:
        return "the page does not answer"
    except Error as error:
        return short(error)
    return f"{there} match now, {seen} of them visible"
