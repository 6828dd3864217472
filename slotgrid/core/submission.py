"""A request to run a function, parsed: past this line no one sees a raw body."""

import difflib
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import msgspec
import orjson

from slotgrid.core.errors import FAULTS_LIMIT, InvalidSubmission, Violation, pointer

LOWEST_PRIORITY = 9
DEFAULT_PRIORITY = 5
NESTING_LIMIT = 100
"""Levels of arrays and objects: JSON is written 254 deep at most, and checked recursively."""
CONTAINERS = (dict, list)
MOST = sys.float_info.max


class Mode(StrEnum):
    """How the answer travels. `durable`: the task is recorded before it is accepted."""

    durable: bool

    SYNC = "sync"
    STREAM = "stream"
    WEBHOOK = "webhook"
    ASYNC = "async"

    def __init__(self, word: str) -> None:
        self.durable = word in {"webhook", "async"}


class Place(msgspec.Struct, frozen=True):
    """Where a task must run; what is None does not matter."""

    worker: str | None = None
    pool: str | None = None
    labels: tuple[tuple[str, str], ...] = ()


ANYWHERE = Place()


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where an answer is delivered."""

    url: str
    headers: tuple[tuple[str, str], ...] = ()
    secret: str | None = field(default=None, repr=False)


class Submission(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One request to run one function; the fields are those of `POST /task`.

    `trace` holds the headers that are carried through, `size` the bytes of the body,
    and `body` is what it was parsed from, so that it can be recorded and parsed again.
    A struct, as a frozen dataclass of so many fields takes longer to make than to read.
    """

    function: str
    input: Mapping[str, Any] = {}
    group: str | None = None
    contract: int | None = None
    priority: int = DEFAULT_PRIORITY
    mode: Mode = Mode.SYNC
    webhook: Webhook | None = None
    timeout_s: float | None = None
    wait_s: float | None = None
    not_before: datetime | None = None
    expires_at: datetime | None = None
    place: Place = ANYWHERE
    metadata: Mapping[str, Any] = {}
    trace: tuple[tuple[str, str], ...] = ()
    size: int = 0
    body: Mapping[str, Any] = {}

    def __repr__(self) -> str:
        # Not the input: nobody knows yet what in it is secret.
        return f"Submission(function={self.function!r}, mode={self.mode!r})"

    @classmethod
    def parse(
        cls,
        body: object,
        *,
        trace: tuple[tuple[str, str], ...] = (),
        size: int = 0,
        shallow: bool = False,
    ) -> "Submission":
        """Read the body of `POST /task`. Raises InvalidSubmission with every fault at once.

        `shallow`: it is known that nothing in it is nested deeper than NESTING_LIMIT levels.
        """
        if shallow and (plain := _read_at_once(body)) is not None:
            return cls(
                function=plain.function,
                input=plain.input,
                group=plain.group,
                contract=plain.contract,
                priority=min(plain.priority, LOWEST_PRIORITY),
                mode=plain.mode,
                timeout_s=plain.timeout_s,
                wait_s=plain.wait_s,
                metadata=plain.metadata,
                trace=trace,
                size=size,
                body=body,  # type: ignore[arg-type]  # an object, or it could not be read
            )
        if not isinstance(body, dict):
            raise _invalid([Violation("", f"expected an object, got {_kind(body)}")])
        values, faults = _read(body, _FIELDS, required="function")
        faults += _contradictions(body, values)
        if faults:
            raise _invalid(faults)
        return cls(**values, trace=trace, size=size, body=body)

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


_Word = Annotated[str, msgspec.Meta(min_length=1)]
_NOT_GIVEN: Any = None
"""The default of what may not be null: defaults are not checked."""


class _Plain(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """What most submissions are: of these fields, and without a fault."""

    function: _Word
    input: Any = {}  # not typed as an object, for those are copied
    group: _Word = _NOT_GIVEN
    contract: Annotated[int, msgspec.Meta(ge=1)] = _NOT_GIVEN
    priority: Annotated[int, msgspec.Meta(ge=1)] = DEFAULT_PRIORITY
    mode: Mode = Mode.SYNC
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=MOST)] = _NOT_GIVEN
    wait_s: Annotated[float, msgspec.Meta(ge=0, le=MOST)] = _NOT_GIVEN
    metadata: Any = {}


def _read_at_once(body: object) -> _Plain | None:
    """The body, if it is a plain one; anything else is for the readers below, who have words."""
    try:
        plain = msgspec.convert(body, _Plain)
    except msgspec.ValidationError:
        return None
    objects = type(plain.input) is dict and type(plain.metadata) is dict
    return plain if objects and not plain.mode.durable else None


class _Wrong(ValueError):
    """What a field cannot take; the pointers of its faults are relative to that field."""

    def __init__(self, *faults: Violation) -> None:
        super().__init__()
        self.faults = faults

    @classmethod
    def because(cls, message: str) -> "_Wrong":
        """One fault, in the field itself."""
        return cls(Violation("", message))


Reader = Callable[[object], Any]


