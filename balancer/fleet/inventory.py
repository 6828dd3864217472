"""The workers that an operator lists in `workers.json`: read, watched, and never lost to a typo."""

import asyncio
import math
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import structlog

from slotgrid.runtime.background import background

log = structlog.get_logger()

LOOK_EVERY_S = 0.5
"""A look at one file's `stat` costs microseconds, and sees what a watch does not: a volume that is
mounted later, a network file system, a symbolic link that leads elsewhere now."""
SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
MEMBERS = frozenset({"url", "key", "weight", "labels"})
WEIGHT_MOST = 1000.0
_KEY = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One entry: where a worker is, and what goes for it alone.

    `url` is http or https without a slash at its end; `key` replaces BALANCER_KEY; `labels` are
    added to those that the worker names itself.
    """

    url: str
    key: str | None = field(default=None, repr=False)
    weight: float = 1.0
    labels: tuple[tuple[str, str], ...] = ()


class BadEntry(Exception):
    """One entry cannot be used; says why in words that hold no key."""


class InventoryFault(Exception):
    """The file cannot be used. `faults` has one line for each thing that is wrong."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def parse_inventory(content: bytes) -> tuple[Listed, ...]:
    """The entries of a file. Raises InventoryFault with every fault at once."""
    try:
        given = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise InventoryFault((f"not JSON: {error}",)) from error
    if not isinstance(given, list):
        raise InventoryFault(("expected a list of URLs and objects",))
    entries: list[Listed] = []
    faults: list[str] = []
    for index, item in enumerate(given):
        try:
            entry = _entry(item)
        except BadEntry as error:
            faults.append(f"entry {index + 1}: {error}")
            continue
        if any(entry.url == other.url for other in entries):
            faults.append(f"entry {index + 1}: {entry.url} is listed twice")
        entries.append(entry)
    if faults:
        raise InventoryFault(tuple(faults))
    return tuple(entries)


class Inventory:
    """The last good list of one file; `fault` says what is wrong with the file as it is now.

    A file that is not there is an empty list: the workers may all dial in by themselves.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, ...] | None = None
        self.entries: tuple[Listed, ...] = ()
        self.fault: str | None = None

    def look(self) -> bool:
        """Read the file if it is another than at the last look; whether the list has changed."""
        signature = _signature(self._path)
        if self._seen == signature:
            return False
        self._seen = signature
        try:
            entries = parse_inventory(self._path.read_bytes())
        except FileNotFoundError:
            entries = ()
        except (InventoryFault, OSError) as error:
            self.fault = str(error)
            log.warning("inventory.kept_the_last_good_list", file=str(self._path), fault=self.fault)
            return False
        if self.fault is not None:
            log.info("inventory.is_good_again", file=str(self._path))
        self.fault = None
        changed, self.entries = entries != self.entries, entries
        if changed:
            log.info("inventory.read", file=str(self._path), workers=len(entries))
        return changed

    @asynccontextmanager
    async def watching(self, changed: Callable[[], None]) -> AsyncIterator[None]:
        """Call `changed` after each change of the list, as long as the block runs."""
        async with background(self._watch(changed), name="inventory"):
            yield

    async def _watch(self, changed: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if self.look():
                changed()


def _signature(path: Path) -> tuple[int, ...]:
    """What differs when the file does; empty when there is none to be seen."""
    try:
        stat = path.stat()
    except OSError:
        return ()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


def _entry(item: object) -> Listed:
    """One entry of the list. Raises BadEntry."""
    if isinstance(item, str):
        return Listed(url=_url(item))
    if not isinstance(item, dict):
        raise BadEntry("expected a URL or an object with `url`")
    if unknown := sorted(item.keys() - MEMBERS):
        raise BadEntry(f"unknown: {', '.join(unknown)}; there are {', '.join(sorted(MEMBERS))}")
    if not isinstance(item.get("url"), str):
        raise BadEntry("`url` is missing, or no text")
    return Listed(
        url=_url(item["url"]),
        key=_key(item.get("key")),
        weight=_weight(item.get("weight", 1)),
        labels=_labels(item.get("labels", {})),
    )


def _url(text: str) -> str:
    # Not quoted when it may hold a password.
    shown = "the URL" if "@" in text else repr(text)
    try:
        parts = urlsplit(text)
        good = parts.scheme in SCHEMES and parts.hostname and parts.port != 0
    except ValueError as error:  # a port that is no number, half an IPv6 address
        raise BadEntry(f"{shown}: {error}") from error
    if not good or parts.username or parts.query or parts.fragment:
        raise BadEntry(f"{shown} is not of the form http://host:port")
    return f"{SCHEMES[parts.scheme]}://{parts.netloc}{parts.path.rstrip('/')}"


def _key(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _KEY.fullmatch(value):
        raise BadEntry("`key` must be printable ASCII without spaces")
    return value


def _weight(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadEntry("`weight` must be a number")
    if not 0 < value <= WEIGHT_MOST:
        raise BadEntry(f"`weight` must be above 0 and at most {WEIGHT_MOST:g}, got {value:g}")
    return float(value)


def _labels(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise BadEntry("`labels` must be an object of texts")
    return tuple(sorted(value.items()))
