"""A client for callers in Python: the node's HTTP API in our words.

    async with Client("http://127.0.0.1:3000", key) as client:
        answer = await client.call("page_title", {"url": "https://example.com"})
        print(answer.result)

Every method raises `Problem` when the node says no, `NodeUnreachable` when nobody answers, and
`UnexpectedAnswer` when whoever answers is not a node; all three are `ClientError`.
"""

import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, Self, TypedDict, Unpack
from urllib.parse import quote

from aiohttp import ClientConnectorError, ClientResponse, ClientSession, ClientTimeout
from aiohttp import ClientError as TransportError

from slotgrid.answers import (
    Answer,
    ArtifactInfo,
    ClientError,
    Event,
    Fault,
    JsonObject,
    NodeUnreachable,
    Problem,
    UnexpectedAnswer,
    expecting,
    parse_object,
    read_events,
    refusal,
)

__all__ = [
    "Answer",
    "ArtifactInfo",
    "Client",
    "ClientError",
    "Event",
    "Fault",
    "JsonObject",
    "NodeUnreachable",
    "Problem",
    "TaskFields",
    "UnexpectedAnswer",
]

CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 30.0
# A stream pings every 15 s; after three missed ones nobody is there any more.
SILENCE_S = 50.0


class TaskFields(TypedDict, total=False):
    """The fields of `POST /task` beside `function`, `input` and `mode`; None counts as omitted."""

    group: str | None
    contract: int | None
    priority: int | None
    timeout_s: float | None
    wait_s: float | None
    place: Mapping[str, Any] | None
    metadata: Mapping[str, Any] | None


