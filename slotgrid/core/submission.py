"""A request to run a function, parsed: past this line no one sees a raw body."""

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import orjson

from slotgrid.core.errors import InvalidSubmission, Violation

LOWEST_PRIORITY = 9
DEFAULT_PRIORITY = 5


class Mode(StrEnum):
    """How the answer travels."""

    SYNC = "sync"
    STREAM = "stream"
    WEBHOOK = "webhook"
    ASYNC = "async"

    @property
    def durable(self) -> bool:
        """Whether the task is recorded before it is accepted."""
        return self in {Mode.WEBHOOK, Mode.ASYNC}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a task must run; what is None does not matter."""

    worker: str | None = None
    pool: str | None = None
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where an answer is delivered."""

    url: str
    headers: tuple[tuple[str, str], ...] = ()
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One request to run one function; the fields are those of `POST /task`.

    `trace` holds the headers that are carried through, `size` the bytes of the body.
    """

    function: str
    input: Mapping[str, Any] = field(default_factory=dict, repr=False)
    group: str | None = None
    contract: int | None = None
    priority: int = DEFAULT_PRIORITY
    mode: Mode = Mode.SYNC
    webhook: Webhook | None = None
    timeout_s: float | None = None
    wait_s: float | None = None
    not_before: datetime | None = None
    expires_at: datetime | None = None
    place: Place = Place()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    trace: tuple[tuple[str, str], ...] = ()
    size: int = 0

    @classmethod
    def parse(
        cls, body: object, *, trace: tuple[tuple[str, str], ...] = (), size: int = 0
    ) -> "Submission":
        """Read the body of `POST /task`. Raises InvalidSubmission with every fault at once."""
        if not isinstance(body, dict):
            raise _invalid([Violation("", f"expected an object, got {_kind(body)}")])
        values: dict[str, Any] = {}
        faults: list[Violation] = []
        for name, given in body.items():
            reader = _FIELDS.get(name)
            if reader is None:
                faults.append(Violation(f"/{name}", f"unknown field{_nearest(name)}"))
                continue
            try:
                values[name] = reader(given)
            except _Wrong as wrong:
                faults.append(Violation(f"/{name}{wrong.below}", str(wrong)))
        if "function" not in body:
            faults.append(Violation("/function", "is required"))
        faults.extend(_contradictions(values))
        if faults:
            raise _invalid(faults)
        return cls(**values, trace=trace, size=size)

    @classmethod
    def from_query(
        cls,
        function: str,
        input_: object,
        query: Mapping[str, str],
        *,
        trace: tuple[tuple[str, str], ...] = (),
        size: int = 0,
    ) -> "Submission":
        """Read `POST /functions/{name}`: the body is the input, the other fields the query.

        Objects (`place`, `webhook`, `metadata`) stand in the query as JSON text.
        """
        body: dict[str, object] = {name: _from_text(name, text) for name, text in query.items()}
        taken = [name for name in ("function", "input") if name in body]
        if taken:
            raise _invalid(
                [Violation(f"/{name}", "is given by the path and the body") for name in taken]
            )
        return cls.parse(body | {"function": function, "input": input_}, trace=trace, size=size)


class _Wrong(ValueError):
    """A value that a field cannot take; `below` points further down than the field."""

    def __init__(self, message: str, below: str = "") -> None:
        super().__init__(message)
        self.below = below


def _invalid(faults: list[Violation]) -> InvalidSubmission:
    first = f"{faults[0].pointer or 'the body'}: {faults[0].message}"
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return InvalidSubmission(first + more, errors=faults)


def _kind(value: object) -> str:
    """What a JSON value is, in JSON's words."""
    names = {
        "NoneType": "null", "bool": "a boolean", "int": "an integer", "float": "a number",
        "str": "a string", "list": "an array", "dict": "an object",
    }  # fmt: skip
    return names.get(type(value).__name__, type(value).__name__)


def _nearest(name: str) -> str:
    near = difflib.get_close_matches(name, _FIELDS, n=1)
    return f'; did you mean "{near[0]}"?' if near else ""


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _Wrong(f"expected a string, got {_kind(value)}")
    if not value:
        raise _Wrong("must not be empty")
    return value


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Wrong(f"expected an object, got {_kind(value)}")
    return value


