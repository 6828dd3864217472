"""What a task emulates: kept for all tabs, also for later ones, and undone at its end."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from playwright.async_api import BrowserContext, CDPSession, Error, Page, ViewportSize

from worker.actions.browser_session import BrowserSession
from worker.actions.emulated_device import Network, client_hints
from worker.actions.errors import ActionFailed
from worker.actions.faults import short

RESTORE_S = 2.0
"""Seconds for a tab to take its settings again, or to lose them; a busy one may not answer."""
APPLY_S = 10.0
_IN_EFFECT = "already in effect"
_NO_MEDIA = {"media": "null", "color_scheme": "null", "reduced_motion": "null"}


@dataclass(frozen=True)
class Emulated:
    """All that is emulated now; null is what the browser has by itself."""

    width: int | None = None
    height: int | None = None
    device_scale_factor: float | None = None
    mobile: bool | None = None
    touch: bool | None = None
    user_agent: str | None = None
    platform: str | None = None
    locale: str | None = None
    timezone: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    accuracy_m: float | None = None
    media: str | None = None
    color_scheme: str | None = None
    reduced_motion: str | None = None
    offline: bool | None = None
    network: Network | None = None
    cpu_slowdown: float | None = None

    @property
    def has_metrics(self) -> bool:
        """Whether more than the window's size is emulated."""
        return self.device_scale_factor is not None or self.mobile is not None