class Client:
    """Speaks to one node, worker or balancer. Use as `async with`; one serves many calls at once.

    `url` is where the node is, with the path prefix of a proxy if there is one. Raises ValueError
    for a `url` that is not one.
    """

    def __init__(self, url: str, key: str = "") -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"{url!r} is no URL of a node, expected http:// or https:// in front")
        self.url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._session: ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = ClientSession(headers=self._headers)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()

    async def call(
        self,
        function: str,
        input: Mapping[str, Any] | None = None,  # noqa: A002  the word of the API
        **fields: Unpack[TaskFields],
    ) -> Answer:
        """Run a function and wait for its result.

        Cancelling this call hangs up, and that cancels the task.
        """
        body = _submission("sync", function, input, fields)
        # How long it takes is the node's to say (`wait_s`, `timeout_s`), so no limit here.
        return Answer.parse(await self._object("POST", "/task", json=body, timeout_s=None))

    async def stream(
        self,
        function: str,
        input: Mapping[str, Any] | None = None,  # noqa: A002  the word of the API
        **fields: Unpack[TaskFields],
    ) -> AsyncGenerator[Event]:
        """Run a function and follow what it says; the last event is `done`.

        Raises Problem where the task fails, also in the middle. Leaving hangs up, which cancels
        the task: wrap the call in `contextlib.aclosing` when you may leave before the end.
        """
        body = _submission("stream", function, input, fields)
        asked = {
            "json": body,
            "headers": {"Accept": "text/event-stream"},
            "timeout": ClientTimeout(sock_connect=CONNECT_TIMEOUT_S, sock_read=SILENCE_S),
        }
        async with (
            self._exchange("POST", "/task", **asked) as response,
            aclosing(read_events(response.content)) as events,
        ):
            async for event in events:
                if event.kind == "error":
                    raise Problem.parse(event.payload)
                yield event
                if event.kind == "done":
                    return
        raise NodeUnreachable(self.url, "the stream broke off before the task had ended")

    async def functions(self) -> list[JsonObject]:
        """Every function that the node offers, as `GET /functions` shows it."""
        return await self._items("/functions", "functions")

    async def function(self, name: str) -> JsonObject:
        """One function; `input` is its JSON Schema."""
        return await self._object("GET", f"/functions/{quote(name)}")

    async def task(self, task_id: str, *, wait_s: float | None = None) -> JsonObject:
        """The record of a task; with `wait_s` as soon as it has finished, at most that later."""
        asked = {"params": {"wait_s": f"{wait_s:g}"}} if wait_s is not None else {}
        timeout_s = ANSWER_TIMEOUT_S + (wait_s or 0)
        answer = await self._object("GET", f"/tasks/{quote(task_id)}", timeout_s=timeout_s, **asked)
        with expecting("a task"):
            return dict(answer["task"])

    async def task_log(self, task_id: str) -> list[JsonObject]:
        """What a task wrote, oldest first: each line has `ts`, `stream`, `step` and `line`."""
        timeout = ClientTimeout(total=ANSWER_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S)
        path = f"/tasks/{quote(task_id)}/logs"
        async with self._exchange("GET", path, timeout=timeout) as response:
            body = await response.read()
        return [parse_object(line) for line in body.splitlines()]

    async def cancel(self, task_id: str) -> JsonObject:
        """Cancel a queued or running task. Raises Problem `task-finished` when it is too late."""
        return await self._object("POST", f"/tasks/{quote(task_id)}/cancel")

    async def artifacts(self, task_id: str) -> list[ArtifactInfo]:
        """The files that a task saved."""
        listed = await self._items(f"/tasks/{quote(task_id)}/artifacts", "artifacts")
        with expecting("a list of artifacts"):
            return [ArtifactInfo(one["name"], one["size"], one["content_type"]) for one in listed]

    def artifact_url(self, task_id: str, name: str) -> str:
        """Where the file can be had, by whoever has the key."""
        return f"{self.url}/tasks/{quote(task_id)}/artifacts/{quote(name)}"

    async def artifact(self, task_id: str, name: str) -> AsyncGenerator[bytes]:
        """The file, piece by piece."""
        path = self.artifact_url(task_id, name).removeprefix(self.url)
        timeout = ClientTimeout(sock_connect=CONNECT_TIMEOUT_S, sock_read=ANSWER_TIMEOUT_S)
        async with self._exchange("GET", path, timeout=timeout) as response:
            async for piece in response.content.iter_any():
                yield piece

    async def health(self) -> JsonObject:
        """How the node is; without a valid key only its `status`."""
        return await self._object("GET", "/health")

    async def logs(self, *, level: str = "debug") -> list[JsonObject]:
        """The node's last log lines of this level or above, oldest first."""
        return await self._items("/logs", "logs", params={"level": level})

    async def switch_on(self) -> JsonObject:
        """End maintenance."""
        return await self._object("POST", "/on")

    async def switch_off(self) -> JsonObject:
        """Begin maintenance: new tasks are refused, those accepted are finished."""
        return await self._object("POST", "/off")

    async def drain(self, *, deadline_s: float | None = None) -> JsonObject:
        """Let the node finish within `deadline_s`, its own default when None, and exit."""
        body = {} if deadline_s is None else {"deadline_s": deadline_s}
        return await self._object("POST", "/drain", json=body)

    async def _items(self, path: str, name: str, **asked: Any) -> list[JsonObject]:
        answer = await self._object("GET", path, **asked)
        with expecting(f"a list of {name}"):
            return [dict(item) for item in answer[name]]

    async def _object(self, method: str, path: str, **asked: Any) -> JsonObject:
        timeout_s: float | None = asked.pop("timeout_s", ANSWER_TIMEOUT_S)
        timeout = ClientTimeout(total=timeout_s, sock_connect=CONNECT_TIMEOUT_S)
        async with self._exchange(method, path, timeout=timeout, **asked) as response:
            return parse_object(await response.read())

    @asynccontextmanager
    async def _exchange(
        self, method: str, path: str, **asked: Any
    ) -> AsyncIterator[ClientResponse]:
        """Ask, and translate what can go wrong until the answer has been read."""
        if self._session is None:
            raise RuntimeError("the client is not open: use `async with Client(...)`")
        try:
            # A node redirects no API path, and a followed redirect would turn POST into GET.
            async with self._session.request(
                method, self.url + path, allow_redirects=False, **asked
            ) as response:
                if response.status >= 300:
                    raise await refusal(response)
                yield response
        except TransportError as cause:
            raise NodeUnreachable(self.url, _reason(cause)) from cause
        except TimeoutError as cause:
            raise NodeUnreachable(self.url, "the answer did not come in time") from cause


def _submission(
    mode: str, function: str, given: Mapping[str, Any] | None, fields: TaskFields
) -> JsonObject:
    """The body of `POST /task`."""
    wanted = {name: value for name, value in fields.items() if value is not None}
    return {"function": function, "input": dict(given or {}), "mode": mode, **wanted}


def _reason(cause: TransportError) -> str:
    """What went wrong on the way, without the library's own words around it."""
    if isinstance(cause, ClientConnectorError):
        # One address of several is as good as all: who listens on neither refuses both.
        errno = cause.os_error.errno
        return os.strerror(errno) if errno else str(cause.os_error)
    return str(cause) or type(cause).__name__
