"""JSON Schemas as tables of Markdown: fields, types, defaults, limits."""

import inspect
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.docs.tables import table

Json = Mapping[str, Any]


class SchemaTables:
    """The tables of one schema: its own fields, and a section for each object inside it.

    `elsewhere` are objects that have a page of their own, by their title.
    """

    def __init__(
        self, document: Json, elsewhere: Mapping[str, str], *, is_input: bool = False
    ) -> None:
        self._is_input = is_input
        self._definitions: Mapping[str, Json] = document.get("$defs", {})
        self._document = self._definitions.get(self._name(document), document)
        self._elsewhere = elsewhere

    @property
    def description(self) -> str:
        """What the object is, by its class."""
        return _text(self._document)

    @property
    def has_fields(self) -> bool:
        """Whether it is an object with fields of its own."""
        return bool(self._document.get("properties"))

    @property
    def kind(self) -> str:
        """The type of what has no fields, such as a list."""
        return self._kind(self._document)

    def fields(self) -> list[str]:
        """The table of the fields."""
        return self._table(self._document)

    def blocks(self) -> Iterator[tuple[str, str, list[str]]]:
        """Name, description and table of each object that a field has, in order, once."""
        seen: list[str] = []
        waiting = [self._document]
        while waiting:
            names = [name for name in self._references(waiting.pop(0)) if name not in seen]
            for name in dict.fromkeys(names):
                seen.append(name)
                found = self._definitions[name]
                if "properties" in found:
                    yield name, _text(found), self._table(found)
                waiting.append(found)

    def _table(self, found: Json) -> list[str]:
        required = found.get("required", ())
        rows = []
        for name, field in found["properties"].items():
            default = "**required**" if self._is_input and name in required else ""
            if self._is_input and "default" in field:
                default = f"`{json.dumps(field['default'], ensure_ascii=False)}`"
            rows.append((f"`{name}`", self._kind(field), default, self._meaning(field)))
        columns = ("Field", "Type", "Default", "Meaning")
        # Without the columns in which no field has anything.
        kept = [at for at in range(len(columns)) if any(row[at] for row in rows)]
        return table([columns[at] for at in kept], [[row[at] for at in kept] for row in rows])

    def _kind(self, field: Json) -> str:
        if name := self._name(field):
            return self._reference(name)
        if "anyOf" in field:
            # A field that is null by default is null when it is left out: nobody gives that.
            optional = self._is_input and field.get("default", ...) is None
            parts = [one for one in field["anyOf"] if not (optional and one.get("type") == "null")]
            return " or ".join(dict.fromkeys(map(self._kind, parts)))
        if "enum" in field:
            return " or ".join(f"`{json.dumps(value)}`" for value in field["enum"])
        kind = str(field.get("type", "any"))
        if field.get("contentEncoding") == "base64":
            kind = "base64"
        elif kind == "array":
            kind = f"list of {self._part(field.get('items', {}))}"
        elif kind == "object":
            kind = f"map of {self._part(field.get('additionalProperties') or {})}"
        return kind

    def _reference(self, name: str) -> str:
        if name in self._elsewhere:
            return f"[object]({self._elsewhere[name]})"
        found = self._definitions[name]
        return f"[{name}](#{name.lower()})" if "properties" in found else self._kind(found)

    def _part(self, field: Json) -> str:
        kind = self._kind(field)
        return f"({kind})" if " or " in kind else kind

    def _meaning(self, field: Json) -> str:
        parts = [re.sub(r",? ?\.\.\.$", " and more", _text(field)).rstrip(".")]
        if field.get("writeOnly"):
            parts.append("Secret")
        if limits := "; ".join(self._limits(field, is_told=bool(parts[0]))):
            parts.append(limits[0].upper() + limits[1:])
        text = ". ".join(part for part in parts if part)
        return f"{text}." if text else ""

    def _limits(self, field: Json, *, is_told: bool = False) -> Iterator[str]:
        """The limits of a field, those of its parts too where only one part has any.

        `is_told`: the field's description says in words what its pattern allows.
        """
        if name := self._name(field):
            if "properties" not in self._definitions[name]:
                yield from self._limits(self._definitions[name], is_told=is_told)
            return
        for part in field.get("anyOf", ()):
            yield from self._limits(part, is_told=is_told)
        if (above := field.get("exclusiveMinimum")) is not None:
            yield f"above {above}"
        for low, high, unit in (
            ("minimum", "maximum", ""),
            ("minLength", "maxLength", " characters"),
            ("minItems", "maxItems", " items"),
            ("minProperties", "maxProperties", " entries"),
        ):
            if text := _range(field.get(low), field.get(high), unit):
                yield text
        if (pattern := field.get("pattern")) and not is_told:
            yield f"matches `{pattern}`"
        for part in ("items", "additionalProperties"):
            inner = field.get(part)
            if isinstance(inner, Mapping) and (
                limits := list(self._limits(inner, is_told=is_told))
            ):
                yield f"each {', '.join(limits)}"

    def _references(self, found: Any) -> Iterator[str]:
        """The names of the objects inside a schema, in order."""
        if isinstance(found, Mapping):
            if name := self._name(found):
                if name not in self._elsewhere:
                    yield name
                return
            for key, part in found.items():
                if key != "$defs":
                    yield from self._references(part)
        elif isinstance(found, list):
            for part in found:
                yield from self._references(part)

    def _name(self, found: Json) -> str:
        return str(found.get("$ref", "")).rpartition("/")[2]


def _text(found: Json) -> str:
    """The description, with `*` and `<` as they are outside of code."""
    text = inspect.cleandoc(str(found.get("description", "")))
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(p if p.startswith("`") else re.sub(r"([*<])", r"\\\1", p) for p in parts)


def _range(low: float | None, high: float | None, unit: str) -> str:
    match low, high:
        case None, None:
            return ""
        case None, _:
            return f"at most {high:,}{unit}"
        case _, None:
            return f"at least {low:,}{unit}" if low else ""
        case 0, _ if unit:
            return f"at most {high:,}{unit}"
    return f"{low:,} to {high:,}{unit}"


def lines(blocks: Sequence[Sequence[str]]) -> str:
    """Blocks of lines, with an empty line between two."""
    return "\n\n".join("\n".join(block) for block in blocks if block)