def _read(
    given: dict[str, object], readers: Mapping[str, Reader], *, required: str | None = None
) -> tuple[dict[str, Any], list[Violation]]:
    """The members that could be read, and the faults of all others."""
    values: dict[str, Any] = {}
    faults: list[Violation] = []
    if required is not None and required not in given:
        faults.append(Violation(pointer([required]), "is required"))
    for name, value in given.items():
        if len(faults) >= FAULTS_LIMIT:
            break
        if name not in readers:
            unknown = f"unknown field{_nearest(name, readers)}"
            faults.append(Violation(pointer([name]), unknown))
            continue
        try:
            values[name] = readers[name](value)
        except _Wrong as wrong:
            at = pointer([name])
            faults += [Violation(at + fault.pointer, fault.message) for fault in wrong.faults]
    return values, faults


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


def _nearest(name: str, known: Iterable[str]) -> str:
    # Comparing costs by length, and a name of megabytes is a typing error of nobody.
    near = difflib.get_close_matches(name, known, n=1) if len(name) <= 64 else []
    return f'; did you mean "{near[0]}"?' if near else ""


def _text(value: object) -> str:
    text = _string(value)
    if not text:
        raise _Wrong.because("must not be empty")
    return text


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise _Wrong.because(f"expected a string, got {_kind(value)}")
    return value


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Wrong.because(f"expected an object, got {_kind(value)}")
    level: list[Any] = [value]
    for _ in range(NESTING_LIMIT):
        level = [
            part
            for above in level
            for part in (above.values() if isinstance(above, dict) else above)
            if isinstance(part, CONTAINERS)
        ]
        if not level:
            return value
    raise _Wrong.because(f"is nested deeper than {NESTING_LIMIT} levels")


def _whole(value: object) -> int:
    # bool is an int in Python, and JSON's true is not a number.
    if isinstance(value, bool) or not isinstance(value, int):
        raise _Wrong.because(f"expected an integer, got {_kind(value)}")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= MOST:
        raise _Wrong.because(f"expected a number of seconds, got {_kind(value)}")
    return float(value)


def _contract(value: object) -> int:
    contract = _whole(value)
    if contract < 1:
        raise _Wrong.because(f"must be 1 or more, got {contract}")
    return contract


def _priority(value: object) -> int:
    priority = _whole(value)
    if priority < 1:
        raise _Wrong.because(f"must be 1 (highest) or more, got {priority}")
    return min(priority, LOWEST_PRIORITY)


def _mode(value: object) -> Mode:
    text = _text(value)
    try:
        return Mode(text)
    except ValueError:
        raise _Wrong.because(f'must be one of {", ".join(Mode)}, got "{text}"') from None


def _timeout(value: object) -> float:
    seconds = _number(value)
    if seconds <= 0:
        raise _Wrong.because(f"must be above 0 seconds, got {seconds:g}")
    return seconds


def _wait(value: object) -> float:
    seconds = _number(value)
    if seconds < 0:
        raise _Wrong.because(f"must be 0 seconds or more, got {seconds:g}")
    return seconds


def _time(value: object) -> datetime:
    text = _text(value)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _Wrong.because(
            f'expected an ISO 8601 time such as "2030-01-31T08:00:00Z", got "{text}"'
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _members(
    value: object, readers: Mapping[str, Reader], *, required: str | None = None
) -> dict[str, Any]:
    values, faults = _read(_object(value), readers, required=required)
    if faults:
        raise _Wrong(*faults)
    return values


def _pairs(value: object) -> tuple[tuple[str, str], ...]:
    members = _object(value)
    return tuple(_members(members, dict.fromkeys(members, _string)).items())


def _url(value: object) -> str:
    url = _string(value)
    if not url.startswith(("http://", "https://")):
        raise _Wrong.because("expected an http or https URL")
    return url


def _webhook(value: object) -> Webhook:
    readers = {"url": _url, "headers": _pairs, "secret": _text}
    return Webhook(**_members(value, readers, required="url"))


def _labels(value: object) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(_pairs(value)))


def _place(value: object) -> Place:
    return Place(**_members(value, {"worker": _text, "pool": _text, "labels": _labels}))


_FIELDS: Mapping[str, Reader] = {
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


def _contradictions(body: Mapping[str, object], values: Mapping[str, Any]) -> list[Violation]:
    """Faults that only show when fields are read together."""
    mode = values.get("mode", Mode.SYNC)
    if "mode" in body and "mode" not in values:
        return []  # what the fields should go with is not known
    faults = []
    if mode is Mode.WEBHOOK and "webhook" not in body:
        faults.append(Violation("/webhook", "is required by mode webhook"))
    if "webhook" in body and mode is not Mode.WEBHOOK:
        faults.append(Violation("/webhook", f"goes with mode webhook, not with mode {mode}"))
    faults.extend(
        Violation(
            f"/{name}", f"goes with the durable modes webhook and async, not with mode {mode}"
        )
        for name in ("not_before", "expires_at")
        if name in body and not mode.durable
    )
    return faults
