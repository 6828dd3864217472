"""The forms that a secret takes in texts: as it is, in JSON, URLs, HTML, `repr` and base64."""

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from functools import lru_cache
from html import escape
from html.entities import codepoint2name
from urllib.parse import quote, quote_plus

TELLING_LINE = 8
"""In a secret with several lines (a private key), each line of at least this length is hidden by
itself too: a traceback or a log shipper shows single lines."""
BASE64_BYTES = 8
"""A shorter secret is not searched for in base64, where its few characters occur by chance."""
NEEDLE = 3

_RUN = re.compile(r"[A-Za-z0-9]+")
_SHORT_ESCAPES = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f", "\v": "v", "\0": "0"}
# Escaped up to four times: JSON in JSON, an address in an address.
_BACKSLASHES = r"\\{1,8}"
_PERCENT = "%(?:25){0,3}"
_AMPERSAND = "&(?:amp;){0,3}"
_BASE64 = r"[A-Za-z0-9+/_-]?"


def parts(text: str) -> Iterator[str]:
    """The secret, and its lines that are secrets by themselves."""
    yield text
    lines = text.splitlines()
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= TELLING_LINE)


@lru_cache(maxsize=256)
def patterns(text: str) -> tuple[tuple[str, str], ...]:
    """Regular expressions for one part in any form.

    Each comes with letters and digits that occur in all that it matches, empty if there are none.
    """
    whole = "".join(_character(char) for char in re.split(r"(\\+)", text) if char)
    return ((whole, _longest_run(text)), *_base64_patterns(text))


def writings(text: str) -> Iterator[str]:
    """One part as the usual encoders write it, for the search of a part that is incomplete."""
    yield text
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield repr(text)[1:-1]
    yield escape(text)
    yield quote(text, errors="surrogatepass")
    yield quote(text, safe="", errors="surrogatepass")
    yield quote_plus(text, errors="surrogatepass")
    for core, _, _ in _base64_cores(text):
        yield core


def _character(given: str) -> str:
    """A pattern for one piece: a run of backslashes, or the characters between two runs."""
    if given.startswith("\\"):
        count, of_web = len(given), "|".join(_of_web(given[0]))
        return rf"(?:\\{{{count},{8 * count}}}|(?:{of_web}){{{count}}})"
    return "".join(_one(char) for char in given)


@lru_cache(maxsize=1024)
def _one(char: str) -> str:
    if char.isascii() and char.isalnum():
        return char
    code = ord(char)
    forms = _of_web(char)
    if char in _SHORT_ESCAPES:
        forms.append(_BACKSLASHES + _SHORT_ESCAPES[char])
    if char == "\n":
        forms.append("\r\n")
    if char == " ":
        forms.append(r"\+")
    if code < 256:
        forms.append(f"{_BACKSLASHES}x{_hex(code, 2)}")
    units = char.encode("utf-16-be", "surrogatepass").hex()
    forms.append(
        "".join(
            f"{_BACKSLASHES}u{_hex(int(units[at : at + 4], 16), 4)}"
            for at in range(0, len(units), 4)
        )
    )
    if code > 0xFFFF:
        forms.append(f"{_BACKSLASHES}U{_hex(code, 8)}")
    # The last, as it may be the beginning of another form, such as `&` of `&amp;`.
    forms.append(rf"\\{{0,8}}{char}" if char in "\"'/" else re.escape(char))
    return f"(?:{'|'.join(forms)})"


def _of_web(char: str) -> list[str]:
    """The forms of a character in URLs and HTML."""
    code = ord(char)
    names = {codepoint2name.get(code), "apos" if char == "'" else None}
    return [
        _encoded(char),
        f"{_AMPERSAND}#0{{0,6}}{code};",
        f"{_AMPERSAND}#[xX]0{{0,6}}{_hex(code, 1)};",
        *(f"{_AMPERSAND}{name};" for name in names if name),
    ]


def _encoded(text: str) -> str:
    return "".join(f"{_PERCENT}{_hex(byte, 2)}" for byte in text.encode("utf-8", "surrogatepass"))


def _hex(number: int, digits: int) -> str:
    """The digits of a number, in upper or lower case."""
    return "".join(
        f"[{digit}{digit.upper()}]" if digit.isalpha() else digit
        for digit in f"{number:0{digits}x}"
    )


def _base64_cores(text: str) -> Iterator[tuple[str, bool, bool]]:
    """The base64 of the text behind 0, 1 and 2 other bytes, as far as only the text decides it.

    With each: whether a part of its first byte is in the character before, and of its last in the
    one after.
    """
    data = text.encode("utf-8", "surrogatepass")
    if len(data) < BASE64_BYTES:
        return
    for before in range(3):
        bits, end = 8 * before, 8 * (before + len(data))
        written = b64encode(bytes(before) + data).decode()
        yield written[(bits + 5) // 6 : end // 6], bool(bits % 6), bool(end % 6)


def _base64_patterns(text: str) -> Iterator[tuple[str, str]]:
    for core, before, after in _base64_cores(text):
        pattern = "".join(
            {
                "+": f"(?:[+-]|{_encoded('+')})",
                "/": rf"(?:\\{{0,8}}[/_]|{_encoded('/')})",
            }.get(char, char)
            for char in core
        )
        yield f"{_BASE64 * before}{pattern}{_BASE64 * after}", _longest_run(core)


def _longest_run(text: str) -> str:
    found = max(_RUN.findall(text), key=len, default="")
    return found if len(found) >= NEEDLE else ""
