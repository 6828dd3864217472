"""Readers of settings: they turn the text of a variable into a value, and describe valid text.

Each reader raises ValueError for text that it does not accept. `expected` describes valid text, so
that error messages do not depend on the wording of a library.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from types import MappingProxyType
from typing import Generic, TypeVar

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)
N = TypeVar("N", int, float)

NODE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
KEY = re.compile(r"[!-~]*")
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
PATH_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*")
DATABASE = re.compile(r"(postgresql|postgres)(\+psycopg)?://\S+")
STORAGE = re.compile(r"s3://[^/\s]+(/\S*)?|file:///.+|(?![a-z0-9+]+://).+")
ORIGIN = re.compile(r"https?://[^/\s,*]+")
NODE_URL = re.compile(r"https?://[^/\s,?#@]+(/[^\s,?#]*)?")
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(b|kb|mb|gb)?", re.IGNORECASE)
# 1 kb is 1024 bytes, as in the systems whose `10mb` this reads.
SIZE_UNITS = {"b": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3}
ENTRIES_LIMIT = 200
ENTRIES_BYTES = 64 * 1024
"""Labels or pools of a worker, and their size as JSON: a balancer accepts no more of either
(docs/protocol.md)."""
TRUE_WORDS = frozenset({"true", "yes", "on", "1"})
FALSE_WORDS = frozenset({"false", "no", "off", "0"})


@dataclass(frozen=True)
class Reader(Generic[T]):
    """Reads one kind of value; `expected` completes the sentence "expected ..."."""

    expected: str
    read: Callable[[str], T]


def text(expected: str = "text", pattern: re.Pattern[str] | None = None) -> Reader[str]:
    """Text, matched as a whole by `pattern` if there is one."""

    def read(given: str) -> str:
        if pattern is not None and not pattern.fullmatch(given):
            raise ValueError(given)
        return given

    return Reader(expected, read)


def integer(low: int, high: int) -> Reader[int]:
    """A whole number, both bounds included."""

    def read(given: str) -> int:
        return _within(int(given), low, high)

    return Reader(f"a whole number from {low} to {high}", read)


def seconds(low: float, high: float) -> Reader[float]:
    """Seconds, with decimals if need be, both bounds included."""

    def read(given: str) -> float:
        return _within(float(given), low, high)

    return Reader(f"seconds from {low:.10g} to {high:.10g}", read)


def boolean() -> Reader[bool]:
    """`true` or `false`, and their common synonyms."""

    def read(given: str) -> bool:
        word = given.lower()
        if word not in TRUE_WORDS | FALSE_WORDS:
            raise ValueError(given)
        return word in TRUE_WORDS

    return Reader("true or false", read)


def choice(words: type[E], also: Mapping[str, E] | None = None) -> Reader[E]:
    """One member of an enum, in any case; `also` holds other spellings of a member."""

    def read(given: str) -> E:
        word = given.lower()
        return also[word] if also and word in also else words(word)

    return Reader("one of " + ", ".join(words), read)


def size_bytes(low: int, high: int) -> Reader[int]:
    """A size such as `512kb` or `10mb`, in bytes; a bare number is bytes."""

    def read(given: str) -> int:
        match = SIZE.fullmatch(given)
        if match is None:
            raise ValueError(given)
        return _within(int(float(match[1]) * SIZE_UNITS[(match[2] or "b").lower()]), low, high)

    return Reader("a size such as 512kb or 10mb", read)


def path() -> Reader[Path]:
    """A path; `~` is the home directory, a relative one starts at the working directory."""

    def read(given: str) -> Path:
        try:
            return Path(given).expanduser()
        except RuntimeError as error:  # `~nobody`: there is no such user, or no home directory
            raise ValueError(given) from error

    return Reader("a path", read)


def networks() -> Reader[tuple[IPv4Network | IPv6Network, ...]]:
    """Addresses and CIDR networks, separated by commas."""

    def read(given: str) -> tuple[IPv4Network | IPv6Network, ...]:
        return tuple(ip_network(item) for item in _items(given))

    return Reader("addresses or CIDR networks, separated by commas", read)


def origins() -> Reader[tuple[str, ...]]:
    """Web origins (`https://example.org`), separated by commas, or `*` alone for all."""

    def read(given: str) -> tuple[str, ...]:
        found = _items(given)
        if found != ("*",) and not all(ORIGIN.fullmatch(item) for item in found):
            raise ValueError(given)
        return found

    return Reader("origins such as https://example.org, separated by commas, or *", read)


def urls() -> Reader[tuple[str, ...]]:
    """Addresses of nodes (`https://host:4000/prefix`), separated by commas."""

    def read(given: str) -> tuple[str, ...]:
        found = tuple(item.rstrip("/") for item in _items(given))
        if not all(NODE_URL.fullmatch(item) for item in found):
            raise ValueError(given)
        return found

    return Reader("URLs such as https://example.org:4000, separated by commas", read)


def labels() -> Reader[Mapping[str, str]]:
    """`name=value` pairs, separated by commas."""
    return Reader(
        f"name=value pairs of valid UTF-8, separated by commas, at most {ENTRIES_LIMIT} and "
        f"{ENTRIES_BYTES // 1024} KiB in all",
        _pairs,
    )


def headers() -> Reader[Mapping[str, str]]:
    """A JSON object of strings, since the values of headers hold commas and equal signs."""

    def read(given: str) -> Mapping[str, str]:
        value = json.loads(given)
        if not isinstance(value, dict) or not all(isinstance(part, str) for part in value.values()):
            raise ValueError(given)
        return MappingProxyType(value)

    return Reader('a JSON object of strings such as {"X-From": "slotgrid"}', read)


def sizes() -> Reader[Mapping[str, int]]:
    """`name=size` pairs, separated by commas; sizes are 1 or more."""

    def read(given: str) -> Mapping[str, int]:
        return MappingProxyType(
            {name: _within(int(size), 1, 10_000) for name, size in _pairs(given).items()}
        )

    return Reader(f"name=size pairs, separated by commas, at most {ENTRIES_LIMIT}", read)


def optional(reader: Reader[T]) -> Reader[T | None]:
    """The values of `reader`; the default of such a setting is None."""
    return Reader(reader.expected, reader.read)


def _within(number: N, low: float, high: float) -> N:
    # Written so that `nan`, which compares false with everything, is refused.
    if not low <= number <= high:
        raise ValueError(number)
    return number


def _items(given: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in given.split(",") if item.strip())


def _pairs(given: str) -> Mapping[str, str]:
    pairs: dict[str, str] = {}
    for item in _items(given):
        name, separator, value = (part.strip() for part in item.partition("="))
        if not separator or not WORD.fullmatch(name) or not value or name in pairs:
            raise ValueError(item)
        pairs[name] = value
    # Invalid UTF-8 is read as lone surrogates, which `encode` refuses with a ValueError.
    size = len(json.dumps(pairs, ensure_ascii=False).encode())
    if len(pairs) > ENTRIES_LIMIT or size > ENTRIES_BYTES:
        raise ValueError(given)
    return MappingProxyType(pairs)
