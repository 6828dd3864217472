"""Rules between settings, which no single value can break."""

from collections.abc import Mapping

from slotgrid.runtime.exposure import PUBLIC_KEY_MIN_LENGTH, is_loopback, weakness
from slotgrid.runtime.setting_choices import BrowserKind


def browser_faults(
    *, slots: int, pools: Mapping[str, int], browsers: int, browser: BrowserKind, headless: bool
) -> list[str]:
    """One line for each conflict between slots, pools and browsers."""
    problems = []
    if (pooled := sum(pools.values())) != slots:
        problems.append(f"POOLS: sizes add up to {pooled}, expected SLOTS, which is {slots}")
    if browsers > slots:
        problems.append(f"BROWSERS: {browsers} was given, expected at most SLOTS, which is {slots}")
    if not headless and browser is not BrowserKind.CHROMIUM:
        problems.append(f"HEADLESS: {browser} has no windows, expected BROWSER=chromium")
    return problems


def key_faults(host: str, keys: Mapping[str, str]) -> list[str]:
    """One line for each key that is too weak for a public `host`; `keys` is keyed by setting."""
    if is_loopback(host):
        return []
    return [
        f"{name}: HOST={host} can be reached from other machines and the key {why}, expected"
        f" {PUBLIC_KEY_MIN_LENGTH} characters or more that nobody can guess:"
        ' python -c "import secrets; print(secrets.token_urlsafe(32))"'
        for name, key in keys.items()
        if (why := weakness(key))
    ]
