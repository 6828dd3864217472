"""What waits for a link: joined into frames, in pieces, in order, within credits."""

import random

from slotgrid.wire.encoding import Reader, from_worker
from slotgrid.wire.inbox import Inbox
from slotgrid.wire.limits import CREDITS, FRAME_LIMIT, PIECE_BYTES
from slotgrid.wire.messages import Data, DataHeader, FromWorker, Refused
from slotgrid.wire.outbox import Outbox


def refused(task: str, size: int = 10, number: int = 0) -> bytes:
    """A message about a task, of about that size."""
    reason = f"{number}:" + "x" * size
    return b'{"type":"refused","id":"%b","kind":"busy","reason":"%b"}' % (
        task.encode(),
        reason.encode(),
    )


def carried(outbox: Outbox, *, grant: bool = True) -> list[FromWorker | Data]:
    """All that arrives at the other end; it gives every credit back at once."""
    inbox: Inbox[FromWorker] = Inbox(Reader(FromWorker))
    arrived: list[FromWorker | Data] = []
    while (frame := outbox.next_frame()) is not None:
        assert len(frame.data) <= FRAME_LIMIT
        if frame.text:
            arrived += inbox.lines(frame.data)
        elif (message := inbox.piece(frame.data)) is not None:
            arrived.append(message)
        if grant:
            for lane, count in inbox.take_granted().items():
                outbox.refund(lane, count)
    return arrived


def numbers(arrived: list[FromWorker | Data], task: str) -> list[int]:
    return [
        int(message.reason.partition(":")[0])
        for message in arrived
        if isinstance(message, Refused) and message.id == task
    ]


def test_small_messages_go_together_up_to_the_limit() -> None:
    outbox = Outbox()
    line = refused("t", 1000)
    for _ in range(100):
        outbox.put(line, "t")
    sizes = []
    while (frame := outbox.next_frame()) is not None:
        assert frame.text
        sizes.append(frame.data.count(b"\n") + 1)
        assert len(frame.data) <= FRAME_LIMIT
    assert sum(sizes) == 100
    assert sizes[0] == FRAME_LIMIT // (len(line) + 1)
    assert outbox.backlog == 0


def test_a_message_of_exactly_a_frame_goes_whole_and_one_byte_more_in_pieces() -> None:
    filled = FRAME_LIMIT - len(refused("t", 0))
    for size, text in ((filled, True), (filled + 1, False)):
        outbox = Outbox()
        outbox.put(refused("t", size), "t")
        frame = outbox.next_frame()
        assert frame is not None
        assert frame.text is text
        assert len(frame.data) <= FRAME_LIMIT


def test_small_messages_pass_a_large_one_and_its_own_lane_waits() -> None:
    outbox = Outbox()
    outbox.put(refused("a", 3 * PIECE_BYTES, 1), "a")
    outbox.put(refused("a", 10, 2), "a")
    outbox.put(refused("b", 10, 1), "b")
    arrived = carried(outbox)
    assert numbers(arrived, "a") == [1, 2]
    assert isinstance(arrived[0], Refused)
    assert arrived[0].id == "b"
    assert outbox.backlog == 0


def test_any_mix_of_sizes_arrives_whole_and_in_the_order_of_its_lane() -> None:
    chance = random.Random(4)
    for _ in range(30):
        outbox, put = Outbox(), dict.fromkeys("abc", 0)
        arrived: list[FromWorker | Data] = []
        for _ in range(60):
            lane = chance.choice("abc")
            put[lane] += 1
            size = chance.choice([10, 500, FRAME_LIMIT - 80, FRAME_LIMIT, 5 * PIECE_BYTES])
            outbox.put(refused(lane, size, put[lane]), lane)
            if chance.random() < 0.2:
                arrived += carried(outbox)
        arrived += carried(outbox)
        for lane, count in put.items():
            assert numbers(arrived, lane) == [*range(1, count + 1)]
        assert outbox.backlog == 0


def test_without_credits_a_large_message_stops_and_others_go_on() -> None:
    outbox = Outbox()
    outbox.put(refused("a", 100 * PIECE_BYTES, 1), "a")
    outbox.put(refused("b", 40 * PIECE_BYTES, 1), "b")
    carried(outbox, grant=False)
    assert outbox.credits("a") == outbox.credits("b") == 0
    outbox.put(refused("c", 10, 1), "c")
    assert numbers(carried(outbox, grant=False), "c") == [1]
    outbox.refund("b", CREDITS)
    frames = 0
    while outbox.next_frame() is not None:
        frames += 1
    assert 0 < frames <= CREDITS
    assert outbox.credits("a") == 0


def test_a_peer_cannot_give_more_credits_than_there_were() -> None:
    outbox = Outbox()
    outbox.spend("a")
    outbox.refund("a", 10_000)
    outbox.refund("stranger", 10_000)
    assert outbox.credits("a") == outbox.credits("stranger") == CREDITS
    assert outbox._credits == {}


def test_data_comes_after_the_reply_that_announces_it() -> None:
    outbox = Outbox()
    for number in range(1000):  # more than a frame has room for
        outbox.put(refused("t", 100, number), "t")
    outbox.put(refused("q", 10, 1), "q")
    outbox.put_data(DataHeader(ask="q"), b"a\nb")
    outbox.put_data(DataHeader(ask="q", last=True), b"")
    arrived = carried(outbox)
    about = [one for one in arrived if isinstance(one, Data) or one.id == "q"]  # type: ignore[union-attr]
    assert isinstance(about[0], Refused)
    assert about[1:] == [Data("q", b"a\nb", False), Data("q", b"", True)]


def test_a_lane_that_ended_leaves_nothing() -> None:
    outbox = Outbox()
    for lane in map(str, range(100)):
        outbox.spend(lane)
        outbox.put(refused(lane), lane)
        outbox.forget(lane)
    carried(outbox)
    assert (outbox._credits, outbox._lanes, len(outbox._turns)) == ({}, {}, 0)
    assert from_worker().lines(b"") == []
