"""The bytes of a YAML file as plain values, with the line of each part.

The core schema of YAML 1.2, with the numbers of JSON: `yes`, `on`, `0o17`, `1:30` and dates are
strings. A part has a place by its JSON pointer.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from slotgrid.core.errors import pointer

TEXT_MOST = 1_000_000
"""Bytes of a file: a recipe of a thousand steps has a tenth of that."""
PARTS_MOST = 100_000
"""Values in a file, those behind aliases counted each time."""
NESTING_MOST = 64
"""Levels of lists and mappings."""

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)", re.ASCII)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", re.ASCII)
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_CONSTANTS: Mapping[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_QUOTES_HINT = 'a template that begins a value needs quotes: "{{ ... }}"'
_FIRST_MOST, _LAST_MOST = -(2**63), 2**64 - 1
"""The integers that JSON carries between nodes."""


class YamlFault(ValueError):
    """A file that is not YAML as Slotgrid reads it. `line` counts from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


@dataclass(frozen=True, slots=True)
class Document:
    """The value of a file, and the line of each of its parts by JSON pointer."""

    value: Any
    lines: Mapping[str, int]

    def line(self, at: str) -> int:
        """The line of the part; of the nearest part around it for what has no line of its own."""
        while at not in self.lines and at:
            at = at.rpartition("/")[0]
        return self.lines.get(at, 1)


def parse(data: bytes) -> Document:
    """The one document of a file; None is the value of an empty file. Raises YamlFault."""
    if len(data) > TEXT_MOST:
        raise YamlFault(f"the file has {len(data):,} bytes, more than {TEXT_MOST:,}", 1)
    try:
        data.decode()
    except UnicodeDecodeError as cause:
        line = data.count(b"\n", 0, cause.start) + 1
        raise YamlFault("the file is not UTF-8", line) from cause
    builder = _Builder()
    try:
        for event in _events(data):
            builder.take(event)
    except yaml.YAMLError as cause:
        raise _syntax_fault(cause, data) from cause
    return Document(builder.root, builder.lines)


def _events(data: bytes) -> Iterator[Any]:
    """libyaml's events, one at a time, so that a builder can stop in the midst of a bomb."""
    loader = yaml.CSafeLoader(data)
    try:
        while loader.check_event():
            yield loader.get_event()
    finally:
        loader.dispose()


@dataclass(slots=True, eq=False)
class _Open:
    """A list or mapping that is still open. `parts` and `depth` include its contents."""

    value: dict[str, Any] | list[Any]
    at: str
    line: int
    anchor: str | None
    parts: int = 1
    depth: int = 1
    key: str | None = None
    """The key whose value comes next; None before a key, and in lists."""


@dataclass(frozen=True, slots=True)
class _Anchored:
    value: Any
    parts: int
    depth: int


