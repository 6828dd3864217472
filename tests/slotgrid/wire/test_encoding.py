"""What arrives: read into messages, left out when it is newer, refused when it is wrong."""

from types import MappingProxyType

import msgspec
import pytest

from slotgrid.wire.encoding import (
    ProtocolFault,
    encode,
    from_balancer,
    from_worker,
    known_messages,
    knows,
    same_major,
)
from slotgrid.wire.inbox import Inbox
from slotgrid.wire.limits import CREDITS, PIECE_BYTES
from slotgrid.wire.messages import (
    Ask,
    Cancel,
    Draining,
    FromWorker,
    Functions,
    PartHeader,
    Refused,
    Welcome,
)

DRAINING = b'{"type":"draining"}'


def test_lines_are_messages_and_empty_ones_are_none() -> None:
    assert from_worker().lines(DRAINING + b"\n\n" + DRAINING) == [Draining(), Draining()]


def test_a_type_that_is_not_known_is_left_out_and_the_others_stay() -> None:
    frame = DRAINING + b'\n{"type":"novelty","id":1}\n' + DRAINING
    assert from_worker().lines(frame) == [Draining(), Draining()]
    assert from_worker().one(b'{"type":"novelty"}') is None


def test_members_that_are_not_known_are_left_out() -> None:
    line = b'{"type":"cancel","id":"t","reason":"r","novel":{"a":[1]}}'
    assert from_balancer().lines(line) == [Cancel(id="t", reason="r")]


def test_members_with_a_default_may_be_missing() -> None:
    line = b'{"type":"welcome","protocol":"1.0","name":"n","boot":"b"}'
    assert from_balancer().lines(line) == [Welcome(protocol="1.0", name="n", boot="b")]


def test_what_the_other_direction_says_is_not_known_here() -> None:
    assert from_balancer().lines(DRAINING) == []


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"nonsense",
        b"[]",
        b"7",
        b"\xff\xfe",
        b'{"id":"t"}',
        b'{"type":7}',
        b'{"type":"refused"}',
        b'{"type":"refused","id":1,"kind":"busy","reason":""}',
        b'{"type":"refused","id":"t","kind":"whim","reason":""}',
        b'{"type":"refused","id":"t","kind":"busy","reason":""',
        b'{"type":"event","id":"t","number":1,"kind":"k","at":1,"payload":' + b"[" * 100_000,
    ],
)
def test_what_is_wrong_is_a_fault_in_words(line: bytes) -> None:
    if not line:
        assert from_worker().lines(line) == []
        return
    with pytest.raises(ProtocolFault, match=r"^(no message|cannot be read): "):
        from_worker().lines(DRAINING + b"\n" + line)


@pytest.mark.parametrize("frame", [b"", b"\n", b"no header\nbody", b'{"type":"part"}\n', b"{}\n"])
def test_a_binary_frame_without_a_header_is_a_fault(frame: bytes) -> None:
    with pytest.raises(ProtocolFault, match="header"):
        Inbox(from_worker()).piece(frame)


def test_pieces_beyond_the_credits_are_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slotgrid.wire.inbox.ASSEMBLY_LIMIT", 1)
    inbox: Inbox[FromWorker] = Inbox(from_worker())
    inbox.piece(encode(PartHeader(id="oldest")) + b"\nxx")
    frame = encode(PartHeader(id="t")) + b"\nx"
    for _ in range(CREDITS):
        inbox.piece(frame)
    assert inbox.take_granted() == {}
    with pytest.raises(ProtocolFault, match="credits"):
        inbox.piece(frame)


def test_the_pieces_of_garbage_are_a_fault_when_the_last_has_come() -> None:
    inbox: Inbox[FromWorker] = Inbox(from_worker())
    assert inbox.piece(encode(PartHeader(id="t")) + b"\n" + b"x" * PIECE_BYTES) is None
    with pytest.raises(ProtocolFault, match="no message"):
        inbox.piece(encode(PartHeader(id="t", last=True)) + b"\n" + b"x")


def test_a_large_message_of_a_type_that_is_not_known_is_left_out() -> None:
    inbox: Inbox[FromWorker] = Inbox(from_worker())
    assert inbox.piece(encode(PartHeader(id="t", last=True)) + b'\n{"type":"novelty"}') is None
    assert inbox.take_granted() == {"t": 1}


def test_above_the_bound_only_the_oldest_unfinished_message_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("slotgrid.wire.inbox.ASSEMBLY_LIMIT", 20 * PIECE_BYTES)
    inbox: Inbox[FromWorker] = Inbox(from_worker())

    line = encode(Refused(id="old", kind="busy", reason="x" * 40 * PIECE_BYTES))
    pieces = [line[start : start + PIECE_BYTES] for start in range(0, len(line), PIECE_BYTES)]

    def put(task: str, body: bytes, *, last: bool = False) -> object:
        return inbox.piece(encode(PartHeader(id=task, last=last)) + b"\n" + body)

    for body in pieces[:21]:
        assert put("old", body) is None
    inbox.take_granted()
    for _ in range(CREDITS):
        assert put("young", b"x") is None
    for body in pieces[21:-1]:
        assert put("old", body) is None
    assert set(inbox.take_granted()) == {"old"}
    assert isinstance(put("old", pieces[-1], last=True), Refused)
    assert inbox.take_granted()["young"] == CREDITS


def test_mappings_that_cannot_be_changed_are_written_too() -> None:
    ask = Ask(ask="q", what="logs", task=None)
    assert msgspec.json.decode(encode(ask)) == {"type": "ask", "ask": "q", "what": "logs"}
    functions = Functions(functions=(), tags=MappingProxyType({"a": 1}))
    assert msgspec.json.decode(encode(functions))["tags"] == {"a": 1}
    with pytest.raises(NotImplementedError, match="object has no JSON form"):
        encode(Functions(functions=(), tags={"a": object()}))


def test_a_major_version_is_what_stands_before_the_dot() -> None:
    assert same_major("1.0", "1.9")
    assert not same_major("2.0", "1.0")
    assert not same_major("", "1.0")
    assert not same_major("10.0", "1.0")


@pytest.mark.parametrize(
    ("protocol", "known"),
    [("1.0", False), ("1.1", True), ("1.10", True), ("1", False), ("1.x", False)],
)
def test_a_peer_has_the_additions_up_to_its_minor_version(protocol: str, known: bool) -> None:
    assert knows(protocol, 1) is known


def test_every_message_has_a_type_of_its_own() -> None:
    tags = [message.__struct_config__.tag for message in known_messages()]
    assert len(tags) == len(set(tags))
