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
from functools import cached_property, lru_cache
from threading import Lock
from typing import Any

from slotgrid.runtime.secret_forms import parts, patterns, writings

HIDDEN = "[redacted]"
# Shorter values are hidden only where they are the whole text: hiding every "ab" would garble texts
# and protect nothing.
SHORT = 4
# The same for what occurs in every JSON text, where hiding it would break the JSON of a chunk.
LITERALS = frozenset({"true", "false", "null"})
CUT = "…"
"""The sign of a text that was cut, by us, a library or an author."""
HELD_CHARS = 4096
"""Characters of a stream that wait for the rest of a secret, at most."""
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
    """A set of secret texts. Immutable, so that any thread may use it without a lock.

    `short`: texts below this length are hidden only where they are the whole text.
    """

    whole: frozenset[str]
    short: int = SHORT

    @classmethod
    def of(cls, texts: Iterable[str], *, short: int = SHORT) -> "SecretValues":
        """Hide these texts, in the forms of `secret_forms` too."""
        return cls(frozenset(texts), short)

    def occur_in(self, line: bytes) -> bool:
        """Whether JSON, not escaped to ASCII, may hold a secret."""
        if self._without_needle:
            return True
        for needle in self._needles_in_json:  # noqa: SIM110  `any` costs more than the search
            if needle in line:
                return True
        return False

    def hide_text(self, text: str) -> str:
        """The text without secrets."""
        if text in self.whole:
            return HIDDEN
        if self._without_needle or any(needle in text for needle in self._needles):
            text = self._pattern.sub(HIDDEN, text)
        return self._hide_cut(text) if CUT in text else text

    def hide(self, value: object, depth: int = 0) -> object:
        """A copy without secrets, of JSON types only; other objects become their text."""
        if isinstance(value, str):
            return self.hide_text(value)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            return self._hide_number(value)
        if isinstance(value, Mapping | list | tuple | Set):
            return self._hide_inside(value, depth + 1)
        return self.hide_text(_text_of(value))

    def hide_json(self, value: Any, *, names: bool) -> Any:
        """A copy of a JSON value without secrets, however deep.

        `names`: values under a secret's name are hidden too.
        """
        if isinstance(value, str):
            return self.hide_text(value)
        if isinstance(value, dict):
            return {
                self.hide_text(name): HIDDEN
                if names and is_secret_name(name)
                else self.hide_json(item, names=names)
                for name, item in value.items()
            }
        if isinstance(value, list):
            return [self.hide_json(item, names=names) for item in value]
        if value is None or isinstance(value, bool):
            return value
        return self._hide_number(value)

    def split(self, text: str) -> tuple[str, str]:
        """The text without secrets up to where one may begin, and the rest as it is.

        The rest is for the next piece of a stream, which may complete the secret.
        """
        at = self._begin(text)
        for found in self._pattern.finditer(text) if self.whole else ():
            if found.start() < at < found.end():
                at = found.end() + self._begin(text[found.end() :])
        return self.hide_text(text[:at]), text[at:]

    def _begin(self, text: str) -> int:
        """Where a secret may begin that goes on behind the text; its length if nowhere."""
        for at in range(max(0, len(text) - self._longest + 1), len(text)):
            if text[at] in self._firsts and any(
                one.startswith(text[at:]) for one in self._writings
            ):
                return at
        return len(text)

    def _hide_cut(self, text: str) -> str:
        """Hide the parts of secrets on both sides of the sign that something was cut off."""
        pieces = text.split(CUT)
        for number, piece in enumerate(pieces):
            if number < len(pieces) - 1:
                kept = piece.rstrip()
                at = self._begin(kept)
                if len(kept) - at >= self.short:
                    piece = f"{kept[:at]}{HIDDEN}{piece[len(kept) :]}"  # noqa: PLW2901
            if number > 0:
                kept = piece.lstrip()
                end = self._end(kept)
                if end >= self.short:
                    piece = f"{piece[: len(piece) - len(kept)]}{HIDDEN}{kept[end:]}"  # noqa: PLW2901
            pieces[number] = piece
        return CUT.join(pieces)

    def _end(self, text: str) -> int:
        """How much at the beginning of the text is the end of a secret."""
        for end in range(min(len(text), self._longest - 1), self.short - 1, -1):
            if any(one.endswith(text[:end]) for one in self._writings):
                return end
        return 0

    def _hide_number(self, value: float) -> float | str:
        number = str(value)
        return HIDDEN if len(number) >= SHORT and number in self.whole else value

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

    # Made at the first use, which most sets of most tasks never see.

    @cached_property
    def _parts(self) -> list[str]:
        """The texts to hide inside of others, longest first: a secret may begin with another."""
        telling = (text for text in self.whole if len(text) >= self.short and text not in LITERALS)
        found = {part for text in telling for part in parts(text)}
        return sorted(found, key=len, reverse=True)

    @cached_property
    def _patterns(self) -> list[tuple[str, str]]:
        return [pattern for part in self._parts for pattern in patterns(part)]

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile("|".join(source for source, _ in self._patterns) or r"(?!)")

    @cached_property
    def _needles(self) -> tuple[str, ...]:
        """Letters and digits to search for: without one of them there is nothing to hide."""
        return tuple({needle for _, needle in self._patterns if needle})

    @cached_property
    def _without_needle(self) -> bool:
        return any(not needle for _, needle in self._patterns)

    @cached_property
    def _needles_in_json(self) -> tuple[bytes, ...]:
        inside = set(self._parts)
        alone = (b'"%b"' % _in_json(text) for text in self.whole if text not in inside)
        return (*(needle.encode() for needle in self._needles), *alone)

    @cached_property
    def _writings(self) -> tuple[str, ...]:
        return tuple({one[:HELD_CHARS] for part in self._parts for one in writings(part)})

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self._writings), default=0)

    @cached_property
    def _firsts(self) -> frozenset[str]:
        return frozenset(one[0] for one in self._writings)


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


def _in_json(text: str) -> bytes:
    return json.dumps(text, ensure_ascii=False)[1:-1].encode("utf-8", "surrogatepass")


def _text_of(value: object) -> str:
    try:
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    except Exception as error:  # a foreign `__str__` must not break the caller
        return f"<{type(value).__name__}: {type(error).__name__} in __str__>"
