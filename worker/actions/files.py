"""Files: those of the functions folder as values, and values as files of the task."""

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import orjson

from slotgrid.core.errors import Violation
from slotgrid.function import Meta
from worker.actions.action import ParametersInvalid, action
from worker.actions.action_context import ActionContext
from worker.actions.errors import ActionFailed
from worker.actions.file_formats import Format, NotOfFormat, decoded, format_of, parsed
from worker.actions.function_files import FileMissing
from worker.actions.saved_file import FileName, SavedFile, save_file
from worker.actions.table_text import Column, Formulas, TableFormat, TableText, columns_of

FILES_MOST = 100
COLUMNS_MOST = 1000
BATCH_ROWS = 500
"""Rows between two moments at which other tasks can go on."""

Delimiter = Annotated[
    Literal[",", ";", "\t", "|"], Meta(description="What separates the cells of CSV")
]
ColumnName = Annotated[str, Meta(min_length=1, max_length=500)]
_SUFFIX = {"csv": "csv", "ndjson": "ndjson", "md": "md"}


# A struct, as a dataclass would ignore an unknown name.
class ColumnChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A column with a title of its own."""

    name: Annotated[
        ColumnName, Meta(description="Key of the records; with dots, a way to an inner one")
    ]
    title: Annotated[str, Meta(max_length=500, description="What the column is called")]


class NewFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file to write; one of `text`, `base64` and `json` is its content."""

    path: Annotated[str, Meta(min_length=1, max_length=255, description="Name of the artifact")]
    text: str | None = None
    base64: Annotated[str | None, Meta(description="The bytes in base64")] = None
    json: Annotated[
        Any | msgspec.UnsetType, Meta(description="A value that is written as JSON")
    ] = msgspec.UNSET


@dataclass(frozen=True)
class WrittenFiles:
    """The files, in the order in which they were given."""

    files: list[SavedFile]


@dataclass(frozen=True)
class ExportedFile(SavedFile):
    """The table as an artifact."""

    rows: Annotated[int, Meta(description="Rows without the line of the titles")] = 0
    columns: Annotated[list[str], Meta(description="Titles of the columns")] = ()  # type: ignore[assignment]
    escaped: Annotated[
        int, Meta(description="Cells of CSV that got a `'`, as they begin like a formula")
    ] = 0


@action
async def read_file(
    action: ActionContext,
    path: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=1000,
            description="File of the functions folder: beside the recipe, or with a leading `/` "
            "below the folder itself",
        ),
    ],
    *,
    format: Annotated[  # noqa: A002  the field's word
        Format | Literal["base64"] | None,
        Meta(description="What the file is; by its suffix if left out, else `text`"),
    ] = None,
    optional: Annotated[bool, Meta(description="Give null if there is no such file")] = False,
    encoding: Annotated[
        str, Meta(pattern="^[A-Za-z0-9_.-]{1,40}$", description="Encoding of the text")
    ] = "utf-8",
    delimiter: Annotated[
        Delimiter | None, Meta(description="Of CSV; a comma, or a tab for `.tsv`, if left out")
    ] = None,
    header: Annotated[
        bool, Meta(description="The first line of CSV has titles; without them, rows are lists")
    ] = True,
) -> Any:
    """Read a file of the functions folder: text, JSON, lines of JSON, YAML or CSV as a value.

    Example:

    ```yaml
    - {action: read_file, with: {path: /data/prices.csv}}
    ```

    Limits:

    - At most 10 MiB, YAML 1 MB; nothing outside the functions folder.
    - Cells of CSV are text. A row with fewer cells than titles has null for the others; one with
      more fails, as do two columns of one title.
    - YAML is read as recipes are: `yes`, `on` and dates are text.
    """
    try:
        data = await action.files.read(path)
    except FileMissing:
        if optional:
            return None
        raise
    if format == "base64":
        return base64.b64encode(data).decode()
    kind = format or format_of(path)
    by_suffix = "\t" if path.lower().endswith(".tsv") else ","

    def value() -> Any:
        text = decoded(data, encoding)
        return parsed(text, kind, delimiter=delimiter or by_suffix, header=header)

    try:
        return await asyncio.to_thread(value)
    except NotOfFormat as cause:
        raise ActionFailed(f"{path!r} {cause}") from cause


