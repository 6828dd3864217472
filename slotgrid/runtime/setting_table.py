"""Declares settings as dataclass fields, each with a row of metadata, and reads their values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, TypeVar

from slotgrid.runtime.setting_values import Reader

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One row: the metadata of a field of the settings class."""

    reader: Reader[Any]
    default: str
    doc: str
    unit: str
    heading: str
    env: str
    secret: bool
    derive: Callable[[Mapping[str, Any]], Any] | None

    def value(self, given: str, above: Mapping[str, Any]) -> Any:
        """The value of `given`; an empty text means the default, which `above` may decide.

        Raises ValueError if the reader does not accept the text.
        """
        if given:
            return self.reader.read(given)
        return self.derive(above) if self.derive else self.reader.read(self.default)


def setting(
    reader: Reader[T],
    default: str,
    doc: str,
    *,
    unit: str = "",
    heading: str = "",
    env: str = "",
    secret: bool = False,
    derive: Callable[[Mapping[str, Any]], T] | None = None,
) -> T:
    """Declare a setting as a dataclass field.

    `default` is text, read as if it had been given. With `derive` it only describes the default in
    words, and the value is made from the settings declared above this one. `env` is the variable's
    name if it differs from the field's; `heading` opens a part of `.env.example`. The object's repr
    omits a secret.
    """
    row = Setting(
        reader=reader,
        default=default,
        doc=doc,
        unit=unit,
        heading=heading,
        env=env,
        secret=secret,
        derive=derive,
    )
    # The reader's type, as the type of `field(...)` is Any.
    declared: T = field(metadata={"setting": row}, repr=not secret)
    return declared


def table_of(declared: type[Any]) -> Mapping[str, Setting]:
    """Field name -> its row, in the order of declaration."""
    rows: dict[str, Setting] = {}
    for one in fields(declared):
        row: Setting | None = one.metadata.get("setting")
        if row is not None:
            rows[one.name] = replace(row, env=row.env or one.name.upper())
    return MappingProxyType(rows)


def read_table(
    table: Mapping[str, Setting],
    given: Mapping[str, str],
    defaults: Mapping[str, str],
    *,
    given_as: Mapping[str, str],
) -> tuple[dict[str, Any], list[str]]:
    """Field name -> its value, and one line for each invalid value.

    `given` and `defaults` are keyed by the variables' names; names outside the table are ignored.
    `given_as` maps a variable to the name under which it was given, where the two differ.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for name, row in table.items():
        try:
            text = given.get(row.env, "").strip() or defaults.get(row.env, "")
            values[name] = row.value(text, values)
        except (ValueError, RecursionError):
            # A mistyped key must not reach a log or a terminal.
            shown = "a value" if row.secret else repr(given[row.env])
            by = f" as {given_as[row.env]}" if row.env in given_as else ""
            problems.append(f"{row.env}: {shown} was given{by}, expected {row.reader.expected}")
            # Settings derived from this one use its default.
            values[name] = row.value("", values)
    return values, problems
