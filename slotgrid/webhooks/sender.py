"""Sends webhooks, one attempt at a time, by the Standard Webhooks specification.

`slotgrid.webhooks.deliveries` decides on retries; the caller records the attempts.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

import aiohttp
import orjson
from aiohttp.abc import AbstractResolver
from standardwebhooks import Webhook as Signer
from yarl import URL

from slotgrid.core.deadlines import iso
from slotgrid.core.task_states import TaskState
from slotgrid.core.webhook_rules import Headers, merged_headers, signing_key
from slotgrid.net.addresses import AddressPolicy, AddressRefused
from slotgrid.net.faults import connection_fault
from slotgrid.net.guarded_connector import GuardedConnector

CONNECT_SHARE = 1 / 3
"""The share of an attempt's time for DNS, connect and TLS together."""
AT_ONCE = 100
"""Concurrent attempts: each holds a socket, and a slow receiver holds it for long."""
ANSWER_LIMIT = 64 * 1024
ERROR_LIMIT = 300
OURS = (("Content-Type", "application/json"), ("User-Agent", "Slotgrid"))
"""Headers that a delivery may override; the signature's headers are not among them."""


class Outcome(StrEnum):
    """The outcome of an attempt. Only RETRY leads to another attempt."""

    DELIVERED = "delivered"
    RETRY = "retry"
    STOP = "stop"  # 410 Gone: the receiver wants no more webhooks
    REFUSED = "refused"  # not sent and not retried: invalid URL or secret, or a refused address


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One webhook to send. `id` is the task's id, the same for each attempt.

    `secret`: None means the node's secret.
    """

    id: str
    url: str
    body: bytes = field(repr=False)
    headers: Headers = field(default=(), repr=False)
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAttempt:
    """One attempt: `at` in seconds since the epoch, `status` None without an answer.

    `requested_pause_s`: the seconds of the answer's `Retry-After`.
    """

    at: float
    duration_ms: int
    outcome: Outcome
    status: int | None = None
    error: str | None = None
    requested_pause_s: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The attempt as `GET /tasks/{id}` shows it."""
        return {
            "at": iso(self.at),
            "status": self.status,
            "duration_ms": self.duration_ms,
            "error": self.error,
        }


class UrlFault(ValueError):
    """The URL is no valid target of a webhook. The message does not show the URL."""


def webhook_body(status: TaskState, at: float, data: Mapping[str, Any]) -> bytes:
    """The body of a webhook; `at` is the end of the task in seconds since the epoch."""
    return orjson.dumps({"type": f"task.{status}", "timestamp": iso(at), "data": data})


def webhook_target(url: str, policy: AddressPolicy) -> URL:
    """The parsed URL.

    Raises UrlFault, or AddressRefused for an address that is not allowed; a host name is only
    checked when it is resolved. Admission calls this too, so that the caller gets a fault at once
    and not after the task.
    """
    try:
        target = URL(url)
        (target.raw_host or "").encode("idna")  # ValueError for names that no resolver accepts
    except ValueError:
        raise UrlFault("expected a valid URL") from None
    if target.scheme not in {"http", "https"} or not target.raw_host or not target.port:
        raise UrlFault("expected an http or https URL with a host")
    policy.check_literal(target.raw_host)
    return target


