"""What a settings class is declared with: one row for each field, read back as a table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, TypeVar

from slotgrid.runtime.setting_values import Reader

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One row: what stands beside a field of the settings class."""

    reader: Reader[Any]
    default: str
    doc: str
    unit: str
    heading: str
    env: str
    secret: bool
    derive: Callable[[Mapping[str, Any]], Any] | None

    def value(self, given: str, above: Mapping[str, Any]) -> Any:
        """What `given` means; an empty text means the default, which `above` may decide.

        Raises ValueError if it is not what the reader expects.
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

    `default` is text, read as if it had been given. With `derive` it only says in words what the
    default is, and the value is made from the settings declared above this one. `env` is the
    variable's name where it differs from the field's; `heading` opens a part of `.env.example`.
    A secret stays out of the object's repr.
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
    # The field's type is the reader's; `field` would call it Any.
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
    """Field name -> its value, and one line for each value that cannot be.

    `given` and `defaults` go by the variables' names; those that are not in the table are left
    alone. `given_as` has the name by which a variable was really given, where that is another.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for name, row in table.items():
        try:
            text = given.get(row.env, "").strip() or defaults.get(row.env, "")
            values[name] = row.value(text, values)
        except (ValueError, RecursionError):
            # A key must not reach a log or a terminal by way of a typing error in it.
            shown = "a value" if row.secret else repr(given[row.env])
            by = f" as {given_as[row.env]}" if row.env in given_as else ""
            problems.append(f"{row.env}: {shown} was given{by}, expected {row.reader.expected}")
            # What is derived from this one goes on with its default.
            values[name] = row.value("", values)
    return values, problems
