"""A client for callers in Python: the node's HTTP API in our words.

    async with Client("http://127.0.0.1:3000", key) as client:
        answer = await client.call("page_title", {"url": "https://example.com"})
        print(answer.result)

Every method raises `Problem` when the node says no, `NodeUnreachable` when nobody answers, and
`UnexpectedAnswer` when whoever answers is not a node; all three are `ClientError`.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Unpack
from urllib.parse import quote

from aiohttp import ClientTimeout

from slotgrid.answers import (
    Accepted,
    Answer,
    ArtifactInfo,
    ClientError,
    Event,
    Fault,
    JsonObject,
    NodeUnreachable,
    Problem,
    TaskPage,
    UnexpectedAnswer,
    expecting,
    parse_object,
    read_events,
)
from slotgrid.exchange import ANSWER_TIMEOUT_S, CONNECT_TIMEOUT_S, STREAM_TIMEOUT, Exchange
from slotgrid.questions import (
    DurableFields,
    TaskFields,
    TaskFilters,
    given,
    keyed,
    submission,
)

__all__ = [
    "Accepted",
    "Answer",
    "ArtifactInfo",
    "Client",
    "ClientError",
    "DurableFields",
    "Event",
    "Fault",
    "JsonObject",
    "NodeUnreachable",
    "Problem",
    "TaskFields",
    "TaskFilters",
    "TaskPage",
    "UnexpectedAnswer",
]

RECONNECT_S = 1.0


class Client(Exchange):
    """Speaks to one node, worker or balancer. Use as `async with`; one serves many calls at once.

    `url` is where the node is, with the path prefix of a proxy if there is one. Raises ValueError
    for a `url` that is not one.
    """

    async def call(
        self,
        function: str,
        input: Mapping[str, Any] | None = None,  # noqa: A002  the word of the API
        **fields: Unpack[TaskFields],
    ) -> Answer:
        """Run a function and wait for its result.

        Cancelling this call hangs up, and that cancels the task.
        """
        body = submission("sync", function, input, fields)
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
        body = submission("stream", function, input, fields)
        async with aclosing(self._events("POST", "/task", json=body)) as events:
            async for event in events:
                yield event

    async def submit(
        self,
        function: str,
        input: Mapping[str, Any] | None = None,  # noqa: A002  the word of the API
        *,
        idempotency_key: str | None = None,
        **fields: Unpack[DurableFields],
    ) -> Accepted:
        """Hand a task over: it is recorded, and goes on whatever becomes of this call.

        With `idempotency_key` a call that got no answer can be made again: it is one task.
        """
        mode = "webhook" if fields.get("webhook") is not None else "async"
        body = submission(mode, function, input, fields)
        asked = {"json": body, "headers": keyed(idempotency_key)}
        return Accepted.parse(await self._object("POST", "/task", **asked))

    async def submit_many(
        self, tasks: Sequence[Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> list[Accepted]:
        """Hand up to 1,000 tasks over, each a body of `POST /task`: all are recorded or none is."""
        asked = {"json": {"tasks": list(tasks)}, "headers": keyed(idempotency_key)}
        answer = await self._object("POST", "/tasks", timeout_s=None, **asked)
        with expecting("a list of accepted tasks"):
            return [Accepted.parse(one) for one in answer["tasks"]]

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

    async def tasks(
        self, *, limit: int = 50, offset: int = 0, **filters: Unpack[TaskFilters]
    ) -> TaskPage:
        """A page of tasks, newest first."""
        params = {"limit": str(limit), "offset": str(offset), **given(filters)}
        answer = await self._object("GET", "/tasks", params=params)
        with expecting("a page of tasks"):
            return TaskPage([dict(one) for one in answer["tasks"]], int(answer["total"]))

    async def cancel_all(self, **filters: Unpack[TaskFilters]) -> list[str]:
        """Cancel every queued and running task that the filters mean; their ids."""
        asked = {"params": given(filters), "timeout_s": None}
        answer = await self._object("POST", "/tasks/cancel", **asked)
        with expecting("a list of cancelled tasks"):
            return [str(task_id) for task_id in answer["ids"]]

    async def retry(self, task_id: str) -> Answer | Accepted:
        """Run a finished task's input again, as a new task and in the same mode.

        Gives the result, or what was accepted in a durable mode. Raises Problem where it fails.
        """
        path = f"/tasks/{quote(task_id)}/retry"
        timeout = ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S)
        async with self._exchange("POST", path, timeout=timeout) as response:
            if response.content_type == "text/event-stream":
                async with aclosing(self._until_end(read_events(response.content))) as events:
                    async for event in events:
                        if event.kind == "done":
                            return Answer.parse(event.payload)
            body = parse_object(await response.read())
            return Accepted.parse(body) if response.status == 202 else Answer.parse(body)

    async def redeliver(self, task_id: str) -> JsonObject:
        """Send a finished task's webhook again. Raises Problem `conflict` if it has none."""
        return await self._object("POST", f"/tasks/{quote(task_id)}/redeliver")

    async def events(
        self, task_id: str, *, after: int = 0, patience_s: float = 0.0
    ) -> AsyncGenerator[Event]:
        """What a task said behind the event `after`, then what it says; the last is `done`.

        Leaving does the task no harm. A connection that breaks is made again for `patience_s`,
        which outlasts a restart of the node; what a durable task said before may be missing then.
        Raises Problem where the task failed or was cancelled.
        """
        path = f"/tasks/{quote(task_id)}/events"
        broken_since = None
        while True:
            asked_at = time.monotonic()
            headers = {"Last-Event-ID": str(after)}
            try:
                async with aclosing(self._events("GET", path, headers=headers)) as events:
                    async for event in events:
                        # What tells of a gap has no number, and is no place to go on from.
                        after = max(after, event.id)
                        yield event
                return  # noqa: TRY300  the loop is for those that broke
            except NodeUnreachable:
                now = time.monotonic()
                if broken_since is None or now - asked_at > CONNECT_TIMEOUT_S:
                    broken_since = now  # this connection was a good one for a while
                if now - broken_since >= patience_s:
                    raise
            await asyncio.sleep(RECONNECT_S)

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

    async def workers(self) -> list[JsonObject]:
        """Every worker that a balancer follows. Raises Problem `not-found` at a worker."""
        return await self._items("/workers", "workers", params={"limit": "1000"})

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

    async def _events(self, method: str, path: str, **asked: Any) -> AsyncGenerator[Event]:
        """The events of a stream, up to its `done`."""
        headers = {"Accept": "text/event-stream", **asked.pop("headers", {})}
        async with (
            self._exchange(
                method, path, headers=headers, timeout=STREAM_TIMEOUT, **asked
            ) as response,
            aclosing(self._until_end(read_events(response.content))) as events,
        ):
            async for event in events:
                yield event

    async def _until_end(self, events: AsyncGenerator[Event]) -> AsyncGenerator[Event]:
        """The events up to `done`. Raises Problem for `error`, NodeUnreachable for neither."""
        async with aclosing(events):
            async for event in events:
                if event.kind == "error":
                    raise Problem.parse(event.payload)
                yield event
                if event.kind == "done":
                    return
        raise NodeUnreachable(self.url, "the stream broke off before the task had ended")
