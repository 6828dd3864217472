"""`workers.json`, the list of a balancer's workers: what an entry may hold, and how it is read."""

import codecs
import math
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import orjson

from slotgrid.runtime.exposure import is_loopback

SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
MEMBERS = frozenset({"url", "key", "weight", "labels"})
WEIGHT_MOST = 1000.0
_KEY = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One entry: the address of a worker, and settings for this worker only.

    `url` is http or https without a slash at its end; `key` replaces BALANCER_KEY; `labels` are
    added to the worker's own labels.
    """

    url: str
    key: str | None = field(default=None, repr=False)
    weight: float = 1.0
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def on_this_machine(self) -> tuple[str, int] | None:
        """Loopback host and port of a worker that can be started here.

        None for a worker on another machine, and for an address with https or a path, which only a
        proxy in front of a worker can have.
        """
        parts = urlsplit(self.url)
        if parts.scheme != "http" or parts.path or not is_loopback(parts.hostname or ""):
            return None
        return parts.hostname or "", parts.port or 80


class BadEntry(Exception):
    """One entry cannot be used; the text is the reason, and holds no key."""


class InventoryFault(ValueError):
    """The file cannot be used. `faults` has one line for each fault."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def parse_inventory(content: bytes) -> tuple[Listed, ...]:
    """The entries of a file. Raises InventoryFault with every fault at once."""
    try:
        given = orjson.loads(content.removeprefix(codecs.BOM_UTF8))
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
    # The URL is not quoted if it may hold a password.
    shown = "the URL" if "@" in text else repr(text)
    try:
        parts = urlsplit(text)
        good = parts.scheme in SCHEMES and parts.hostname and parts.port != 0
    except ValueError as error:  # a port that is not a number, an incomplete IPv6 address
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
