import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from slotgrid.core.task_states import TaskState
from slotgrid.webhooks.sender import (
    DeliveryAttempt,
    Outcome,
    WebhookSender,
    retry_after_s,
    webhook_body,
    webhook_sender,
)
from tests.harness.peers.receivers import BODY, LOOPBACK, SECRET, receiver


@pytest.fixture
async def sender() -> AsyncIterator[WebhookSender]:
    async with webhook_sender(policy=LOOPBACK, secret=SECRET) as sender:
        yield sender


async def test_a_delivery_arrives_as_it_was_given_and_signed(sender: WebhookSender) -> None:
    async with receiver() as there:
        attempt = await sender.send(there.delivery(url=f"{there.url}/a%2Fb?c=d%26e"))
    (request,) = there.received
    assert (attempt.outcome, attempt.status, attempt.error) == (Outcome.DELIVERED, 200, None)
    assert request.path == "/done/a%2Fb?c=d%26e"
    assert request.body == BODY
    assert request.headers["content-type"] == "application/json"
    assert request.headers["host"] == f"127.0.0.1:{there.port}"
    assert request.headers["webhook-id"] == "task-1"
    assert "accept-encoding" not in request.headers
    assert Webhook(SECRET).verify(request.body, request.headers) == json.loads(BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(request.body + b" ", request.headers)


async def test_the_signature_is_that_of_the_specifications_own_vector() -> None:
    async with (
        receiver() as there,
        webhook_sender(policy=LOOPBACK, secret=SECRET, clock=lambda: 1614265330.9) as sender,
    ):
        attempt = await sender.send(there.delivery(id="msg_p5jXN8AQM9LWM0D4loKWxJek"))
    (request,) = there.received
    assert request.headers["webhook-timestamp"] == "1614265330"
    assert request.headers["webhook-signature"] == (
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )
    assert attempt.at == 1614265330.9


@pytest.mark.parametrize(
    ("secret", "key"),
    [("whsec_c2VjcmV0", b"secret"), ("plain text, no base64", b"plain text, no base64")],
)
async def test_a_delivery_is_signed_with_its_own_secret(
    sender: WebhookSender, secret: str, key: bytes
) -> None:
    body = '{"word": "Schlüssel"}'.encode()
    async with receiver() as there:
        await sender.send(there.delivery(secret=secret, body=body))
    (request,) = there.received
    told = request.headers
    signed = b".".join([told["webhook-id"].encode(), told["webhook-timestamp"].encode(), body])
    by_hand = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    assert told["webhook-signature"] == f"v1,{by_hand}"
    Webhook("whsec_" + base64.b64encode(key).decode()).verify(body, told)


async def test_headers_of_the_delivery_override_those_of_the_node() -> None:
    node = [("User-Agent", "Andera"), ("X-Node", "1"), ("Authorization", "node")]
    own = [("authorization", "own"), ("X-Own", "2"), ("webhook-id", "forged")]
    async with (
        receiver() as there,
        webhook_sender(policy=LOOPBACK, secret=SECRET, headers=node) as sender,
    ):
        await sender.send(there.delivery(headers=own))
    told = there.received[0].headers
    assert (told["user-agent"], told["x-node"]) == ("Andera", "1")
    assert (told["authorization"], told["x-own"]) == ("own", "2")
    assert told["webhook-id"] == "task-1"


async def test_a_receiver_that_fails_half_of_the_time_gets_everything_in_the_end(
    sender: WebhookSender,
) -> None:
    turns = count()
    taken: list[str] = []

    async def every_other(request: web.Request) -> web.Response:
        if next(turns) % 2 == 0:
            return web.Response(status=503)
        taken.append(request.headers["webhook-id"])
        return web.Response(status=204)

    ids = [f"task-{n}" for n in range(10)]
    attempts: dict[str, list[DeliveryAttempt]] = {}
    async with receiver(every_other) as there:
        for task_id in ids:
            made = attempts[task_id] = [await sender.send(there.delivery(id=task_id))]
            while made[-1].outcome is Outcome.RETRY:
                made.append(await sender.send(there.delivery(id=task_id)))
    assert taken == ids
    for made in attempts.values():
        assert [(each.outcome, each.status) for each in made] == [
            ("retry", 503),
            ("delivered", 204),
        ]
        assert made[0].error == "the receiver answered 503"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_every_2xx_counts_as_delivered(sender: WebhookSender, status: int) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status)

    async with receiver(answer) as there:
        attempt = await sender.send(there.delivery())
    assert (attempt.outcome, attempt.status, attempt.error) == (Outcome.DELIVERED, status, None)


@pytest.mark.parametrize("status", [304, 400, 401, 404, 429, 500, 502, 504, 599])
async def test_any_other_answer_is_tried_again(sender: WebhookSender, status: int) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status)

    async with receiver(answer) as there:
        attempt = await sender.send(there.delivery())
    assert (attempt.outcome, attempt.status) == (Outcome.RETRY, status)
    assert str(status) in (attempt.error or "")