def _whole(value: object) -> int:
    # bool is an int in Python, and JSON's true is not a number.
    if isinstance(value, bool) or not isinstance(value, int):
        raise _Wrong(f"expected an integer, got {_kind(value)}")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _Wrong(f"expected a number of seconds, got {_kind(value)}")
    return float(value)


def _contract(value: object) -> int:
    contract = _whole(value)
    if contract < 1:
        raise _Wrong(f"must be 1 or more, got {contract}")
    return contract


def _priority(value: object) -> int:
    priority = _whole(value)
    if priority < 1:
        raise _Wrong(f"must be 1 (highest) or more, got {priority}")
    return min(priority, LOWEST_PRIORITY)


def _mode(value: object) -> Mode:
    text = _text(value)
    try:
        return Mode(text)
    except ValueError:
        raise _Wrong(f'must be one of {", ".join(Mode)}, got "{text}"') from None


def _timeout(value: object) -> float:
    seconds = _number(value)
    if seconds <= 0:
        raise _Wrong(f"must be above 0 seconds, got {seconds:g}")
    return seconds


def _wait(value: object) -> float:
    seconds = _number(value)
    if seconds < 0:
        raise _Wrong(f"must be 0 seconds or more, got {seconds:g}")
    return seconds


def _time(value: object) -> datetime:
    text = _text(value)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _Wrong(
            f'expected an ISO 8601 time such as "2030-01-31T08:00:00Z", got "{text}"'
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _members(value: object, known: tuple[str, ...]) -> dict[str, Any]:
    members = _object(value)
    for name in members:
        if name not in known:
            raise _Wrong(f"unknown member; known are {', '.join(known)}", below=f"/{name}")
    return members


def _pairs(value: object, below: str) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        raise _Wrong(f"expected an object of strings, got {_kind(value)}", below)
    for name, part in value.items():
        if not isinstance(part, str):
            raise _Wrong(f"expected a string, got {_kind(part)}", f"{below}/{name}")
    return tuple(value.items())


def _webhook(value: object) -> Webhook:
    members = _members(value, ("url", "headers", "secret"))
    if "url" not in members:
        raise _Wrong("is required", below="/url")
    url = members["url"]
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise _Wrong("expected an http or https URL", below="/url")
    secret = members.get("secret")
    if secret is not None and not isinstance(secret, str):
        raise _Wrong(f"expected a string, got {_kind(secret)}", below="/secret")
    return Webhook(url, _pairs(members.get("headers", {}), "/headers"), secret)


def _place(value: object) -> Place:
    members = _members(value, ("worker", "pool", "labels"))
    for name in ("worker", "pool"):
        if not isinstance(members.get(name, ""), str):
            raise _Wrong(f"expected a string, got {_kind(members[name])}", below=f"/{name}")
    labels = _pairs(members.get("labels", {}), "/labels")
    return Place(members.get("worker"), members.get("pool"), tuple(sorted(labels)))


_FIELDS: Mapping[str, Callable[[object], Any]] = {
    "function": _text,
    "input": _object,
    "group": _text,
    "contract": _contract,
    "priority": _priority,
    "mode": _mode,
    "webhook": _webhook,
    "timeout_s": _timeout,
    "wait_s": _wait,
    "not_before": _time,
    "expires_at": _time,
    "place": _place,
    "metadata": _object,
}

_NUMBERS_IN_QUERY = frozenset({"contract", "priority", "timeout_s", "wait_s"})
_OBJECTS_IN_QUERY = frozenset({"webhook", "place", "metadata"})


def _from_text(name: str, text: str) -> object:
    """A query parameter's value as JSON would give it; what cannot be read stays text."""
    if name in _NUMBERS_IN_QUERY or name in _OBJECTS_IN_QUERY:
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            return text
    return text


def _contradictions(values: Mapping[str, Any]) -> list[Violation]:
    """Faults that only show when fields are read together."""
    mode = values.get("mode", Mode.SYNC)
    faults = []
    if mode is Mode.WEBHOOK and "webhook" not in values:
        faults.append(Violation("/webhook", "is required by mode webhook"))
    if "webhook" in values and mode is not Mode.WEBHOOK:
        faults.append(Violation("/webhook", f"goes with mode webhook, not with mode {mode}"))
    faults.extend(
        Violation(
            f"/{name}", f"goes with the durable modes webhook and async, not with mode {mode}"
        )
        for name in ("not_before", "expires_at")
        if name in values and not mode.durable
    )
    return faults
