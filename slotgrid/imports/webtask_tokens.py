"""A line of the `.webtask` language as tokens: bare words, texts in quotes, lists and objects."""

from dataclasses import dataclass
from typing import Any

from slotgrid.steps.yaml_text import YamlFault, parse

_CLOSING = {"[": "]", "{": "}"}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "'": "'", "\\": "\\"}


class LineFault(ValueError):
    """A line that cannot be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Token:
    """One part of a line. `bare`: a word without quotes."""

    value: Any
    bare: bool
    start: int
    """Where in the line it begins."""


def tokens_of(line: str) -> list[Token]:
    """The parts of a line, up to a comment. Raises LineFault."""
    tokens: list[Token] = []
    at = 0
    while at < len(line):
        sign = line[at]
        if sign.isspace():
            at += 1
        elif sign == "#":
            break
        elif sign == '"':
            value, end = _text(line, at)
            tokens.append(Token(value, bare=False, start=at))
            at = end
        elif line.startswith("{{", at) and (closed := line.find("}}", at)) > 0:
            # A value that begins with a placeholder, without quotes, as `{{site}}/login`.
            end = closed + 2
            while end < len(line) and not line[end].isspace():
                end += 1
            tokens.append(Token(line[at:end], bare=False, start=at))
            at = end
        elif sign in _CLOSING:
            end = _end_of_group(line, at)
            tokens.append(Token(_group(line[at:end]), bare=False, start=at))
            at = end
        else:
            end = at
            while end < len(line) and not line[end].isspace():
                end += 1
            tokens.append(Token(line[at:end], bare=True, start=at))
            at = end
    return tokens


def is_open(line: str) -> bool:
    """Whether a list or object of the line has not ended, so that the next line belongs to it."""
    depth = 0
    at = 0
    while at < len(line):
        sign = line[at]
        if sign == '"':
            try:
                _, at = _text(line, at)
            except LineFault:
                return False
            continue
        if sign == "#" and not depth and (at == 0 or line[at - 1].isspace()):
            break
        depth += (sign in "[{") - (sign in "]}")
        at += 1
    return depth > 0


def scalar(token: Token) -> Any:
    """The value of a token: a bare word may be a number or a boolean."""
    if not token.bare:
        return token.value
    word = str(token.value)
    if word in {"true", "false"}:
        return word == "true"
    for kind in (int, float):
        try:
            number = kind(word.removesuffix("ms") if word[:1].isdigit() else word)
        except ValueError:
            continue
        if isinstance(number, int) or word.lower().strip("+-") not in {"nan", "inf", "infinity"}:
            return number
    return word


def _text(line: str, at: int) -> tuple[str, int]:
    """The text in quotes that begins at a place, and where it ends."""
    value: list[str] = []
    at += 1
    while at < len(line):
        sign = line[at]
        if sign == '"':
            return "".join(value), at + 1
        if sign == "\\" and at + 1 < len(line):
            following = line[at + 1]
            value.append(_ESCAPES.get(following, sign + following))
            at += 2
            continue
        value.append(sign)
        at += 1
    raise LineFault("the text has no closing quote")


def _end_of_group(line: str, at: int) -> int:
    depth = 0
    while at < len(line):
        sign = line[at]
        if sign == '"':
            _, at = _text(line, at)
            continue
        depth += (sign in "[{") - (sign in "]}")
        at += 1
        if depth == 0:
            return at
    raise LineFault("the list or object has no end")


def _group(text: str) -> Any:
    try:
        return parse(text.encode()).value
    except YamlFault as fault:
        raise LineFault(f"the list or object cannot be read: {fault.message}") from fault
