"""`docs/protocol.md` is held against the messages, the numbers and the codes of the code."""

import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import jsonschema
import msgspec
import pytest

from slotgrid.wire import limits
from slotgrid.wire.encoding import encode, known_messages
from slotgrid.wire.link_ending import CloseCode
from slotgrid.wire.messages import PROTOCOL
from slotgrid.wire.schemas import chapter, schema, sections

PAGE = Path(__file__).parents[3] / "docs" / "protocol.md"

SCALARS = {"string": "text", "integer": 7, "number": 0.5, "boolean": True, "uuid": str(uuid4())}
UUID_PATTERN = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_the_page_ends_with_the_messages_as_they_are(page: str) -> None:
    hint = "run `python -m slotgrid.wire.schemas` and put it below `## Messages`"
    assert page.endswith(chapter()), hint


def test_every_message_is_on_the_page_once() -> None:
    shown = [message for messages in sections().values() for message in messages]
    assert len(shown) == len(set(shown))
    assert set(known_messages()) <= set(shown)


def test_the_numbers_of_the_page_are_those_of_the_code(page: str) -> None:
    prose = re.sub(r"\s+", " ", page)
    assert limits.FRAME_LIMIT == 65_536
    for sentence in (
        f"now `{PROTOCOL}`",
        f"64 KiB ({limits.FRAME_LIMIT:,} bytes)",
        f"larger than {limits.MESSAGE_LIMIT // 2**20} MiB",
        f"at most {limits.PIECE_BYTES // 1024} KiB",
        f"have {limits.CREDITS} messages or pieces",
        f"ours: {limits.GRANT_EVERY} at a time",
        f"nothing else for {limits.HEARTBEAT_S:g} s",
        f"nothing for {limits.SILENT_TICKS * limits.TICK_S:g} s",
        f"has {limits.HANDSHAKE_S:g} s from the open WebSocket",
        f"for {limits.GRACE_S:g} s. Their functions",
        f"Files and steps of a task, together | {limits.PARTS_LIMIT:,} |",
        f"Outputs of its steps, as JSON, together | {limits.STEP_OUTPUTS_LIMIT // 2**20} MiB |",
        f"Inputs of its steps, as JSON, together | {limits.STEP_INPUTS_LIMIT // 2**20} MiB;",
        f"Payload of an event | {limits.EVENT_LIMIT // 2**20} MiB |",
        f"more than {limits.SEND_AHEAD // 2**20} MiB, or {limits.LARGE_LANES} of them, wait",
    ):
        assert sentence in prose


def test_the_codes_of_the_page_are_those_of_the_code(page: str) -> None:
    shown = {int(code) for code in re.findall(r"^\| (\d{4}) \|", page, re.MULTILINE)}
    # 1006 is never sent: it is what a cut connection counts as.
    assert shown == {*CloseCode} - {CloseCode.CUT}


@pytest.mark.parametrize("message", known_messages(), ids=lambda message: message.__name__)
def test_what_is_sent_fulfils_its_schema(message: type[msgspec.Struct]) -> None:
    document = schema(message)
    jsonschema.Draft202012Validator.check_schema(document)
    defs = document.get("$defs", {})
    sample = sample_of(document, defs)
    decoded = msgspec.json.decode(msgspec.json.encode(sample), type=message)
    jsonschema.validate(msgspec.json.decode(encode(decoded)), document)


def sample_of(part: dict[str, Any], defs: dict[str, Any]) -> Any:
    """A value that the schema allows, with every member."""
    if "$ref" in part:
        return sample_of(defs[part["$ref"].rpartition("/")[2]], defs)
    if "enum" in part:
        return part["enum"][0]
    if "anyOf" in part:
        return sample_of(part["anyOf"][0], defs)
    if part.get("type") == "object":
        return {name: sample_of(one, defs) for name, one in part.get("properties", {}).items()}
    if part.get("type") == "array":
        return [sample_of(one, defs) for one in part.get("prefixItems") or [part["items"]]]
    if part.get("pattern") == UUID_PATTERN:
        part = {"type": "uuid"}
    return SCALARS.get(part.get("type", ""), {"any": ["thing"]})
