"""The placeholders of webtasks, `{{name}}`, as templates of ours."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_TOKEN = re.compile(r"\{\{\s*([^{}|]*?)\s*(?:\|\s*([^{}]*?)\s*)?\}\}")
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_JINJA = re.compile(r"\{\{|\{%|\{#")
_KEYWORDS = frozenset({"and", "else", "if", "in", "is", "not", "or", "true", "false", "none"})


@dataclass(frozen=True, slots=True)
class Bound:
    """The translation of a name: an expression, and the place of webtasks' members in it.

    `value` is the expression of the whole value, where that differs. `text`: it is known to be a
    text; `number`: a number or boolean. `optional`: it may be missing, which is an empty text.
    `read` is called with the member that is read, empty for the value itself.
    """

    expression: str
    members: Mapping[str, str] = field(default_factory=dict)
    value: str = ""
    text: bool = False
    number: bool = False
    optional: bool = False
    read: Callable[[str], None] | None = None


Resolve = Callable[[str], Bound]
"""The translations of names at the place of a step."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A placeholder as an expression without its braces."""

    code: str
    text: bool = False


def single(text: str, resolve: Resolve) -> Expression | None:
    """The expression of a text that is one placeholder and nothing else; None for any other."""
    found = _TOKEN.fullmatch(text.strip())
    return None if found is None else _expression(found, resolve)


def translated(text: str, resolve: Resolve) -> str:
    """The text with our templates; what Jinja2 would read as its own is quoted."""
    if (one := single(text, resolve)) is not None:
        return f"{{{{ {one.code} }}}}"
    parts: list[str] = []
    last = 0
    for found in _TOKEN.finditer(text):
        parts += [text[last : found.start()], f"{{{{ {_expression(found, resolve).code} }}}}"]
        last = found.end()
    parts.append(text[last:])
    is_template = len(parts) > 1 or "{{" in text or "{%" in text
    if not is_template:
        return text
    for index in range(0, len(parts), 2):
        literal = _JINJA.sub(lambda one: f'{{{{ "{one[0]}" }}}}', parts[index])
        if literal.endswith("{") and index + 1 < len(parts):
            literal = literal[:-1] + '{{ "{" }}'
        parts[index] = literal
    return "".join(parts)


def value_of(value: Any, resolve: Resolve) -> Any:
    """A value with our templates in its texts."""
    if isinstance(value, str):
        return translated(value, resolve)
    if isinstance(value, list):
        return [value_of(one, resolve) for one in value]
    if isinstance(value, dict):
        return {str(key): value_of(one, resolve) for key, one in value.items()}
    return value


def has_tokens(value: Any) -> bool:
    """Whether the value has a placeholder."""
    if isinstance(value, str):
        return _TOKEN.search(value) is not None
    if isinstance(value, list | dict):
        parts = value.values() if isinstance(value, dict) else value
        return any(has_tokens(one) for one in parts)
    return False


def after_last_slash(text: str) -> str:
    """The part of a path behind its last slash outside of placeholders."""
    masked = _TOKEN.sub(lambda found: "x" * len(found[0]), text)
    return text[max(masked.rfind("/"), masked.rfind("\\")) + 1 :]


def member(expression: str, key: str) -> str:
    """The expression of a member."""
    if _IDENTIFIER.fullmatch(key) and key not in _KEYWORDS:
        return f"{expression}.{key}"
    return f"{expression}[{quoted(key)}]"


def quoted(text: str) -> str:
    """The text as a literal of an expression."""
    literal = json.dumps(text, ensure_ascii=False)
    # Braces would end the template, or begin one, for whoever looks for them first.
    return literal.replace("{{", "{\\u007b").replace("}}", "}\\u007d").replace("{%", "{\\u0025")


def _expression(found: re.Match[str], resolve: Resolve) -> Expression:
    name, fallback = found[1], found[2]
    first, *rest = name.split(".")
    bound = resolve(first)
    length = len(rest) > 0 and rest[-1] == "length"
    if length:
        rest.pop()
    if bound.read is not None:
        bound.read(rest[0] if rest else "")
    code = bound.expression if rest else bound.value or bound.expression
    for index, key in enumerate(rest):
        code = member(code, bound.members.get(key, key) if index == 0 else key)
    text = bound.text and not rest
    if length:
        return Expression(f"{code}|length")
    if fallback is not None and fallback.startswith("or:"):
        also = "" if bound.number and not rest else ", true"
        return Expression(f"{code}|default({quoted(fallback[3:].strip())}{also})", text)
    if bound.optional or rest:
        return Expression(f'{code}|default("")', text)
    return Expression(code, text)
