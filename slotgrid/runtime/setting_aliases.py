"""Reads variables of the systems that Slotgrid replaces, as Slotgrid's settings.

Only variables with the same meaning here, and only names that no other program is likely to use:
browserless's `TOKEN` and `TIMEOUT` are ignored.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class NodeKind(StrEnum):
    """The kind of node that the settings are for; a few names have another meaning at each."""

    WORKER = "worker"
    BALANCER = "balancer"


@dataclass(frozen=True, slots=True)
class Spelling:
    """One variable of another system; `only` limits it to one kind of node."""

    theirs: str
    ours: str
    convert: Callable[[str], str] = str
    unit: str = ""
    only: NodeKind | None = None


def _seconds(milliseconds: str) -> str:
    # Other text passes unchanged: the setting's reader then reports what it expected.
    return f"{int(milliseconds) / 1000:g}" if milliseconds.isdecimal() else milliseconds


def _in_ms(theirs: str, ours: str) -> Spelling:
    return Spelling(theirs, ours, _seconds, "milliseconds")


#: If two variables name the same setting, the earlier one wins.
SPELLINGS = (
    # Andera. A balancer with its own AUTH_KEY still shows its workers the key that they expect.
    Spelling("LB_AUTH_KEY", "AUTH_KEY", only=NodeKind.BALANCER),
    Spelling("LB_AUTH_KEY", "BALANCER_KEY"),
    _in_ms("DEFAULT_TIMEOUT", "DEFAULT_TIMEOUT_S"),
    _in_ms("WEBHOOK_TIMEOUT", "WEBHOOK_TIMEOUT_S"),
    Spelling("WEBHOOK_MAX_RETRIES", "WEBHOOK_RETRIES"),
    # webtasks
    Spelling("WEBTASKS_HOST", "HOST"),
    Spelling("WEBTASKS_PORT", "PORT"),
    Spelling("WEBTASKS_HEADLESS", "HEADLESS"),
    # Strøm
    Spelling("STROEM__WORKER_NAME", "NODE_NAME", only=NodeKind.WORKER),
    Spelling("STROEM__WORKER_TOKEN", "BALANCER_KEY"),
    Spelling("STROEM__MAX_CONCURRENT", "SLOTS"),
    # Moonsurf
    Spelling("HEADLESS_DEFAULT", "HEADLESS"),
    Spelling("TASKS_MAX_QUEUE_SIZE", "QUEUE_LIMIT"),
    # browserless
    Spelling("CONCURRENT", "SLOTS"),
    Spelling("MAX_CONCURRENT_SESSIONS", "SLOTS"),
    Spelling("QUEUED", "QUEUE_LIMIT"),
    Spelling("QUEUE_LENGTH", "QUEUE_LIMIT"),
    Spelling("MAX_QUEUE_LENGTH", "QUEUE_LIMIT"),
    _in_ms("CONNECTION_TIMEOUT", "DEFAULT_TIMEOUT_S"),
    Spelling("MAX_MEMORY_PERCENT", "MEMORY_LIMIT_PERCENT"),
    Spelling("ENABLE_CORS", "CORS_ENABLED"),
    Spelling("CORS_ALLOW_ORIGIN", "CORS_ORIGINS"),
    # Selenium Grid
    Spelling("SE_NODE_MAX_SESSIONS", "SLOTS"),
    Spelling("SE_SESSION_REQUEST_TIMEOUT", "MAX_WAIT_S"),
    Spelling("SE_REGISTRATION_SECRET", "BALANCER_KEY"),
    Spelling("SE_SUB_PATH", "ROOT_PATH"),
)
THEIR_NAMES = frozenset(spelling.theirs for spelling in SPELLINGS)
THEIR_KEYS = frozenset(
    spelling.theirs for spelling in SPELLINGS if spelling.ours in {"AUTH_KEY", "BALANCER_KEY"}
)


@dataclass(frozen=True, slots=True)
class Respelled:
    """The variables under our names, their original names, and a sentence for each change."""

    given: Mapping[str, str]
    given_as: Mapping[str, str]
    notices: tuple[str, ...]


def respelled(environ: Mapping[str, str], kind: NodeKind) -> Respelled:
    """The variables under our names. Our name wins if both are given and it is not empty."""
    given = dict(environ)
    given_as: dict[str, str] = {}
    notices = []
    for spelling in SPELLINGS:
        value = environ.get(spelling.theirs, "").strip()
        if not value or given.get(spelling.ours, "").strip():
            continue
        if spelling.only is not None and spelling.only is not kind:
            continue
        given[spelling.ours] = spelling.convert(value)
        given_as[spelling.ours] = spelling.theirs
        notices.append(_notice(spelling, value))
    browser = given.get("BROWSER", "").strip()
    # Desktops and editors export BROWSER too, as the program that opens links. Such a value is
    # ignored; a value that looks like the name of a Chromium is kept.
    if browser and ("/" in browser or "chrom" not in browser.lower()):
        del given["BROWSER"]
        notices.append(f"BROWSER={browser} was ignored: it names no Chromium that Slotgrid knows")
    return Respelled(given, given_as, tuple(notices))


def _notice(spelling: Spelling, value: str) -> str:
    if spelling.theirs in THEIR_KEYS:
        return f"{spelling.theirs} was read as {spelling.ours}"
    unit = f" ({spelling.unit})" if spelling.unit else ""
    ours = f"{spelling.ours}={spelling.convert(value)}"
    return f"{spelling.theirs}={value}{unit} was read as {ours}"
