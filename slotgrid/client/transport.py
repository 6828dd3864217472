"""HTTP requests to one node; translates transport errors into `ClientError`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

from aiohttp import ClientError as TransportError
from aiohttp import ClientResponse, ClientSession, ClientTimeout

from slotgrid.client.responses import JsonObject, NodeUnreachable, expecting, parse_object, refusal
from slotgrid.net.faults import connection_fault

CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 30.0
# A stream pings every 15 s; after three missed pings, the node counts as gone.
SILENCE_S = 50.0
STREAM_TIMEOUT = ClientTimeout(sock_connect=CONNECT_TIMEOUT_S, sock_read=SILENCE_S)


class Transport:
    """The connections to one node; base class of `slotgrid.client.client.Client`."""

    def __init__(self, url: str, key: str = "") -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(
                f"{url!r} is not a URL of a node, expected http:// or https:// in front"
            )
        self.url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._session: ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = ClientSession(headers=self._headers)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()

    async def _items(self, path: str, name: str, **extra: Any) -> list[JsonObject]:
        answer = await self._object("GET", path, **extra)
        with expecting(f"a list of {name}"):
            return [dict(item) for item in answer[name]]

    async def _object(self, method: str, path: str, **extra: Any) -> JsonObject:
        timeout_s: float | None = extra.pop("timeout_s", ANSWER_TIMEOUT_S)
        timeout = ClientTimeout(total=timeout_s, sock_connect=CONNECT_TIMEOUT_S)
        async with self._exchange(method, path, timeout=timeout, **extra) as response:
            return parse_object(await response.read())

    @asynccontextmanager
    async def _exchange(
        self, method: str, path: str, **extra: Any
    ) -> AsyncIterator[ClientResponse]:
        """Send a request; translate errors until the response has been read."""
        if self._session is None:
            raise RuntimeError("the client is not open: use `async with Client(...)`")
        try:
            # A node redirects no API path, and a followed redirect would turn POST into GET.
            async with self._session.request(
                method, self.url + path, allow_redirects=False, **extra
            ) as response:
                if response.status >= 300:
                    raise await refusal(response)
                yield response
        except TransportError as cause:
            raise NodeUnreachable(self.url, connection_fault(cause)) from cause
        except TimeoutError as cause:
            raise NodeUnreachable(self.url, "the answer did not arrive in time") from cause
