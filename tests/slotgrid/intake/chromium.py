"""A page in a real Chromium that must reach nothing but loopback, and must break no policy."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import ConsoleMessage, Page, async_playwright, expect

PATIENCE_MS = 40_000
DEBIAN_SHELL = Path("/usr/lib/chromium/chromium-headless-shell")


@asynccontextmanager
async def chromium_page() -> AsyncIterator[tuple[Page, list[str]]]:
    """A page, and what went wrong on it: script errors and refusals, and foreign addresses."""
    executable = DEBIAN_SHELL if DEBIAN_SHELL.exists() else None
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=executable, chromium_sandbox=os.geteuid() != 0
        )
        try:
            page = await browser.new_page()
            page.set_default_timeout(PATIENCE_MS)
            expect.set_options(timeout=PATIENCE_MS)
            faults: list[str] = []

            def on_console(message: ConsoleMessage) -> None:
                if message.type == "error":
                    faults.append(message.text)

            page.on("console", on_console)
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.on(
                "request",
                lambda request: (
                    None
                    if request.url.startswith(("http://127.0.0.1:", "data:", "blob:"))
                    else faults.append(f"asked {request.url}")
                ),
            )
            yield page, faults
        finally:
            await browser.close()
