"""What an emulated browser says of itself, and how fast its network is."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from playwright.async_api import Page

from worker.actions.errors import ActionFailed

Preset = Literal["slow-3g", "fast-3g", "4g", "wifi", "offline", "none"]

_CHROME = re.compile(r"(?:Headless)?Chrome/(\d+)[\d.]*")
_SYSTEMS = (
    ("Android", re.compile(r"Android(?: (\d+(?:\.\d+)*))?")),
    ("Windows", re.compile(r"Windows NT ()")),
    ("macOS", re.compile(r"Mac OS X (\d+(?:[_.]\d+)*)?")),
    ("Linux", re.compile(r"Linux()")),
)


@dataclass(frozen=True)
class Network:
    """Milliseconds before an answer, and bytes a second in each direction; -1 is no limit."""

    latency_ms: float = 0
    download_bytes_per_s: float = -1
    upload_bytes_per_s: float = -1


PRESETS: Mapping[str, Network] = {
    # The figures of Chromium's developer tools, which include their allowances for TCP.
    "slow-3g": Network(2000, 50_000, 50_000),
    "fast-3g": Network(562.5, 180_000, 84_375),
    "4g": Network(165, 1_012_500, 168_750),
    "wifi": Network(2, 3_750_000, 1_875_000),
    "none": Network(),
}


def device(page: Page, name: str) -> Mapping[str, Any]:
    """Playwright's description of a device. Raises ActionFailed, with names that are alike."""
    # Public on the Playwright object only, which belongs to the browser's owner.
    utils = page.context._impl_obj._connection.local_utils()
    known: Mapping[str, Any] = utils.devices if utils else {}
    if name in known:
        described: Mapping[str, Any] = known[name]
        return described
    by_fold = {one.casefold(): one for one in known}
    alike = difflib.get_close_matches(name.casefold(), by_fold, n=4, cutoff=0.4)
    hint = ", ".join(repr(by_fold[one]) for one in alike) or "'iPhone 15', 'Pixel 7'"
    raise ActionFailed(f"Playwright knows no device {name!r}; it knows {hint}")


def client_hints(user_agent: str, *, mobile: bool) -> dict[str, Any] | None:
    """The client hints (`navigator.userAgentData`) of a Chromium of that name.

    None for any other browser: Firefox and Safari have none.
    """
    chrome = _CHROME.search(user_agent)
    if chrome is None:
        return None
    platform, version = next(
        (
            (name, (found[1] or "").replace("_", "."))
            for name, pattern in _SYSTEMS
            if (found := pattern.search(user_agent))
        ),
        ("Unknown", ""),
    )
    brand = "Microsoft Edge" if "Edg/" in user_agent else "Google Chrome"
    brands = [
        {"brand": name, "version": number}
        for name, number in (("Not:A-Brand", "8"), ("Chromium", chrome[1]), (brand, chrome[1]))
    ]
    return {
        "brands": brands,
        "platform": platform,
        "platformVersion": version,
        "architecture": "" if mobile else "x86",
        "model": "",
        "mobile": mobile,
    }
