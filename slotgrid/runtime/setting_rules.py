"""Rules that hold between settings, and that no single value shows."""

from typing import TYPE_CHECKING

from slotgrid.runtime.choices import BrowserKind
from slotgrid.runtime.exposure import PUBLIC_KEY_MIN_LENGTH, weakness

if TYPE_CHECKING:
    from slotgrid.runtime.settings import Settings


def broken_rules(settings: "Settings") -> list[str]:
    """What no single value shows: rules that hold between settings."""
    problems = []
    if (pooled := sum(settings.pools.values())) != settings.slots:
        problems.append(
            f"POOLS: sizes add up to {pooled}, expected SLOTS, which is {settings.slots}"
        )
    if settings.browsers > settings.slots:
        problems.append(
            f"BROWSERS: {settings.browsers} was given, expected at most SLOTS,"
            f" which is {settings.slots}"
        )
    if not settings.headless and settings.browser is not BrowserKind.CHROMIUM:
        problems.append(f"HEADLESS: {settings.browser} has no windows, expected BROWSER=chromium")
    keys = {"AUTH_KEY": settings.auth_key}
    if settings.balancer_key:
        keys["BALANCER_KEY"] = settings.balancer_key
    for name, key in keys.items():
        if settings.is_public and (why := weakness(key)):
            problems.append(
                f"{name}: HOST={settings.host} can be reached from other machines and the key"
                f" {why}, expected {PUBLIC_KEY_MIN_LENGTH} characters or more that nobody can"
                ' guess: python -c "import secrets; print(secrets.token_urlsafe(32))"'
            )
    return problems
