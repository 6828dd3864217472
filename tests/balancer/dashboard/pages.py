"""A dashboard in a real browser, and what must not happen on any page of it."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import Page, expect

from tests.harness.environment import KEY

PATIENCE_MS = 30_000
PICTURES = "DASHBOARD_PICTURES"
"""The environment variable that names a folder to keep pictures in."""
LISTEN = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.violatedDirective} ${event.blockedURI}`);
});
"""


@dataclass
class Dashboard:
    """One page of it, at `url`; `faults` fills with what goes wrong on it."""

    page: Page
    url: str
    pictures: Path
    faults: list[str] = field(default_factory=list)

    async def log_in(self, key: str = KEY) -> None:
        await self.page.goto(f"{self.url}/dashboard")
        await self.page.get_by_label("Key").fill(key)
        await self.page.get_by_role("button", name="Log in").click()

    async def open(self) -> None:
        """Log in, and return when the page is live."""
        await self.log_in()
        await self.until_live()

    async def until_live(self) -> None:
        await expect(self.page.locator("#connection")).to_have_text("Live")

    async def picture(self, name: str) -> None:
        """Save the whole page as it is."""
        folder = Path(os.environ.get(PICTURES) or self.pictures)
        folder.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=folder / f"{name}.png", full_page=True)

    async def violations(self) -> list[str]:
        """What the page tried that its policy forbids, and whatever else went wrong."""
        found: list[str] = await self.page.evaluate("window.violations")
        return found + self.faults


async def watch(page: Page, url: str, pictures: Path) -> Dashboard:
    """A dashboard on a page that notes what goes wrong."""
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    dashboard = Dashboard(page, url, pictures)
    faults = dashboard.faults
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "request",
        lambda asked: None if asked.url.startswith(url) else faults.append(f"asked {asked.url}"),
    )
    await page.add_init_script(LISTEN)
    return dashboard
