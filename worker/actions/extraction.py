"""Records of a page by rules: kinds of values, nested fields, and transforms."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from playwright.async_api import Page

from slotgrid.function import Meta
from worker.actions.errors import ActionFailed
from worker.actions.transforms import Transform, transformed
from worker.pages.inputs import Selector
from worker.pages.records import Reading, RecordReader

ITEMS_MOST = 10_000
"""Rows of one `extract`."""
DEPTH_MOST = 10
_VALUE = "value"

Kind = Literal["text", "html"]
FieldKind = Literal["text", "attribute", "html", "const"]
AttributeName = Annotated[str, Meta(min_length=1, max_length=200)]


# A struct, as a dataclass would ignore an unknown name.
class FieldRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a field of a record is read: a text, an attribute, HTML, a constant, or a record."""

    selector: Annotated[
        Selector | None,
        Meta(description="CSS inside the row; without one, or `:scope`, the row itself"),
    ] = None
    kind: Annotated[
        FieldKind | None,
        Meta(description="By default what the rule has: attribute, const, or else text"),
    ] = None
    attribute: Annotated[
        AttributeName | None, Meta(description="Such as href; addresses are absolute")
    ] = None
    const: Annotated[Any, Meta(description="A value of the rule's own, the same in all rows")] = (
        msgspec.UNSET
    )
    all: Annotated[bool, Meta(description="A list of all matches, not the first alone")] = False
    transform: Annotated[
        Transform | list[Transform],
        Meta(description="What is done with a text, in this order"),
    ] = []
    fields: Annotated[
        dict[str, "FieldRule | str"] | None,
        Meta(description="Rules of a record inside the row, for each match with `all`"),
    ] = None

    @property
    def is_const(self) -> bool:
        """Whether the value is the rule's own."""
        return self.kind == "const" or (self.kind is None and self.const is not msgspec.UNSET)

    @property
    def transforms(self) -> list[Transform]:
        """The transforms, in their order."""
        return self.transform if isinstance(self.transform, list) else [self.transform]

    def fault(self) -> str | None:
        """The fault of the rule's combination of parts."""
        if self.kind == "attribute" and self.attribute is None:
            return "the kind is attribute: name the `attribute`"
        if self.attribute is not None and self.kind not in {None, "attribute"}:
            return f"the kind is {self.kind}, but an `attribute` is named"
        if self.kind == "const" and self.const is msgspec.UNSET:
            return "the kind is const: give the value as `const`"
        if self.fields is not None and (self.attribute is not None or self.kind is not None):
            return "`fields` make a record: it has no `kind` or `attribute`"
        return None


Rules = Mapping[str, FieldRule | str]


async def extract_records(
    page: Page,
    *,
    rows: str | None,
    scope: str | None,
    fields: Rules | None,
    kind: Kind,
    limit: int | None,
) -> Any:
    """The records of the rows, or a single one; of rows without fields, their values.

    Raises ActionFailed for rules that contradict themselves and for more than ITEMS_MOST rows,
    InputRefused for a selector that cannot be read, ElementMissing without the scope.
    """
    rules: Rules = {_VALUE: FieldRule(kind=kind)} if fields is None else fields
    reader = RecordReader(page, rows, _readings(rules, ()), scope=scope)
    found, count = await reader.read_first(ITEMS_MOST if limit is None else limit)
    if limit is None and count > ITEMS_MOST:
        raise ActionFailed(
            f"{page.url} has {count} rows that match {rows!r}, more than {ITEMS_MOST}: give `limit`"
        )
    records = [_record(one, rules, page.url) for one in found]
    if fields is None:
        return [one[_VALUE] for one in records]
    return records if rows is not None else records[0]


def _readings(rules: Rules, path: tuple[str, ...]) -> dict[str, Reading]:
    if len(path) > DEPTH_MOST:
        raise ActionFailed(f"`fields` are nested deeper than {DEPTH_MOST}")
    readings = {}
    for name, rule in rules.items():
        if isinstance(rule, str):
            readings[name] = Reading(selector=rule)
            continue
        if fault := rule.fault():
            raise ActionFailed(f"fields/{'/fields/'.join((*path, name))}: {fault}")
        if rule.is_const:
            continue
        readings[name] = Reading(
            selector=rule.selector,
            attribute=rule.attribute,
            all=rule.all,
            html=rule.kind == "html",
            fields=None if rule.fields is None else _readings(rule.fields, (*path, name)),
        )
    return readings


def _record(found: Mapping[str, Any], rules: Rules, url: str) -> dict[str, Any]:
    """A record of the page with its constants and transforms, in the order of the rules."""
    return {
        name: rule.const
        if isinstance(rule, FieldRule) and rule.is_const
        else _value(found[name], rule, url)
        for name, rule in rules.items()
    }


def _value(found: Any, rule: FieldRule | str, url: str) -> Any:
    if isinstance(rule, str) or found is None:
        return found
    if isinstance(found, list):
        return [_value(one, rule, url) for one in found]
    if rule.fields is not None:
        return _record(found, rule.fields, url)
    return transformed(found, rule.transforms, url)