@action
async def write_files(
    action: ActionContext,
    files: Annotated[
        list[NewFile], Meta(min_length=1, max_length=FILES_MOST, description="The files")
    ],
) -> WrittenFiles:
    """Save files as artifacts of the task: texts, bytes in base64, or values as JSON.

    Example:

    ```yaml
    - action: write_files
      with:
        files:
          - {path: note.txt, text: "Seen at {{ input.site }}"}
          - {path: prices.json, json: {lamp: 11.25}}
          - {path: dot.gif, base64: R0lGODlhAQABAAAAACw=}
    ```

    Limits:

    - Files are written within the task's artifacts only. A `/` in a name becomes `_`; a file of the
      same name is replaced, and two of one name in a call are refused.
    - At most 100 files in a call.
    """
    contents = [_content(file, number) for number, file in enumerate(files)]
    names = [file.path for file in files]
    for number, name in enumerate(names):
        if name.casefold() in (one.casefold() for one in names[:number]):
            raise _refused(number, "/path", f"two files are called {name!r}")
    saved = [
        await save_file(action, file.path, file.path, content)
        for file, content in zip(files, contents, strict=True)
    ]
    return WrittenFiles(saved)


@action
async def export(
    action: ActionContext,
    data: Annotated[list[Any], Meta(description="Records: objects, or lists, or single values")],
    *,
    format: Annotated[  # noqa: A002  the field's word
        TableFormat, Meta(description="CSV, lines of JSON, or a table of Markdown")
    ] = "csv",
    columns: Annotated[
        Annotated[list[ColumnName | ColumnChoice], Meta(min_length=1, max_length=COLUMNS_MOST)]
        | None,
        Meta(description="Columns in their order; if left out, all keys as they first appear"),
    ] = None,
    missing: Annotated[
        Annotated[str, Meta(max_length=200)] | None,
        Meta(description="For a value that is absent or null (lines of JSON: absent)"),
    ] = None,
    delimiter: Delimiter = ",",
    formulas: Annotated[
        Formulas,
        Meta(
            description="`escape`: a text that a spreadsheet would run as a formula gets a `'` "
            "before it; `keep`: text stays as it is"
        ),
    ] = "escape",
    bom: Annotated[
        bool, Meta(description="Begin with a byte order mark, by which Excel knows UTF-8")
    ] = False,
    path: FileName = None,
) -> ExportedFile:
    """Save records as a table: CSV, lines of JSON (NDJSON), or Markdown.

    Example:

    ```yaml
    - action: export
      with:
        data: [{name: Lamp, price: 11.25}, {name: "Chair, oak", price: 12.5, stock: {shop: 3}}]
        columns: [name, {name: price, title: Price in €}, stock.shop]
        missing: "-"
        path: prices.csv
    ```

    Limits:

    - CSV is that of RFC 4180 in UTF-8, with CRLF. Pages write what is exported, so a text that
      begins with `=`, `+`, `-`, `@`, a tab or a return and is no number gets a `'` before it
      (`escaped` counts them). For programs: `formulas: keep`.
    - Lists and objects become JSON in a cell. In Markdown, the end of a line becomes `<br>`.
    - No XLSX.
    """
    try:
        chosen = (
            await asyncio.to_thread(columns_of, data, COLUMNS_MOST)
            if columns is None
            else [_column(one) for one in columns]
        )
    except ValueError as cause:
        raise ActionFailed(str(cause)) from cause
    table = TableText(format, chosen, missing, delimiter, formulas)
    pieces = _pieces(table, data, "\ufeff" if bom else "")
    saved = await save_file(action, path, f"export.{_SUFFIX[format]}", pieces)
    titles = [column.title for column in chosen]
    return ExportedFile(
        saved.name,
        saved.size,
        saved.url,
        saved.content_type,
        None,
        len(data),
        titles,
        table.escaped,
    )


async def _pieces(table: TableText, records: list[Any], before: str) -> AsyncIterator[bytes]:
    """The table's text in pieces, so that neither memory nor the loop has all of it at once."""
    yield (before + table.head()).encode()
    for start in range(0, len(records), BATCH_ROWS):
        batch = records[start : start + BATCH_ROWS]
        text = await asyncio.to_thread("".join, table.rows(batch))
        yield text.encode(errors="replace")


def _column(given: str | ColumnChoice) -> Column:
    return Column(given, given) if isinstance(given, str) else Column(given.name, given.title)


def _content(file: NewFile, number: int) -> bytes:
    given = [
        name for name, value in (("text", file.text), ("base64", file.base64)) if value is not None
    ] + ([] if file.json is msgspec.UNSET else ["json"])
    if len(given) != 1:
        raise _refused(number, "", "give one of `text`, `base64` and `json`")
    if file.text is not None:
        return file.text.encode(errors="replace")
    if file.base64 is not None:
        try:
            return base64.b64decode(file.base64, validate=True)
        except (binascii.Error, ValueError) as cause:
            raise _refused(number, "/base64", f"is not base64: {cause}") from cause
    return orjson.dumps(file.json, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _refused(number: int, field: str, message: str) -> ParametersInvalid:
    return ParametersInvalid("write_files", [Violation(f"/files/{number}{field}", message)])
