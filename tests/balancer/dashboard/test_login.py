"""What guessing keys costs the balancer, and what it costs the owner of a right one."""

import asyncio
from collections import Counter

import pytest
from aiohttp import ClientSession, FormData

from balancer.dashboard.access import GUESSES
from balancer.dashboard.login_sessions import ATTEMPT_EVERY_S, ATTEMPTS, Guesses
from slotgrid.intake import form_body
from tests.harness.calls import Answer
from tests.harness.environment import KEY
from tests.harness.in_process.balancer import RunningBalancer

URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}
PARALLEL = 200


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(balancer: RunningBalancer) -> Clock:
    """The clock of the bound on guesses, which stands still."""
    clock = Clock()
    balancer.app[GUESSES]._clock = clock
    return clock


async def log_in(balancer: RunningBalancer, **sent: object) -> Answer:
    async with (
        ClientSession(balancer.url) as session,
        session.post("/dashboard/login", allow_redirects=False, **sent) as response,  # type: ignore[arg-type]
    ):
        return Answer(response.status, dict(response.headers), await response.read())


def multipart() -> FormData:
    form = FormData({"key": KEY})
    form.add_field("file", b"\n" * 1000, filename="f")
    return form


UNREADABLE = [
    ({"data": b"\n" * 100, "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, 415),
    ({"data": f'{{"key": "{KEY}"}}', "headers": {"Content-Type": "application/json"}}, 415),
    ({"data": b"key=" + b"x" * form_body.FORM_BYTES_LIMIT, "headers": URLENCODED}, 413),
    ({"data": f"key={KEY}", "headers": URLENCODED | {"Content-Encoding": "gzip"}}, 415),
    ({"data": "&".join("a=1" for _ in range(100)), "headers": URLENCODED}, 400),
    ({"data": b"key=\xff\xfe", "headers": URLENCODED}, 400),
    ({"data": b"key=%ff", "headers": URLENCODED}, 400),
]


@pytest.mark.parametrize(("sent", "status"), UNREADABLE)
async def test_an_unreadable_form_is_refused_and_counts_as_a_guess(
    balancer: RunningBalancer, clock: Clock, sent: dict[str, object], status: int
) -> None:
    for _ in range(ATTEMPTS):
        answer = await log_in(balancer, **sent)
        assert answer.status == status
        assert b"The form is not valid" in answer.body
    assert (await log_in(balancer, data={"key": KEY})).status == 429
    clock.now += ATTEMPTS * ATTEMPT_EVERY_S
    assert (await log_in(balancer, data={"key": KEY})).status == 303


async def test_a_multipart_form_is_not_parsed_even_with_the_right_key(
    balancer: RunningBalancer,
) -> None:
    assert (await log_in(balancer, data=multipart())).status == 415


async def test_parallel_logins_have_the_same_bound(balancer: RunningBalancer, clock: Clock) -> None:
    assert clock.now
    answers = await asyncio.gather(
        *(log_in(balancer, data={"key": f"guess {number}"}) for number in range(PARALLEL))
    )
    statuses = Counter(answer.status for answer in answers)
    assert statuses == {401: ATTEMPTS, 429: PARALLEL - ATTEMPTS}
    assert len(balancer.events_logged("audit.login_refused")) == ATTEMPTS


async def test_the_right_key_of_a_locked_address_gets_in_within_a_second(
    balancer: RunningBalancer, clock: Clock
) -> None:
    for _ in range(100):  # a guesser that goes on, a key a second
        assert (await log_in(balancer, data={"key": "a guess"})).status in {401, 429}
        clock.now += 0.25
    clock.now += 1.0
    assert (await log_in(balancer, data={"key": KEY})).status == 303


async def test_a_form_that_trickles_in_is_given_up(
    balancer: RunningBalancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(form_body, "FORM_WITHIN_S", 0.2)
    host, port = balancer.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /dashboard/login HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\nkey="
    )
    async with asyncio.timeout(20):
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"did not arrive within" in answer
    writer.transport.abort()


def test_a_locked_address_has_a_key_checked_each_second() -> None:
    clock = Clock()
    guesses = Guesses(clock=clock)
    assert [guesses.admit("a") for _ in range(ATTEMPTS + 1)] == [True] * ATTEMPTS + [False]
    assert guesses.admit("b")
    clock.now += 0.9
    assert not guesses.admit("a")
    clock.now += 0.1
    assert [guesses.admit("a"), guesses.admit("a")] == [True, False]
    # However long the guessing went on, the lock ends soon after it.
    for _ in range(1000):
        clock.now += 1.0
        assert guesses.admit("a")
    assert 0 < guesses.wait_s("a") <= ATTEMPTS * ATTEMPT_EVERY_S
    clock.now += ATTEMPTS * ATTEMPT_EVERY_S
    assert guesses.wait_s("a") == 0.0


def test_a_right_key_costs_no_attempt() -> None:
    guesses = Guesses(clock=Clock())
    for _ in range(100):
        assert guesses.admit("a")
        guesses.right("a")
