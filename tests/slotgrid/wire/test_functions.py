"""A function that goes over the link is the same function at the other end."""

from dataclasses import fields
from typing import Any

import msgspec
import pytest

from slotgrid.core.schema import Schema, SchemaFault
from slotgrid.core.spec import FunctionSpec
from slotgrid.wire.encoding import encode
from slotgrid.wire.functions import SpecReader, info_of
from slotgrid.wire.message_parts import FunctionInfo

INPUT: dict[str, Any] = {"type": "object", "properties": {"url": {"type": "string"}}}


def spec(**changed: Any) -> FunctionSpec:
    members: dict[str, Any] = {
        "name": "shop/price",
        "description": "The price of an article.",
        "kind": "python",
        "group": "shop",
        "contract": 4,
        "revision": "abc",
        "input": Schema(INPUT),
        "output": Schema({"type": "number"}),
        "modes": ("sync", "stream"),
        "timeout_s": 12.5,
        "pool": "wide",
        "isolation": "context",
        "retries": 2,
        "requires": ("proxy",),
        "concurrency": 3,
        "rate": (10, 60.0),
    }
    return FunctionSpec(**members | changed)


def over_the_link(info: FunctionInfo) -> FunctionInfo:
    return msgspec.json.decode(encode(info), type=FunctionInfo)


@pytest.mark.parametrize(
    "sent", [spec(), spec(output=None, requires=(), concurrency=None, rate=None)]
)
def test_every_member_arrives(sent: FunctionSpec) -> None:
    got = SpecReader().spec(over_the_link(info_of(sent)), group="shop", contract=4)
    for member in fields(FunctionSpec):
        if member.name not in {"input", "output"}:
            assert getattr(got, member.name) == getattr(sent, member.name), member.name
    assert got.input.document == sent.input.document
    assert (got.output and got.output.document) == (sent.output and sent.output.document)
    assert got.to_json() == sent.to_json()


def test_equal_functions_are_one_object_and_others_are_not() -> None:
    reader, info = SpecReader(), info_of(spec())
    first = reader.spec(info, group="shop", contract=4)
    assert reader.spec(over_the_link(info), group="shop", contract=4) is first
    assert reader.spec(info, group="shop", contract=5) is not first
    assert reader.spec(info, group="other", contract=4) is not first
    assert reader.spec(info_of(spec(revision="xyz")), group="shop", contract=4) is not first


def test_only_so_many_specs_are_kept() -> None:
    reader = SpecReader(kept=2)
    first = reader.spec(info_of(spec(name="a")), group="g", contract=1)
    reader.spec(info_of(spec(name="b")), group="g", contract=1)
    assert reader.spec(info_of(spec(name="a")), group="g", contract=1) is first
    reader.spec(info_of(spec(name="c")), group="g", contract=1)
    assert reader.spec(info_of(spec(name="a")), group="g", contract=1) is first
    assert len(reader._specs) == 2


def test_a_schema_that_is_none_is_a_fault() -> None:
    info = msgspec.structs.replace(info_of(spec()), input={"type": "whatever"})
    with pytest.raises(SchemaFault):
        SpecReader().spec(info, group="g", contract=1)
