"""The fast path for common submissions: accepts or rejects without messages."""

from typing import Annotated, Any

import msgspec

from slotgrid.core.fields import DEFAULT_PRIORITY, Mode
from slotgrid.core.reading import MOST

Word = Annotated[str, msgspec.Meta(min_length=1)]
NOT_GIVEN: Any = None
"""The default of fields that may not be null: msgspec does not check defaults."""


class PlainSubmission(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A common submission: only these fields, all valid."""

    function: Word
    input: Any = {}  # `Any`, since msgspec copies a dict
    group: Word = NOT_GIVEN
    contract: Annotated[int, msgspec.Meta(ge=1)] = NOT_GIVEN
    priority: Annotated[int, msgspec.Meta(ge=1)] = DEFAULT_PRIORITY
    mode: Mode = Mode.SYNC
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=MOST)] = NOT_GIVEN
    wait_s: Annotated[float, msgspec.Meta(ge=0, le=MOST)] = NOT_GIVEN
    metadata: Any = {}


def read_plain(body: object) -> PlainSubmission | None:
    """The body if it is plain, else None: `Submission.parse` then uses the full readers."""
    try:
        plain = msgspec.convert(body, PlainSubmission)
    except msgspec.ValidationError:
        return None
    objects = type(plain.input) is dict and type(plain.metadata) is dict
    return plain if objects and not plain.mode.durable else None
