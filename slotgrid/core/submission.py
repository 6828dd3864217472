"""Submissions: parsed requests to run a function. Other modules never see a raw body."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
import orjson

from slotgrid.core.errors import InvalidSubmission, Violation
from slotgrid.core.field_readers import FIELDS
from slotgrid.core.fields import ANYWHERE, DEFAULT_PRIORITY, Mode, Place, Webhook
from slotgrid.core.json_readers import kind_of, read_fields


class Submission(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One request to run one function; the fields are those of `POST /task`.

    `trace`: the headers to pass on. `size`: bytes of the body. `body`: the source, which is
    recorded and parsed again later. A msgspec struct: a frozen dataclass of so many fields takes
    longer to create than the body to parse.
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
        # Without the input: before admission it is unknown which of its values are secret.
        return f"Submission(function={self.function!r}, mode={self.mode!r})"

    @classmethod
    def parse(
        cls, body: object, *, trace: tuple[tuple[str, str], ...] = (), size: int = 0
    ) -> "Submission":
        """Read the body of `POST /task`. Raises InvalidSubmission with every fault at once."""
        if not isinstance(body, dict):
            raise _invalid([Violation("", f"expected an object, got {kind_of(body)}")])
        values, faults = read_fields(body, FIELDS, required="function")
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

        Objects (`place`, `webhook`, `metadata`) are JSON text in the query.
        """
        body: dict[str, object] = {name: _from_text(name, text) for name, text in query.items()}
        taken = [name for name in ("function", "input") if name in body]
        if taken:
            raise _invalid(
                [Violation(f"/{name}", "is given by the path and the body") for name in taken]
            )
        return cls.parse(body | {"function": function, "input": input_}, trace=trace, size=size)


def _invalid(faults: list[Violation]) -> InvalidSubmission:
    first = f"{faults[0].pointer or 'the body'}: {faults[0].message}"
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return InvalidSubmission(first + more, errors=faults)


_NUMBERS_IN_QUERY = frozenset({"contract", "priority", "timeout_s", "wait_s"})
_OBJECTS_IN_QUERY = frozenset({"webhook", "place", "metadata"})


def _from_text(name: str, text: str) -> object:
    """A query parameter as a JSON value; invalid JSON and other fields stay text."""
    if name in _NUMBERS_IN_QUERY or name in _OBJECTS_IN_QUERY:
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            return text
    return text


def _contradictions(body: Mapping[str, object], values: Mapping[str, Any]) -> list[Violation]:
    """Faults in the combination of fields."""
    mode = values.get("mode", Mode.SYNC)
    if "mode" in body and "mode" not in values:
        return []  # the mode is invalid, so the rules of modes do not apply
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