async def test_gone_stops_a_delivery_for_good(sender: WebhookSender) -> None:
    async def gone(request: web.Request) -> web.Response:
        return web.Response(status=410)

    async with receiver(gone) as there:
        attempt = await sender.send(there.delivery())
    assert (attempt.outcome, attempt.status) == (Outcome.STOP, 410)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(sender: WebhookSender, status: int) -> None:
    async with receiver() as elsewhere:

        async def redirect(request: web.Request) -> web.Response:
            return web.Response(status=status, headers={"Location": elsewhere.url})

        async with receiver(redirect) as there:
            attempt = await sender.send(there.delivery())
    assert (attempt.outcome, attempt.status) == (Outcome.RETRY, status)
    assert attempt.error == f"the receiver answered {status}, and redirects are not followed"
    assert elsewhere.received == []


async def test_retry_after_is_told_with_the_attempt(sender: WebhookSender) -> None:
    async def busy(request: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": "120"})

    async with receiver(busy) as there:
        attempt = await sender.send(there.delivery())
    assert (attempt.outcome, attempt.requested_pause_s) == (Outcome.RETRY, 120)


def test_retry_after_is_seconds_or_a_date() -> None:
    now = datetime(2015, 10, 21, 7, 27, tzinfo=UTC).timestamp()
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT", now) == 60
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00", now) == 60
    assert retry_after_s("Wed, 21 Oct 2015 07:26:00 GMT", now) == 0
    assert retry_after_s(" 7 ", now) == 7
    for text in ("", "soon", "-1", "1.5", "٣"):
        assert retry_after_s(text, now) is None


@given(st.text() | st.from_regex(r"\w{3}, \d+ \w{3} \d+ \d+:\d+:\d+ [+-]?\w+"))
def test_whatever_retry_after_says_it_is_no_negative_number(text: str) -> None:
    requested_pause_s = retry_after_s(text, time.time())
    assert requested_pause_s is None or requested_pause_s >= 0


async def test_cookies_are_not_kept(sender: WebhookSender) -> None:
    async def with_cookie(request: web.Request) -> web.Response:
        return web.Response(headers={"Set-Cookie": "session=1; Path=/"})

    # A host name, since cookies of addresses are never kept.
    async with receiver(with_cookie) as there:
        url = there.url.replace("127.0.0.1", "localhost")
        for _ in range(2):
            assert (await sender.send(there.delivery(url=url))).outcome is Outcome.DELIVERED
    assert [("cookie" in each.headers) for each in there.received] == [False, False]


async def test_proxy_and_netrc_of_the_environment_have_no_say(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password hunter2\n")
    async with receiver() as proxy, receiver() as there:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NETRC", str(netrc))
        async with webhook_sender(policy=LOOPBACK, secret=SECRET) as sender:
            assert (await sender.send(there.delivery())).outcome is Outcome.DELIVERED
    assert proxy.received == []
    assert "authorization" not in there.received[0].headers


async def test_more_deliveries_than_may_be_under_way_wait_for_their_turn() -> None:
    under_way = most = 0
    full, go_on = asyncio.Event(), asyncio.Event()

    async def hold(request: web.Request) -> web.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if under_way == 2:
            full.set()
        await go_on.wait()
        under_way -= 1
        return web.Response()

    async with (
        receiver(hold) as there,
        webhook_sender(policy=LOOPBACK, secret=SECRET, at_once=2) as sender,
        asyncio.TaskGroup() as group,
    ):
        sends = [group.create_task(sender.send(there.delivery())) for _ in range(6)]
        await full.wait()
        go_on.set()
        outcomes = [(await send).outcome for send in sends]
    assert outcomes == [Outcome.DELIVERED] * 6
    assert most == 2


def test_the_body_says_how_the_task_ended_and_when() -> None:
    at = (datetime(2026, 1, 2, tzinfo=UTC) + timedelta(milliseconds=1500)).timestamp()
    body = webhook_body(TaskState.FAILED, at, {"id": "t", "error": {"status": 500}})
    assert json.loads(body) == {
        "type": "task.failed",
        "timestamp": "2026-01-02T00:00:01.500Z",
        "data": {"id": "t", "error": {"status": 500}},
    }


def test_an_attempt_is_shown_with_its_time_status_duration_and_error() -> None:
    attempt = DeliveryAttempt(at=0, duration_ms=12, outcome=Outcome.RETRY, status=500, error="e")
    assert attempt.to_json() == {
        "at": "1970-01-01T00:00:00.000Z",
        "status": 500,
        "duration_ms": 12,
        "error": "e",
    }


async def test_a_node_without_a_usable_secret_does_not_start() -> None:
    with pytest.raises(ValueError, match="expected base64"):
        async with webhook_sender(policy=LOOPBACK, secret="whsec_*"):
            pass
