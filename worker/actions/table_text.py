"""Records as the text of a table: CSV, lines of JSON, or a table of Markdown."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

TableFormat = Literal["csv", "ndjson", "md"]
Formulas = Literal["escape", "keep"]

_FORMULA = re.compile(r"^[=+\-@\t\r]")
_NUMBER = re.compile(r"^[+-]?[\d\s.,\u00a0\u202f']*\d%?$")
"""A signed number is no formula, in whichever country it was written."""
_ABSENT = object()


@dataclass(frozen=True)
class Column:
    """A column: `name` is a key of the records, or keys with dots between them."""

    name: str
    title: str


def columns_of(records: Iterable[Any], most: int) -> list[Column]:
    """The keys of all records, in the order in which they first appear.

    Raises ValueError above `most`.
    """
    names: dict[str, None] = {}
    for record in records:
        keys = record if isinstance(record, Mapping) else positions(record)
        names.update(dict.fromkeys(keys))
        if len(names) > most:
            raise ValueError(f"the records have more than {most} different keys: give `columns`")
    return [Column(name, name) for name in names]


def positions(record: Any) -> list[str]:
    """The keys of a record that is no object: those of a list are 1, 2, ..., else `value`."""
    if isinstance(record, list):
        return [str(number) for number in range(1, len(record) + 1)]
    return ["value"]


@dataclass
class TableText:
    """Writes rows. `escaped` counts the cells that a spreadsheet would have taken for formulas."""

    kind: TableFormat
    columns: Sequence[Column]
    missing: str | None = None
    delimiter: str = ","
    formulas: Formulas = "escape"
    escaped: int = 0

    def head(self) -> str:
        """The lines before the rows."""
        titles = [column.title for column in self.columns]
        if self.kind == "csv":
            return self._line([self._guarded(title) for title in titles])
        if self.kind == "md":
            return _row(map(_markdown, titles)) + _row("---" for _ in titles)
        return ""

    def rows(self, records: Iterable[Any]) -> Iterator[str]:
        """The text of each record."""
        for record in records:
            values = [_value(record, column.name) for column in self.columns]
            if self.kind == "ndjson":
                given = zip((column.title for column in self.columns), values, strict=True)
                yield orjson.dumps(
                    {title: self.missing if value is _ABSENT else value for title, value in given},
                    option=orjson.OPT_APPEND_NEWLINE,
                ).decode()
            elif self.kind == "md":
                yield _row(_markdown(self._cell(value)) for value in values)
            else:
                yield self._line([self._csv_cell(value) for value in values])

    def _cell(self, value: Any) -> str:
        if value is None or value is _ABSENT:
            return self.missing or ""
        if isinstance(value, str):
            return value
        return orjson.dumps(value).decode()

    def _csv_cell(self, value: Any) -> str:
        cell = self._cell(value)
        # The number -5 is one; the text "-5+cmd" may be a formula.
        return self._guarded(cell) if isinstance(value, str) else cell

    def _guarded(self, cell: str) -> str:
        if self.formulas == "keep" or not _FORMULA.match(cell) or _NUMBER.match(cell):
            return cell
        self.escaped += 1
        return f"'{cell}"

    def _line(self, cells: Sequence[str]) -> str:
        text = io.StringIO()
        csv.writer(text, delimiter=self.delimiter).writerow(cells)
        return text.getvalue()


def _value(record: Any, name: str) -> Any:
    """The value of a key; a key that contains dots goes before a way through inner objects."""
    if not isinstance(record, Mapping):
        keys = positions(record)
        if name not in keys:
            return _ABSENT
        return record[keys.index(name)] if isinstance(record, list) else record
    if name in record:
        return record[name]
    value: Any = record
    for key in name.split("."):
        if not isinstance(value, Mapping) or key not in value:
            return _ABSENT
        value = value[key]
    return value


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _markdown(cell: str) -> str:
    r"""A cell of a table: `\` before what would end it, `<br>` for the end of a line."""
    text = cell.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
    return re.sub(r"\r\n|[\r\n\x0b\x0c\u2028\u2029]", "<br>", text).strip()
