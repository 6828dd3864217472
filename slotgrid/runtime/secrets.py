"""Hides secrets: registered secret values, and all values under secret names.

A value is registered while it is in use: a key for the life of the process, the secrets of a task
(`writeOnly` inputs) while its scope is open. Every log line hides all registered values, since a
driver or a listener logs outside of the task's context. The events and errors of a task hide only
the keys and its own secrets, so that no task garbles another's text.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from urllib.parse import quote, quote_plus

HIDDEN = "[redacted]"
# Shorter values are hidden only where they are the whole text: hiding every "ab" would garble texts
# and protect nothing.
SHORT = 4
# The same for what occurs in every JSON text, where hiding it would break the JSON of a chunk.
LITERALS = frozenset({"true", "false", "null"})
# In a secret with several lines (a private key), each line of at least this length is hidden by
# itself too: a traceback or a log shipper shows single lines.
TELLING_LINE = 8
MAX_DEPTH = 10
NAMES = frozenset(
    {
        *("authorization", "proxy_authorization", "cookie", "set_cookie", "x_lb_auth", "x_wr_auth"),
        *("auth_key", "balancer_key", "api_key", "x_api_key", "private_key", "credentials"),
        *("password", "passwd", "passphrase", "secret", "token"),
    }
)
NAME_ENDINGS = ("_password", "_secret", "_token", "_api_key", "_auth_key")


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether every value under this name is hidden."""
    plain = name.lower().replace("-", "_")
    return plain in NAMES or plain.endswith(NAME_ENDINGS)


@dataclass(frozen=True)
class SecretValues:
    """A set of secret texts. Immutable, so that any thread may use it without a lock."""

    whole: frozenset[str]
    pattern: re.Pattern[str] | None
    #: Bytes to search for in a rendered JSON line; without a match there is nothing to hide.
    needles: tuple[bytes, ...]

    @classmethod
    def of(cls, texts: Iterable[str]) -> "SecretValues":
        """Hide these texts, also in their JSON, `repr` and URL forms."""
        whole = frozenset(texts)
        parts = {form for text in whole if _is_telling(text) for form in _forms(text)}
        # Longest first: a secret that begins with another one is hidden as a whole.
        ordered = sorted(parts, key=len, reverse=True)
        pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None
        needles = [_in_json(part) for part in ordered]
        needles += [b'"%b"' % _in_json(text) for text in whole if not _is_telling(text)]
        return cls(whole, pattern, tuple(needles))

    def occur_in(self, line: bytes) -> bool:
        """Whether a JSON line, not escaped to ASCII, may hold a secret."""
        for needle in self.needles:  # noqa: SIM110  `any` costs more than the search
            if needle in line:
                return True
        return False

    def hide_text(self, text: str) -> str:
        """The text without secrets."""
        if text in self.whole:
            return HIDDEN
        return self.pattern.sub(HIDDEN, text) if self.pattern else text

    def hide(self, value: object, depth: int = 0) -> object:
        """A copy without secrets, of JSON types only; other objects become their text."""
        if isinstance(value, str):
            return self.hide_text(value)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            number = str(value)
            return HIDDEN if len(number) >= SHORT and number in self.whole else value
        if isinstance(value, Mapping | list | tuple | Set):
            return self._hide_inside(value, depth + 1)
        return self.hide_text(_text_of(value))

    def _hide_inside(self, value: Iterable[object], depth: int) -> object:
        # Bounded, as a logged value may be circular.
        if depth > MAX_DEPTH:
            return "..."
        if isinstance(value, Mapping):
            return {
                self.hide_text(str(name)): HIDDEN
                if is_secret_name(str(name))
                else self.hide(item, depth)
                for name, item in value.items()
            }
        return [self.hide(item, depth) for item in value]


class Redactor:
    """Registers the values that are secret now. One per process, made where the process starts."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._lock = Lock()
        self._keys = frozenset(key for key in keys if key)
        self._held: Counter[str] = Counter(self._keys)
        self._known = SecretValues.of(self._held)

    @property
    def known(self) -> SecretValues:
        """All values that are secret now."""
        return self._known

    def hold(self, values: Iterable[str]) -> None:
        """Hide these values from all log lines, until `release`."""
        self._hold(frozenset(filter(None, values)), 1)

    def release(self, values: Iterable[str]) -> None:
        """Undo a `hold` of the same values."""
        self._hold(frozenset(filter(None, values)), -1)

    @contextmanager
    def scope(self, values: object) -> Iterator[SecretValues]:
        """Hide every text and number inside `values`, however nested, from all log lines.

        Yields the secrets that the events and errors of the scope's owner must hide.
        """
        texts = frozenset(_secret_texts(values))
        if not texts:
            yield SecretValues.of(self._keys)
            return
        self._hold(texts, 1)
        try:
            yield SecretValues.of(self._keys | texts)
        finally:
            self._hold(texts, -1)

    def _hold(self, texts: frozenset[str], count: int) -> None:
        with self._lock:
            before = self._held.keys()
            # Unary plus drops values with a count of 0.
            held = +Counter({**self._held, **{text: self._held[text] + count for text in texts}})
            self._held = held
            if held.keys() != before:
                self._known = SecretValues.of(held)


def _secret_texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        if value:
            yield value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        # Short numbers occur everywhere: hiding them would reveal more than it protects.
        if len(str(value)) >= SHORT:
            yield str(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _secret_texts(item)
    elif isinstance(value, list | tuple | Set):
        for item in value:
            yield from _secret_texts(item)


def _is_telling(text: str) -> bool:
    """Whether a secret is hidden inside other texts too."""
    return len(text) >= SHORT and text not in LITERALS


def _forms(text: str) -> Iterator[str]:
    lines = (line for line in text.splitlines() if len(line) >= TELLING_LINE)
    for part in (text, *lines):
        yield part
        yield json.dumps(part)[1:-1]
        yield json.dumps(part, ensure_ascii=False)[1:-1]
        yield repr(part)[1:-1]
        if part.isprintable():  # text that a URL cannot hold (lone surrogates) is not printable
            yield quote(part, safe="")
            yield quote_plus(part)


def _in_json(text: str) -> bytes:
    return json.dumps(text, ensure_ascii=False)[1:-1].encode("utf-8", "surrogatepass")


def _text_of(value: object) -> str:
    try:
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    except Exception as error:  # a foreign `__str__` must not break the caller
        return f"<{type(value).__name__}: {type(error).__name__} in __str__>"
