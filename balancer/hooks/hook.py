"""A hook: who may call it, and the task that a call starts."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from balancer.definition_readers import choice_of, invalid, read_flag, read_name
from slotgrid.core.errors import Violation
from slotgrid.core.field_readers import FIELDS
from slotgrid.core.fields import Mode
from slotgrid.core.json_readers import Reader, Wrong, kind_of, read_fields, read_object, read_text
from slotgrid.core.submission import Submission

OF_TASK = ("function", "group", "contract", "priority", "timeout_s", "place", "metadata")
"""The fields of a hook that are fields of its tasks."""
SECRET_LEAST = 16
"""Characters of a secret: anyone can try one."""
SECRETS_MOST = 5
FILE_OWNER = "root"
"""The owner of the tasks of a hook that names none."""
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_PREFIX = "whsec_"


class Verify(StrEnum):
    """How a request proves that it knows the secret."""

    STANDARD = "standard-webhooks"
    GITHUB = "github"
    BEARER = "bearer"


class Input(StrEnum):
    """What of a request becomes the input of the task."""

    REQUEST = "request"
    BODY = "body"


@dataclass(frozen=True, slots=True)
class Hook:
    """A checked definition. Any of `secrets` is accepted, so that one can replace another.

    `waits`: the sender waits for the result. `task` has the fields of its tasks, `defaults` members
    of their input that a request does not give.
    """

    name: str
    verify: Verify
    secrets: tuple[str, ...] = field(repr=False)
    input: Input
    waits: bool
    enabled: bool
    owner: str
    task: Mapping[str, Any]
    defaults: Mapping[str, Any]

    @classmethod
    def parse(cls, given: object, *, variables: Mapping[str, str]) -> "Hook":
        """Check a definition; `${NAME}` is a secret of `variables`. Raises InvalidSubmission."""
        if not isinstance(given, dict):
            raise invalid([Violation("", f"expected an object, got {kind_of(given)}")], "the hook")
        values, faults = read_fields(given, READERS)
        faults += [
            Violation(f"/{required}", "is required")
            for required in ("name", "function", "verify", "secret")
            if required not in given
        ]
        secrets: list[str] = []
        for at, text in values.get("secret", ()):
            try:
                secrets.append(_secret(text, variables, values.get("verify")))
            except Wrong as wrong:
                faults += [Violation(f"/secret{at}", fault.message) for fault in wrong.faults]
        if faults:
            raise invalid(faults, "the hook")
        return cls(
            name=values["name"],
            verify=values["verify"],
            secrets=tuple(secrets),
            input=values.get("input", Input.REQUEST),
            waits=values.get("mode", Mode.ASYNC) is Mode.SYNC,
            enabled=values.get("enabled", True),
            owner=values.get("owner", FILE_OWNER),
            task={name: given[name] for name in OF_TASK if name in given},
            defaults=values.get("defaults", {}),
        )

    def submission(self, input_: object, *, size: int) -> Submission:
        """The durable task of one call. Raises InvalidSubmission."""
        body = {**self.task, "input": input_, "mode": str(Mode.ASYNC)}
        return Submission.parse(body, size=size)


def _secret(text: str, variables: Mapping[str, str], verify: Verify | None) -> str:
    """The value of a secret. Raises Wrong without a part of it."""
    found = _VARIABLE.fullmatch(text)
    if found is not None:
        value = variables.get(found[1], "")
        if not value:
            raise Wrong.because(f"uses the variable {found[1]}, which is not set")
        text = value
    elif "${" in text:
        raise Wrong.because("is either a text or one variable, `${NAME}`")
    if len(text) < SECRET_LEAST:
        raise Wrong.because(
            f"needs at least {SECRET_LEAST} characters; make one: openssl rand -hex 32"
        )
    if not text.isascii() or not text.isprintable() or " " in text:
        raise Wrong.because("must be printable ASCII without spaces")
    if verify is Verify.STANDARD:
        try:
            bare = text.removeprefix(_PREFIX).rstrip("=")
            key = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not key:
            raise Wrong.because(
                f"must be base64, as Standard Webhooks has it: {_PREFIX}$(openssl rand -base64 32)"
            )
    return text


def _secrets(value: object) -> list[tuple[str, str]]:
    """The texts with the pointer of each."""
    if not isinstance(value, list):
        return [("", read_text(value))]
    if not 1 <= len(value) <= SECRETS_MOST:
        raise Wrong.because(f"expected 1 to {SECRETS_MOST} secrets, got {len(value)}")
    return [(f"/{index}", read_text(item)) for index, item in enumerate(value)]


def _mode(value: object) -> Mode:
    mode: Mode = FIELDS["mode"](value)
    if mode not in {Mode.SYNC, Mode.ASYNC}:
        raise Wrong.because(f"must be sync or async, got {mode}")
    return mode


READERS: Mapping[str, Reader] = {
    "name": read_name,
    "verify": choice_of(Verify),
    "secret": _secrets,
    "input": choice_of(Input),
    "defaults": read_object,
    "mode": _mode,
    "enabled": read_flag,
    "owner": read_text,
    **{name: FIELDS[name] for name in OF_TASK},
}