class Emulator:
    """Applies settings to every tab of a context. One for each attempt.

    Each tab has a DevTools session of its own for it: what the session overrides holds for every
    page that the tab opens, and ends when it is detached.
    """

    def __init__(self) -> None:
        self.settings = Emulated()
        self._sessions: dict[Page, CDPSession] = {}
        self._sizes: dict[Page, ViewportSize | None] = {}
        self._lock = asyncio.Lock()
        self._context: BrowserContext | None = None

    async def change(self, session: BrowserSession, page: Page, **changes: Any) -> Emulated:
        """Apply settings to all open tabs. Raises ActionFailed if `page` does not take them."""
        before = self.settings
        self._begin(session, page.context)
        self.settings = replace(before, **changes)
        try:
            async with asyncio.timeout(APPLY_S):
                await self._apply_to_context(before)
                await self._apply(page, changes, is_current=True)
        except (Error, TimeoutError, ActionFailed) as cause:
            self.settings = before
            with suppress(Error, TimeoutError, ActionFailed):
                async with asyncio.timeout(RESTORE_S):
                    await self._apply_to_context(replace(before, **changes))
            if isinstance(cause, ActionFailed):
                raise
            reason = (
                short(cause)
                if isinstance(cause, Error)
                else f"the tab did not respond within {APPLY_S:g} s"
            )
            raise ActionFailed(f"{', '.join(changes)}: {reason}") from cause
        for other in page.context.pages:
            if other is not page:
                await self._quietly(other, changes)
        return self.settings

    async def reset(self) -> Emulated:
        """Undo everything, in all tabs."""
        before, self.settings = self.settings, Emulated()
        if self._context is None:
            return self.settings
        with suppress(Error):
            await self._apply_to_context(before)
        await asyncio.gather(*map(self._release, list(self._sessions)))
        return self.settings

    async def end(self) -> None:
        """Undo everything, and follow new tabs no more."""
        await self.reset()
        if self._context is not None:
            self._context.remove_listener("page", self._on_page)

    def _begin(self, session: BrowserSession, context: BrowserContext) -> None:
        if self._context is None:
            self._context = context
            context.on("page", self._on_page)
            session.preparations.append(self._restore)
            session.at_end("the end of the emulation", self.end)

    async def _on_page(self, page: Page) -> None:
        await self._quietly(page, None)

    async def _restore(self, page: Page) -> None:
        """Give a new tab everything, and another one the device, which a picture has ended."""
        if page not in self._sessions:
            await self._quietly(page, None)
        elif self.settings.has_metrics:
            with suppress(Error, TimeoutError):
                async with asyncio.timeout(RESTORE_S):
                    # Chromium ignores an override that is what the session has asked for before.
                    await self._sessions[page].send("Emulation.clearDeviceMetricsOverride")
            await self._quietly(page, {"mobile": True})

    async def _quietly(self, page: Page, changes: dict[str, Any] | None) -> None:
        """Apply as much as possible: the tab may be busy or closed, or share a renderer."""
        if self.settings == Emulated():
            return
        with suppress(Error, TimeoutError, ActionFailed):
            async with asyncio.timeout(RESTORE_S):
                await self._apply(page, changes, is_current=False)

    async def _apply_to_context(self, before: Emulated) -> None:
        context, now = self._context, self.settings
        assert context is not None
        if now.offline != before.offline:
            await context.set_offline(bool(now.offline))
        if (now.latitude, now.longitude, now.accuracy_m) != (
            before.latitude,
            before.longitude,
            before.accuracy_m,
        ):
            if now.latitude is None or now.longitude is None:
                await context.set_geolocation(None)
                await context.clear_permissions()
            else:
                await context.grant_permissions(["geolocation"])
                await context.set_geolocation(
                    {
                        "latitude": now.latitude,
                        "longitude": now.longitude,
                        "accuracy": now.accuracy_m or 0,
                    }
                )

    async def _apply(self, page: Page, changes: dict[str, Any] | None, *, is_current: bool) -> None:
        """Apply the settings that changed; all of them to a tab that had none."""
        async with self._lock:
            if page.is_closed():
                return
            if page not in self._sessions:
                self._sizes[page] = page.viewport_size
                self._sessions[page] = await page.context.new_cdp_session(page)
                page.once("close", self._forget)
                changes = None
            session, now = self._sessions[page], self.settings

            def has(*names: str) -> bool:
                wanted = any(getattr(now, name) is not None for name in names)
                return wanted and (changes is None or any(name in changes for name in names))

            if has("width", "height", "device_scale_factor", "mobile"):
                await self._size(page, session)
            if has("touch"):
                await session.send(
                    "Emulation.setTouchEmulationEnabled",
                    {"enabled": bool(now.touch), "maxTouchPoints": 5 if now.touch else 1},
                )
            if has("user_agent", "platform", "locale", "mobile"):
                await self._name(page, session)
            if has("locale"):
                await self._international(page, session, "Locale", "locale", is_current)
            if has("timezone"):
                await self._international(page, session, "Timezone", "timezoneId", is_current)
            if has("media", "color_scheme", "reduced_motion"):
                given = {
                    name: getattr(now, name) for name in _NO_MEDIA if getattr(now, name) is not None
                }
                await page.emulate_media(**given)
            if has("network", "offline"):
                await self._network(session)
            if has("cpu_slowdown"):
                await session.send("Emulation.setCPUThrottlingRate", {"rate": now.cpu_slowdown})

    async def _size(self, page: Page, session: CDPSession) -> None:
        now, own = self.settings, self._sizes[page]
        size: ViewportSize = {
            "width": now.width or (own or {"width": 1280})["width"],
            "height": now.height or (own or {"height": 720})["height"],
        }
        if page.viewport_size != size:
            await page.set_viewport_size(size)
        if now.has_metrics:
            # After Playwright's own override: the last one counts.
            await session.send(
                "Emulation.setDeviceMetricsOverride",
                {
                    **size,
                    "screenWidth": size["width"],
                    "screenHeight": size["height"],
                    "deviceScaleFactor": now.device_scale_factor or 1,
                    "mobile": bool(now.mobile),
                },
            )

    async def _name(self, page: Page, session: CDPSession) -> None:
        now = self.settings
        if now.user_agent is None and now.platform is None and now.locale is None:
            return
        name = now.user_agent or await page.evaluate("navigator.userAgent")
        hints = client_hints(name, mobile=bool(now.mobile) or "Mobile" in name)
        given = {
            "userAgent": name,
            "acceptLanguage": now.locale,
            "platform": now.platform,
            "userAgentMetadata": hints,
        }
        # Without hints of its own, a name that is not ours would have Chromium's.
        await session.send(
            "Emulation.setUserAgentOverride",
            {key: value for key, value in given.items() if value is not None},
        )

    async def _international(
        self, page: Page, session: CDPSession, kind: str, field: str, is_current: bool
    ) -> None:
        wanted = self.settings.locale if kind == "Locale" else self.settings.timezone
        try:
            await session.send(f"Emulation.set{kind}Override", {field: wanted})
        except Error as error:
            # Another tab of this renderer has it, or the options of the browser context do.
            if _IN_EFFECT not in error.message:
                raise ActionFailed(
                    f"{wanted!r} is no {kind.lower()} that Chromium knows"
                ) from error
            if not is_current:
                return
            options = "timeZone" if kind == "Timezone" else "locale"
            found = await page.evaluate(f"Intl.DateTimeFormat().resolvedOptions().{options}")
            if found != wanted:
                raise ActionFailed(
                    f"the task's browser has a {kind.lower()} already, {found}, by an option of "
                    "its pool or its first step: change it there"
                ) from error

    async def _network(self, session: CDPSession) -> None:
        now, limits = self.settings, self.settings.network or Network()
        await session.send("Network.enable")
        await session.send(
            "Network.emulateNetworkConditions",
            {
                "offline": bool(now.offline),
                "latency": limits.latency_ms,
                "downloadThroughput": limits.download_bytes_per_s,
                "uploadThroughput": limits.upload_bytes_per_s,
            },
        )

    async def _release(self, page: Page) -> None:
        session, size = self._sessions.pop(page), self._sizes.pop(page, None)
        with suppress(Error, TimeoutError):
            async with asyncio.timeout(RESTORE_S):
                await session.detach()
                if size is not None:
                    await page.set_viewport_size(size)
                await page.emulate_media(**_NO_MEDIA)  # type: ignore[arg-type]

    def _forget(self, page: Page) -> None:
        self._sessions.pop(page, None)
        self._sizes.pop(page, None)
