"""Rules for the requests of a task's pages: refused, answered, or changed on their way.

Playwright's routing would pause every request of every page and turn the cache off. Chromium
pauses here only what a pattern names, and all else goes on without us. `Network.setBlockedURLs`
would let pages and frames pass, and would send events of each request.
"""

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import structlog
from playwright.async_api import BrowserContext, CDPSession, Error, Page

from worker.actions.url_patterns import matcher, whole

log = structlog.get_logger()

NewPage = Callable[[], Coroutine[Any, Any, Page]]
Paused = dict[str, Any]
"""The event `Fetch.requestPaused`."""


@dataclass(eq=False)
class Rule(ABC):
    """What to do with requests that match; `most` is after how many it ends, 0 for never."""

    pattern: str
    methods: frozenset[str] = frozenset()
    most: int = 0
    matched: int = field(default=0, init=False)

    @cached_property
    def _matcher(self) -> "re.Pattern[str]":
        return matcher(self.pattern)

    def takes(self, event: Paused) -> bool:
        """Whether the rule is for this request."""
        request = event["request"]
        return (
            not (self.most and self.matched >= self.most)
            and (not self.methods or request["method"] in self.methods)
            and self._matcher.match(request["url"]) is not None
        )

    @abstractmethod
    def command(self, event: Paused) -> tuple[str, dict[str, Any]]:
        """The command of DevTools that ends the pause, without the request's id."""


class Block(Rule):
    """The request fails, as one that an extension blocks."""

    def command(self, event: Paused) -> tuple[str, dict[str, Any]]:
        """See Rule."""
        return "Fetch.failRequest", {"errorReason": "BlockedByClient"}


@dataclass(eq=False)
class Abort(Rule):
    """The request fails for a reason of DevTools, such as ConnectionRefused."""

    reason: str = "Failed"

    def command(self, event: Paused) -> tuple[str, dict[str, Any]]:
        """See Rule."""
        return "Fetch.failRequest", {"errorReason": self.reason}


@dataclass(eq=False)
class Fulfil(Rule):
    """The request gets this answer; it is not sent. `body` is base64."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""

    def command(self, event: Paused) -> tuple[str, dict[str, Any]]:
        """See Rule."""
        return "Fetch.fulfillRequest", {
            "responseCode": self.status,
            "responseHeaders": _listed(self.headers),
            "body": self.body,
        }


@dataclass(eq=False)
class Change(Rule):
    """The request is sent with other headers, another method, body (base64) or address."""

    headers: Mapping[str, str] = field(default_factory=dict)
    method: str | None = None
    body: str | None = None
    to: str | None = None

    def command(self, event: Paused) -> tuple[str, dict[str, Any]]:
        """See Rule."""
        changed = {"method": self.method, "postData": self.body, "url": self.to}
        given: dict[str, Any] = {name: one for name, one in changed.items() if one is not None}
        if self.headers:
            given["headers"] = _listed(_merged(event["request"]["headers"], self.headers))
        return "Fetch.continueRequest", given


class RequestRules:
    """The rules of one browser context: the first that takes a request decides.

    `blocks` go before `intercepts`, of which the newest is first, and both before `headers`. They
    hold for the pages, frames and dedicated workers of every tab; of a tab that a page opens
    itself, the first requests are too early for them.
    """

    def __init__(self) -> None:
        self.blocks: list[Rule] = []
        self.intercepts: list[Rule] = []
        self.headers: list[Rule] = []
        self._sessions: dict[Page, asyncio.Task[CDPSession]] = {}
        self._context: BrowserContext | None = None
        self._new_page: NewPage | None = None

    @property
    def _rules(self) -> list[Rule]:
        return [*self.blocks, *self.intercepts, *self.headers]

    @property
    def applied(self) -> bool:
        """Whether the rules are in force in a context."""
        return self._context is not None

    async def apply(self, context: BrowserContext) -> None:
        """Put the rules into force in every tab of the context. Raises playwright's Error."""
        if self._context is None:
            self._context, self._new_page = context, context.new_page
            context.new_page = self._opening(context.new_page)  # type: ignore[method-assign]
            context.on("page", self._apply_late)
        for page in context.pages:
            try:
                await self._apply_to(page)
            except Error:
                if not page.is_closed():
                    raise

    async def end(self) -> None:
        """Leave the context as it was: a persistent one serves other tasks afterwards."""
        self.blocks, self.intercepts, self.headers = [], [], []
        context, self._context = self._context, None
        if context is None:
            return
        assert self._new_page is not None
        context.new_page = self._new_page  # type: ignore[method-assign]
        context.remove_listener("page", self._apply_late)
        sessions, self._sessions = self._sessions, {}
        for opening in sessions.values():
            with suppress(Error):  # a tab that is gone
                await (await opening).detach()

    def _opening(self, new_page: NewPage) -> NewPage:
        """`new_page`, with the rules in force when it returns."""

        async def opening() -> Page:
            page = await new_page()
            if self._rules:
                await self._apply_to(page)
            return page

        return opening

    async def _apply_late(self, page: Page) -> None:
        if self._rules:
            with suppress(Error):  # the tab has been closed meanwhile
                await self._apply_to(page)

    async def _apply_to(self, page: Page) -> None:
        # One session a tab: two calls at once, of `new_page` and of its event, wait for the same.
        if page not in self._sessions:
            self._sessions[page] = asyncio.create_task(self._opened(page), name="request rules")
            page.once("close", self._forget)
        try:
            cdp = await asyncio.shield(self._sessions[page])
        except Error:
            self._sessions.pop(page, None)
            raise
        if rules := self._rules:
            patterns = [
                {"urlPattern": one} for one in dict.fromkeys(whole(r.pattern) for r in rules)
            ]
            await cdp.send("Fetch.enable", {"patterns": patterns})
        else:
            await cdp.send("Fetch.disable")

    async def _opened(self, page: Page) -> CDPSession:
        cdp = await page.context.new_cdp_session(page)

        async def decide(event: Paused) -> None:
            await self._decide(cdp, event)

        cdp.on("Fetch.requestPaused", decide)
        return cdp

    def _forget(self, page: Page) -> None:
        session = self._sessions.pop(page, None)
        if session is not None and not session.done():
            session.cancel()

    async def _decide(self, cdp: CDPSession, event: Paused) -> None:
        method, given = "Fetch.continueRequest", dict[str, Any]()
        for rule in self._rules:
            if rule.takes(event):
                rule.matched += 1
                method, given = rule.command(event)
                break
        with suppress(Error):  # the page has moved on or is closed
            try:
                await cdp.send(method, {"requestId": event["requestId"], **given})
            except Error as refused:
                # A rule that Chromium refuses must not leave the request paused for ever.
                log.info("request_rule.refused", error=str(refused))
                await cdp.send(
                    "Fetch.failRequest",
                    {"requestId": event["requestId"], "errorReason": "Failed"},
                )


def _listed(headers: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers.items()]


def _merged(sent: Mapping[str, str], ours: Mapping[str, str]) -> dict[str, str]:
    """The headers of a request with ours, whose empty ones remove."""
    names = {name.lower() for name in ours}
    kept = {name: value for name, value in sent.items() if name.lower() not in names}
    return kept | {name: value for name, value in ours.items() if value}


def matched(rules: Sequence[Rule]) -> int:
    """How many requests the rules have taken."""
    return sum(rule.matched for rule in rules)
