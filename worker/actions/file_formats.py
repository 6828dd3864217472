"""The text of a file as a value: JSON, lines of JSON, YAML, CSV."""

import codecs
import csv
import io
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any, Literal

import orjson

from slotgrid.steps.yaml_text import YamlFault, parse
from worker.actions.errors import ActionFailed

Format = Literal["text", "json", "ndjson", "yaml", "csv"]

ROWS_MOST = 1_000_000

_BY_SUFFIX: dict[str, Format] = {
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".csv": "csv",
    ".tsv": "csv",
}


class NotOfFormat(ValueError):
    """The text is not of the format; the message says where and why."""


def format_of(name: str) -> Format:
    """The format of a file by its suffix; `text` for an unknown one."""
    return _BY_SUFFIX.get(PurePosixPath(name).suffix.lower(), "text")


def decoded(data: bytes, encoding: str) -> str:
    """The text of a file, without a byte order mark.

    Raises NotOfFormat, and ActionFailed for an encoding that does not exist.
    """
    try:
        is_text = codecs.lookup(encoding)._is_text_encoding
    except (LookupError, ValueError) as cause:
        raise ActionFailed(f"{encoding!r} is no encoding that Python knows") from cause
    if not is_text:
        raise ActionFailed(f"{encoding!r} is no encoding of text")
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except UnicodeError as cause:
        raise NotOfFormat(f"is not {encoding}: {getattr(cause, 'reason', cause)}") from cause


def parsed(text: str, kind: Format, *, delimiter: str, header: bool) -> Any:
    """The value of the text. Raises NotOfFormat."""
    if kind == "csv":
        return _rows(text, delimiter, header=header)
    parsers: dict[str, Callable[[str], Any]] = {
        "text": lambda text: text,
        "json": _json,
        "ndjson": _json_lines,
        "yaml": _yaml,
    }
    return parsers[kind](text)


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as cause:
        raise NotOfFormat(f"is not JSON: {cause}") from cause


def _json_lines(text: str) -> list[Any]:
    values = []
    # Not `splitlines`: a string of JSON may contain U+2028 and the like.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            values.append(orjson.loads(line))
        except orjson.JSONDecodeError as cause:
            raise NotOfFormat(f"is not JSON in line {number}: {cause}") from cause
    return values


def _yaml(text: str) -> Any:
    try:
        return parse(text.encode()).value
    except YamlFault as cause:
        raise NotOfFormat(f"is not YAML as recipes have it, line {cause.line}: {cause}") from cause


def _rows(text: str, delimiter: str, *, header: bool) -> list[Any]:
    rows: list[Any] = []
    titles: list[str] | None = None
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if not row:
                continue
            if len(rows) >= ROWS_MOST:
                raise NotOfFormat(f"has more than {ROWS_MOST} rows")
            if not header:
                rows.append(row)
            elif titles is None:
                titles = _titles(row)
            elif len(row) > len(titles):
                raise NotOfFormat(
                    f"has {len(row)} cells in line {reader.line_num}, and {len(titles)} titles"
                )
            else:
                cells: list[str | None] = [*row, *[None] * (len(titles) - len(row))]
                rows.append(dict(zip(titles, cells, strict=True)))
    except csv.Error as cause:
        raise NotOfFormat(f"is not CSV in line {reader.line_num}: {cause}") from cause
    return rows


def _titles(row: list[str]) -> list[str]:
    titles = [title.strip() or f"column_{number}" for number, title in enumerate(row, 1)]
    for title in titles:
        if titles.count(title) > 1:
            raise NotOfFormat(f"has two columns {title!r}: use `header: false`")
    return titles