@asynccontextmanager
async def webhook_sender(
    *,
    policy: AddressPolicy,
    secret: str,
    headers: Headers = (),
    timeout_s: float = 15.0,
    at_once: int = AT_ONCE,
    resolver: AbstractResolver | None = None,
    tls: ssl.SSLContext | None = None,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator["WebhookSender"]:
    """A sender with its own connections, closed at the end.

    `secret` signs deliveries without a secret; a delivery's headers override `headers`. At most
    `at_once` attempts run at once; the wait does not count against `timeout_s`. `tls`: for
    certificates that the system's authorities do not cover. Raises ValueError for a bad secret.
    """
    signing_key(secret)
    async with aiohttp.ClientSession(
        connector=GuardedConnector(policy, resolver=resolver, tls=tls),
        timeout=aiohttp.ClientTimeout(total=timeout_s, connect=timeout_s * CONNECT_SHARE),
        cookie_jar=aiohttp.DummyCookieJar(),
        # Ignore proxy settings and .netrc of the environment.
        trust_env=False,
        auto_decompress=False,
        skip_auto_headers=("Accept-Encoding",),
    ) as session:
        yield WebhookSender(
            session, policy=policy, secret=secret, headers=headers, at_once=at_once, clock=clock
        )


class WebhookSender:
    """Sends webhooks over a session that connects to allowed addresses only."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        policy: AddressPolicy,
        secret: str,
        headers: Headers,
        at_once: int,
        clock: Callable[[], float],
    ) -> None:
        self._session = session
        self._policy = policy
        self._secret = secret
        self._headers = headers
        self._clock = clock
        self._places = asyncio.Semaphore(at_once)

    async def send(self, delivery: Delivery) -> DeliveryAttempt:
        """Make one attempt. Faults of receiver, network, URL or secret do not raise."""
        async with self._places:
            at, started = self._clock(), time.monotonic()
            answer = await self._post(delivery, at)
            duration_ms = round((time.monotonic() - started) * 1000)
        return DeliveryAttempt(
            at=at,
            duration_ms=duration_ms,
            outcome=answer.outcome,
            status=answer.status,
            error=answer.error and answer.error[:ERROR_LIMIT],
            requested_pause_s=answer.requested_pause_s,
        )

    async def _post(self, delivery: Delivery, at: float) -> "_Answer":
        try:
            target = webhook_target(delivery.url, self._policy)
            async with self._session.post(
                target,
                data=delivery.body,
                headers=self._headers_of(delivery, at),
                allow_redirects=False,
            ) as response:
                await _read_answer(response)
                return _judged(response, at)
        except (AddressRefused, UrlFault, _SecretFault) as error:
            return _Answer(Outcome.REFUSED, error=str(error))
        except aiohttp.InvalidURL:  # an address in another form, such as 127.1 or 2130706433
            return _Answer(Outcome.REFUSED, error="expected a valid URL")
        except (aiohttp.ClientError, OSError) as error:  # a timeout is an OSError
            return _Answer(Outcome.RETRY, error=_in_words(error, self._session.timeout))

    def _headers_of(self, delivery: Delivery, at: float) -> dict[str, str]:
        """The headers of an attempt; `at` is signed, so that a receiver can refuse a replay."""
        try:
            signer = Signer(signing_key(delivery.secret or self._secret))
        except ValueError as error:
            raise _SecretFault(f"the webhook's secret is not a valid key: {error}") from None
        second = datetime.fromtimestamp(int(at), UTC)
        signed = {
            "webhook-id": delivery.id,
            "webhook-timestamp": str(int(at)),
            "webhook-signature": signer.sign(delivery.id, second, delivery.body.decode()),
        }
        return merged_headers(OURS, self._headers, delivery.headers, signed.items())


class _SecretFault(Exception):
    """The delivery's own secret cannot sign."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """The outcome of an attempt without its times."""

    outcome: Outcome
    status: int | None = None
    error: str | None = None
    requested_pause_s: float | None = None


def _judged(response: aiohttp.ClientResponse, now: float) -> _Answer:
    status = response.status
    if 200 <= status < 300:
        return _Answer(Outcome.DELIVERED, status)
    if status == 410:
        return _Answer(Outcome.STOP, status, "the receiver answered 410 Gone")
    not_followed = ", and redirects are not followed" if 300 <= status < 400 else ""
    error = f"the receiver answered {status}{not_followed}"
    requested_pause_s = retry_after_s(response.headers.get("Retry-After", ""), now)
    return _Answer(Outcome.RETRY, status, error, requested_pause_s)


async def _read_answer(response: aiohttp.ClientResponse) -> None:
    """Read and discard the answer's body, since a receiver that is cut off may undo its work.

    Only the status decides: an endless, slow or truncated body has no effect on the outcome.
    """
    left = ANSWER_LIMIT
    with suppress(aiohttp.ClientError, OSError):
        while left > 0 and (chunk := await response.content.readany()):
            left -= len(chunk)


def retry_after_s(text: str, now: float) -> float | None:
    """Seconds of a `Retry-After` header: a number or an HTTP date; None for other text.

    `now` is in seconds since the epoch.
    """
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    # A date without a zone is UTC, as all HTTP dates are.
    return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now)


def _in_words(error: Exception, timeout: aiohttp.ClientTimeout) -> str:
    """The error as text, without the URL, which may contain a secret."""
    match error:
        case aiohttp.ConnectionTimeoutError():
            return f"no connection within {timeout.connect:g} s"
        case TimeoutError():
            return f"no answer within {timeout.total:g} s"
        case aiohttp.ClientConnectorDNSError() | aiohttp.ClientSSLError():
            return connection_fault(error)
        case aiohttp.ClientResponseError():
            return f"the answer is not valid HTTP: {error.message}"
        case aiohttp.ServerDisconnectedError():
            return "the receiver closed the connection without an answer"
        case _:
            return str(error) or type(error).__name__
