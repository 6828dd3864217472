"""Parses `secrets.yaml`: the secrets of a worker, and where it looks for their values."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from slotgrid.core.errors import pointer
from slotgrid.steps.yaml_text import Document, YamlFault, parse

SECRETS_LIMIT = 1000
DESCRIPTION_CHARS = 500
MEMBERS = ("description", "required", "source")

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


class SourceKind(StrEnum):
    """A kind of place that has the value of a secret."""

    ENVIRONMENT = "environment"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Source:
    """One place that may have the value: an environment variable, or the path of a file."""

    kind: SourceKind
    place: str

    def __str__(self) -> str:
        what = "environment variable" if self.kind is SourceKind.ENVIRONMENT else "file"
        return f"{what} {self.place}"


@dataclass(frozen=True, slots=True)
class Declaration:
    """One secret; the first of its sources that has a value counts."""

    name: str
    sources: tuple[Source, ...]
    description: str = ""
    required: bool = True

    @classmethod
    def undeclared(cls, name: str) -> "Declaration":
        """The declaration of a name that the file lacks: the variable of that name."""
        return cls(name, (Source(SourceKind.ENVIRONMENT, name),))

    def __str__(self) -> str:
        return f"{self.name} ({self.description})" if self.description else self.name


class SecretsFileFault(ValueError):
    """`secrets.yaml` cannot be used; the text names the line and the reason."""


def parse_declarations(data: bytes, folder: Path) -> Mapping[str, Declaration]:
    """The declared secrets, by name. Raises SecretsFileFault.

    `folder` is the file's own, from which relative paths count.
    """
    try:
        document = parse(data)
    except YamlFault as fault:
        raise SecretsFileFault(f"line {fault.line}: {fault.message}") from fault
    if document.value is None:
        return {}
    reader = _Reader(document, folder)
    members = reader.mapping((), "the file")
    if len(members) > SECRETS_LIMIT:
        raise SecretsFileFault(f"declares more than {SECRETS_LIMIT} secrets")
    return {name: reader.declaration(name) for name in members}


@dataclass(frozen=True)
class _Reader:
    """Reads the parts of a document; `at` is the path of a part."""

    document: Document
    folder: Path

    def declaration(self, name: str) -> Declaration:
        if not _NAME.fullmatch(name):
            expected = "letters, digits and _, such as API_TOKEN"
            raise self._fault((name,), f"`{name}` cannot name a secret: {expected}")
        undeclared = Declaration.undeclared(name)
        if self._value((name,)) is None:
            return undeclared
        members = self.mapping((name,), f"`{name}`")
        for member in members:
            if member not in MEMBERS:
                near = difflib.get_close_matches(member, MEMBERS, 1)
                hint = f"; did you mean `{near[0]}`?" if near else f": it has {', '.join(MEMBERS)}"
                raise self._fault((name, member), f"`{name}` cannot have `{member}`{hint}")
        required = members.get("required", True)
        if not isinstance(required, bool):
            raise self._fault((name, "required"), f"`required` of `{name}` is true or false")
        return Declaration(
            name,
            self._sources(name) if "source" in members else undeclared.sources,
            self._description(name, members.get("description")),
            required,
        )

    def mapping(self, at: tuple[str | int, ...], what: str) -> dict[str, Any]:
        found = self._value(at)
        if not isinstance(found, dict):
            raise self._fault(at, f"{what} is not a mapping of names to values")
        return found

    def _description(self, name: str, given: object) -> str:
        if given is None:
            return ""
        if not isinstance(given, str):
            raise self._fault((name, "description"), f"the description of `{name}` is not a text")
        text = " ".join(given.split())
        return text if len(text) <= DESCRIPTION_CHARS else f"{text[:DESCRIPTION_CHARS]} …"

    def _sources(self, name: str) -> tuple[Source, ...]:
        at = (name, "source")
        given = self._value(at)
        if not isinstance(given, list):
            return (self._source(name, at),)
        if not given:
            raise self._fault(at, f"`source` of `{name}` is empty: give {{env: NAME}}")
        return tuple(self._source(name, (*at, number)) for number in range(len(given)))

    def _source(self, name: str, at: tuple[str | int, ...]) -> Source:
        members = list(self.mapping(at, f"`source` of `{name}`").items())
        if len(members) != 1 or members[0][0] not in ("env", "file"):
            shape = "{env: NAME}, {file: path} or a list of them"
            raise self._fault(at, f"`source` of `{name}` is {shape}")
        [(kind, place)] = members
        if not isinstance(place, str) or not place or "\0" in place:
            raise self._fault(at, f"`{kind}` of `{name}` is not a text")
        if kind == "env":
            return Source(SourceKind.ENVIRONMENT, place)
        return Source(SourceKind.FILE, str(self.folder / place))

    def _value(self, at: tuple[str | int, ...]) -> Any:
        found = self.document.value
        for part in at:
            found = found[part]
        return found

    def _fault(self, at: tuple[str | int, ...], text: str) -> SecretsFileFault:
        return SecretsFileFault(f"line {self.document.line(pointer(at))}: {text}")