@dataclass(slots=True, eq=False)
class _Builder:
    """Builds the value of a document from events. Not recursive: depth is a bound, not a crash."""

    root: Any = None
    lines: dict[str, int] = field(default_factory=lambda: {"": 1})
    open: list[_Open] = field(default_factory=list)
    anchors: dict[str, _Anchored | None] = field(default_factory=dict)
    """The value of each anchor; None while its list or mapping is open."""
    documents: int = 0
    parts: int = 0

    def take(self, event: Any) -> None:
        line = event.start_mark.line + 1
        match event:
            case yaml.ScalarEvent():
                self._scalar(event, line)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._begin(event, line)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._end()
            case yaml.AliasEvent():
                self._alias(event, line)
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    raise YamlFault("the file has several documents (`---`), expected one", line)

    def _scalar(self, event: Any, line: int) -> None:
        self._refuse_tag(event, line)
        value = event.value if not event.implicit[0] else _plain(event.value, line)
        if self._awaits_key():
            self._key(value, event.value, line)
            return
        self._count(1, line)
        if event.anchor:
            self.anchors[event.anchor] = _Anchored(value, 1, 0)
        self._add(value, line)

    def _begin(self, event: Any, line: int) -> None:
        self._refuse_tag(event, line)
        mapping = isinstance(event, yaml.MappingStartEvent)
        if self._awaits_key():
            kind = "mapping" if mapping else "list"
            raise YamlFault(f"a {kind} cannot be a key; {_QUOTES_HINT}", line)
        if len(self.open) >= NESTING_MOST:
            raise YamlFault(f"is nested deeper than {NESTING_MOST} levels", line)
        self._count(1, line)
        if event.anchor:
            self.anchors[event.anchor] = None
        value: dict[str, Any] | list[Any] = {} if mapping else []
        at, line = self._add(value, line)
        self.open.append(_Open(value, at, line, event.anchor))

    def _end(self) -> None:
        ended = self.open.pop()
        if ended.anchor:
            self.anchors[ended.anchor] = _Anchored(ended.value, ended.parts, ended.depth)
        if self.open:
            above = self.open[-1]
            above.parts += ended.parts - 1  # it counted as one part when it began
            above.depth = max(above.depth, ended.depth + 1)

    def _alias(self, event: Any, line: int) -> None:
        name = event.anchor
        if name not in self.anchors:
            raise YamlFault(f"`*{name}` has no anchor `&{name}` above it", line)
        anchored = self.anchors[name]
        if anchored is None:
            raise YamlFault(f"`*{name}` is inside of what `&{name}` names: it has no end", line)
        if self._awaits_key():
            self._key(anchored.value, f"*{name}", line)
            return
        if len(self.open) + anchored.depth > NESTING_MOST:
            raise YamlFault(f"is nested deeper than {NESTING_MOST} levels", line)
        self._count(anchored.parts, line)
        self._add(anchored.value, line)
        if self.open:
            self.open[-1].parts += anchored.parts - 1
            self.open[-1].depth = max(self.open[-1].depth, anchored.depth + 1)

    def _awaits_key(self) -> bool:
        return (
            bool(self.open) and isinstance(self.open[-1].value, dict) and self.open[-1].key is None
        )

    def _key(self, key: Any, text: str, line: int) -> None:
        above = self.open[-1]
        if not isinstance(key, str):
            raise YamlFault(f'a key must be a string: write "{text}" in quotes', line)
        if key == "<<":
            raise YamlFault("merge keys (`<<`) are not supported; write the keys out", line)
        if key in above.value:
            first = self.lines[above.at + pointer([key])]
            raise YamlFault(f"`{key}` is here twice; the first is in line {first}", line)
        above.key = key
        self.lines[above.at + pointer([key])] = line

    def _add(self, value: Any, line: int) -> tuple[str, int]:
        """Put a value where it belongs; its pointer and line (that of its key, if it has one)."""
        if not self.open:
            self.root = value
            self.lines[""] = line
            return "", line
        above = self.open[-1]
        above.parts += 1
        if isinstance(above.value, list):
            at = f"{above.at}/{len(above.value)}"
            above.value.append(value)
            self.lines[at] = line
            return at, line
        assert above.key is not None
        at = above.at + pointer([above.key])
        above.value[above.key] = value
        above.key = None
        return at, self.lines[at]

    def _count(self, parts: int, line: int) -> None:
        self.parts += parts
        if self.parts > PARTS_MOST:
            raise YamlFault(f"has more than {PARTS_MOST:,} values, its aliases written out", line)

    def _refuse_tag(self, event: Any, line: int) -> None:
        if event.tag not in {None, "!"}:
            shown = event.tag.replace("tag:yaml.org,2002:", "!!")
            raise YamlFault(
                f"tags such as `{shown}` are not supported; quotes make a value a string", line
            )


def _plain(text: str, line: int) -> Any:
    """The value of a scalar without quotes."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        if len(text) <= 20 and _FIRST_MOST <= (number := int(text)) <= _LAST_MOST:
            return number
        raise YamlFault("the number has more than 64 bits; quotes make it a string", line)
    if _NUMBER.fullmatch(text):
        if math.isfinite(decimal := float(text)):
            return decimal
        raise YamlFault(f"`{text[:40]}` is too large for a number", line)
    if _NOT_FINITE.fullmatch(text):
        raise YamlFault(f"`{text}` is not a number of JSON; quotes make it a string", line)
    return text


def _syntax_fault(error: yaml.YAMLError, data: bytes) -> YamlFault:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    if mark is None:  # a character that YAML forbids: only its position is known
        position = getattr(error, "position", 0)
        line = data.count(b"\n", 0, position if isinstance(position, int) else 0) + 1
        return YamlFault(f"the file has a character that YAML forbids: {problem}", line)
    lines = data.decode(errors="replace").split("\n")
    text = lines[mark.line] if mark.line < len(lines) else ""
    context = getattr(error, "context", None)
    message = f"{problem} ({context})" if context else str(problem)
    indent = text[: len(text) - len(text.lstrip())]
    if "\t" in indent:
        message = "a tab in the indentation; YAML is indented by spaces"
    elif "cannot start any token" in message:
        message = f"a value that begins with `{text[mark.column : mark.column + 1]}` needs quotes"
    elif "{{" in text or (mark.line and "{{" in lines[mark.line - 1]):
        message = f"{message}; {_QUOTES_HINT}"
    elif "mapping values are not allowed" in message:
        message = f"{message}; a text with `: ` in it needs quotes"
    return YamlFault(f"not YAML: {message}", mark.line + 1)
