"""One connection of Chromium to the guard: its requests, one after the other, or one tunnel."""

import asyncio
from contextlib import suppress
from typing import Protocol

from worker.guard.answers import bad_gateway, bad_request, gateway_timeout, refusal
from worker.guard.requests import BadRequest, Request, RequestReader, Target
from worker.guard.routes import Route
from worker.guard.rules import Refused, Rules
from worker.guard.streams import Stream

HALF_CLOSED_S = 10.0
"""Seconds without a byte from its target after which a tunnel ends that its client has ended."""
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Report(Protocol):
    """Where a connection reports what it does."""

    def refused(self, request: Request, refused: Refused) -> None:
        """A request was refused."""

    def connected(self, upstream: Stream) -> None:
        """A connection to a target was opened."""


class Connection:
    """Serves one client until it leaves, its target leaves, or `cut`.

    The answer of a target is passed on as it comes, without parsing: a page gets what it would get
    without the guard. An answer counts as complete when the next request arrives. A client that
    sends requests ahead (pipelining; browsers do not) may lose answers.
    """

    def __init__(self, client: Stream, rules: Rules, route: Route, report: Report) -> None:
        self._client = client
        self._rules = rules
        self._route = route
        self._report = report
        self._upstream: Stream | None = None
        self._target: Target | None = None
        self._answers: asyncio.Task[None] | None = None

    @property
    def received(self) -> int:
        """Bytes that came from either side of the connection that is open now."""
        return self._client.received + (self._upstream.received if self._upstream else 0)

    async def serve(self) -> None:
        """Serve until either side has left. Does not raise."""
        requests = RequestReader(self._client)
        try:
            while (request := await requests.head()) is not None:
                if not await self._serve(request, requests):
                    break
        except BadRequest as error:
            # Within an answer of a target, ours would be a part of it.
            if self._answers is None:
                with suppress(OSError):
                    await self._answer(bad_request(str(error)))
        except OSError:
            pass  # one of the two has gone
        finally:
            self._drop_upstream()
            self._client.close()

    def cut(self) -> None:
        """End both sides at once."""
        self._client.cut()
        if self._upstream is not None:
            self._upstream.cut()

    async def _serve(self, request: Request, requests: RequestReader) -> bool:
        """Serve one request; whether another may follow on this connection."""
        try:
            upstream = await self._upstream_for(request)
        except Refused as refused:
            self._report.refused(request, refused)
            return await self._decline(request, requests, refusal(refused, request))
        except TimeoutError:
            return await self._decline(request, requests, gateway_timeout(request))
        except OSError as error:
            return await self._decline(request, requests, bad_gateway(request, error))
        if request.is_tunnel:
            await self._client.write(ESTABLISHED)
            await self._tunnel(upstream, requests.rest())
            return False
        await upstream.write(self._route.head(request))
        async for data in requests.body(request):
            await upstream.write(data)
        if request.upgrade:
            await self._tunnel(upstream, requests.rest())
            return False
        return True

    async def _upstream_for(self, request: Request) -> Stream:
        """The open connection to the target, or a new one to an address that was checked.

        A connection to the node itself serves one request: the rules look at each.
        """
        if (
            self._upstream is not None
            and self._upstream.is_open
            and self._target == request.target
            and not request.is_tunnel
            and not self._rules.checks_each_request(request.target)
        ):
            return self._upstream
        self._drop_upstream()
        self._upstream = upstream = await self._route.open(request, self._rules)
        self._target = request.target
        self._report.connected(upstream)
        if not request.is_tunnel:
            self._answers = asyncio.create_task(self._pass_answers(upstream), name="guard answers")
        return upstream

    async def _pass_answers(self, upstream: Stream) -> None:
        """Pass on what the target answers; its end is the client's, as an answer may end by it."""
        try:
            while data := await upstream.read():
                await self._client.write(data)
        except OSError:
            self._client.cut()
        else:
            self._client.close()

    async def _tunnel(self, upstream: Stream, first: bytes) -> None:
        """Pass bytes both ways until both sides have ended, or one is lost."""
        if self._answers is None:
            self._answers = asyncio.create_task(_pump(upstream, self._client), name="guard tunnel")
        if first:
            await upstream.write(first)
        try:
            await _pump(self._client, upstream)
            # A client that is gone looks like one that ended its half: its target may never notice.
            received = -1
            while not self._answers.done() and received != upstream.received:
                received = upstream.received
                await asyncio.wait({self._answers}, timeout=HALF_CLOSED_S)
        finally:
            self.cut()

    async def _decline(self, request: Request, requests: RequestReader, answer: bytes) -> bool:
        """Answer a request that reaches no target."""
        if request.is_tunnel or requests.waits_for_consent:
            await self._answer(answer)
            return False
        async for _ in requests.body(request):
            pass
        await self._answer(answer)
        return True

    async def _answer(self, answer: bytes) -> None:
        await self._client.write(answer)

    def _drop_upstream(self) -> None:
        if self._answers is not None:
            self._answers.cancel()
            self._answers = None
        if self._upstream is not None:
            self._upstream.cut()
            self._upstream = None


async def _pump(source: Stream, sink: Stream) -> None:
    """Copy until the source ends; a lost connection ends both."""
    try:
        while data := await source.read():
            await sink.write(data)
        sink.end()
    except OSError:
        source.cut()
        sink.cut()
