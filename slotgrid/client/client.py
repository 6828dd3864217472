"""The client of one node: a method for each operation of the HTTP API."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import Any, Unpack
from urllib.parse import quote

from aiohttp import ClientTimeout

from slotgrid.client.requests import (
    ChangeFilters,
    DurableFields,
    TaskFields,
    TaskFilters,
    idempotency_header,
    submission,
    without_none,
)
from slotgrid.client.responses import (
    Accepted,
    Answer,
    ArtifactInfo,
    Event,
    JsonObject,
    NodeUnreachable,
    Problem,
    TaskPage,
    expecting,
    parse_object,
    read_events,
)
from slotgrid.client.transport import ANSWER_TIMEOUT_S, CONNECT_TIMEOUT_S, STREAM_TIMEOUT, Transport

RECONNECT_S = 1.0


def _segment(name: str) -> str:
    return quote(name, safe="")


class Client(Transport):
    """Client of one node, worker or balancer. Use as `async with`; calls may be concurrent.

    `url` is the node's URL, with the path prefix of a proxy if there is one. Raises ValueError for
    a `url` that is not http:// or https://.
    """

    async def call(
        self,
        function: str,
        input: Mapping[str, Any] | None = None,  # noqa: A002  the word of the API
        **fields: Unpack[TaskFields],
    ) -> Answer:
        """Run a function and wait for its result.

        Cancelling this call closes its connection, which cancels the task.
        """
        body = submission("sync", function, input, fields)
        # No time limit here: the node limits the call (`wait_s`, `timeout_s`).
        return Answer.parse(await self._object("POST", "/task", json=body, timeout_s=None))

    async def stream(
        self,
        function: str,
        input: Mapping[str, Any] | None = None,  # noqa: A002  the word of the API
        **fields: Unpack[TaskFields],
    ) -> AsyncGenerator[Event]:
        """Run a function and yield its events; the last event is `done`.

        Raises Problem if the task fails, also in the middle. Closing the generator cancels the
        task: wrap the call in `contextlib.aclosing` if you may leave before the end.
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
        """Submit a durable task: once recorded, it continues without this client.

        With `idempotency_key`, a call without a response can be retried: the node makes one task.
        """
        mode = "webhook" if fields.get("webhook") is not None else "async"
        body = submission(mode, function, input, fields)
        extra = {"json": body, "headers": idempotency_header(idempotency_key)}
        return Accepted.parse(await self._object("POST", "/task", **extra))

    async def submit_many(
        self, tasks: Sequence[Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> list[Accepted]:
        """Submit up to 1,000 tasks, each a body of `POST /task`: all are recorded or none."""
        extra = {"json": {"tasks": list(tasks)}, "headers": idempotency_header(idempotency_key)}
        answer = await self._object("POST", "/tasks", timeout_s=None, **extra)
        with expecting("a list of accepted tasks"):
            return [Accepted.parse(one) for one in answer["tasks"]]

    async def functions(self) -> list[JsonObject]:
        """Every function that the node offers, as `GET /functions` shows it."""
        return await self._items("/functions", "functions")

    async def function(self, name: str) -> JsonObject:
        """One function; `input` is its JSON Schema."""
        return await self._object("GET", f"/functions/{quote(name)}")

    async def task(self, task_id: str, *, wait_s: float | None = None) -> JsonObject:
        """The record of a task; waits up to `wait_s` seconds for the task to finish."""
        extra = {"params": {"wait_s": f"{wait_s:g}"}} if wait_s is not None else {}
        timeout_s = ANSWER_TIMEOUT_S + (wait_s or 0)
        answer = await self._object("GET", f"/tasks/{quote(task_id)}", timeout_s=timeout_s, **extra)
        with expecting("a task"):
            return dict(answer["task"])

    async def task_log(self, task_id: str) -> list[JsonObject]:
        """Log lines of a task, oldest first: each has `ts`, `stream`, `step` and `line`."""
        timeout = ClientTimeout(total=ANSWER_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S)
        path = f"/tasks/{quote(task_id)}/logs"
        async with self._exchange("GET", path, timeout=timeout) as response:
            body = await response.read()
        return [parse_object(line) for line in body.splitlines()]

    async def cancel(self, task_id: str) -> JsonObject:
        """Cancel a queued or running task. Raises Problem `task-finished` if it has ended."""
        return await self._object("POST", f"/tasks/{quote(task_id)}/cancel")

    async def tasks(
        self, *, limit: int = 50, offset: int = 0, **filters: Unpack[TaskFilters]
    ) -> TaskPage:
        """A page of tasks, newest first."""
        params = {"limit": str(limit), "offset": str(offset), **without_none(filters)}
        answer = await self._object("GET", "/tasks", params=params)
        with expecting("a page of tasks"):
            return TaskPage([dict(one) for one in answer["tasks"]], int(answer["total"]))

    async def cancel_all(self, **filters: Unpack[TaskFilters]) -> list[str]:
        """Cancel all queued and running tasks that match the filters; returns their ids."""
        extra = {"params": without_none(filters), "timeout_s": None}
        answer = await self._object("POST", "/tasks/cancel", **extra)
        with expecting("a list of cancelled tasks"):
            return [str(task_id) for task_id in answer["ids"]]

    async def retry(self, task_id: str) -> Answer | Accepted:
        """Run a finished task's input again, as a new task and in the same mode.

        Returns the result, or the accepted task in a durable mode. Raises Problem if it fails.
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
        """Yield past and new events of a task after the event `after`; the last is `done`.

        Closing the generator does not affect the task. A broken connection is retried for
        `patience_s`, also during a restart of the node; earlier events of a durable task may then
        be missing. Raises Problem if the task failed or was cancelled.
        """
        path = f"/tasks/{quote(task_id)}/events"
        broken_since = None
        while True:
            asked_at = time.monotonic()
            headers = {"Last-Event-ID": str(after)}
            try:
                async with aclosing(self._events("GET", path, headers=headers)) as events:
                    async for event in events:
                        # An event that reports a gap has no number: do not resume from it.
                        after = max(after, event.id)
                        yield event
                return  # noqa: TRY300  the loop retries broken streams
            except NodeUnreachable:
                now = time.monotonic()
                if broken_since is None or now - asked_at > CONNECT_TIMEOUT_S:
                    broken_since = now  # this connection worked for a while
                if now - broken_since >= patience_s:
                    raise
            await asyncio.sleep(RECONNECT_S)

    async def changes(
        self, *, after: int = 0, **filters: Unpack[ChangeFilters]
    ) -> AsyncGenerator[Event]:
        """Yield changes of tasks as they happen, after the change `after`, without an end.

        `missed` events say how many were lost. A broken connection is retried each second, also
        during a restart of the node. Raises Problem if the node refuses.
        """
        query = {name: str(value) for name, value in filters.items() if value is not None}
        while True:
            headers = {"Last-Event-ID": str(after)} if after else {}
            with suppress(NodeUnreachable):
                events = self._events("GET", "/events", headers=headers, params=query)
                async with aclosing(events):
                    async for event in events:
                        after = max(after, event.id)
                        yield event
            await asyncio.sleep(RECONNECT_S)

    async def artifacts(self, task_id: str) -> list[ArtifactInfo]:
        """The files that a task saved."""
        listed = await self._items(f"/tasks/{quote(task_id)}/artifacts", "artifacts")
        with expecting("a list of artifacts"):
            return [ArtifactInfo(one["name"], one["size"], one["content_type"]) for one in listed]

    def artifact_url(self, task_id: str, name: str) -> str:
        """URL of the file; a request needs the key."""
        return f"{self.url}/tasks/{quote(task_id)}/artifacts/{quote(name)}"

    async def artifact(self, task_id: str, name: str) -> AsyncGenerator[bytes]:
        """Yield the file in pieces."""
        path = self.artifact_url(task_id, name).removeprefix(self.url)
        timeout = ClientTimeout(sock_connect=CONNECT_TIMEOUT_S, sock_read=ANSWER_TIMEOUT_S)
        async with self._exchange("GET", path, timeout=timeout) as response:
            async for piece in response.content.iter_any():
                yield piece

    async def health(self) -> JsonObject:
        """Health of the node; without a valid key only its `status`."""
        return await self._object("GET", "/health")

    async def workers(self) -> list[JsonObject]:
        """Every worker of a balancer. Raises Problem `not-found` at a worker."""
        return await self._items("/workers", "workers", params={"limit": "1000"})

    async def schedules(self, *, limit: int = 50, offset: int = 0) -> tuple[list[JsonObject], int]:
        """A page of a balancer's schedules, by name, and the number of all."""
        params = {"limit": str(limit), "offset": str(offset)}
        answer = await self._object("GET", "/schedules", params=params)
        with expecting("a page of schedules"):
            return [dict(one) for one in answer["schedules"]], int(answer["total"])

    async def schedule(self, name: str) -> JsonObject:
        """One schedule, with its history."""
        return await self._schedule("GET", name)

    async def create_schedule(self, definition: Mapping[str, Any]) -> JsonObject:
        """Make a schedule; `definition` is the body of `POST /schedules`."""
        answer = await self._object("POST", "/schedules", json=dict(definition))
        with expecting("a schedule"):
            return dict(answer["schedule"])

    async def replace_schedule(self, name: str, definition: Mapping[str, Any]) -> JsonObject:
        """Replace a schedule; `definition` is the body of `PUT /schedules/{name}`."""
        return await self._schedule("PUT", name, json=dict(definition))

    async def remove_schedule(self, name: str) -> None:
        """Remove a schedule and its history."""
        await self._object("DELETE", f"/schedules/{_segment(name)}")

    async def run_schedule(self, name: str, *, idempotency_key: str | None = None) -> str:
        """Start the task of a schedule now; returns its id."""
        headers = idempotency_header(idempotency_key)
        path = f"/schedules/{_segment(name)}/run"
        answer = await self._object("POST", path, headers=headers)
        with expecting("a started task"):
            return str(answer["id"])

    async def switch_schedule(self, name: str, *, on: bool) -> JsonObject:
        """Switch a schedule on or off."""
        return await self._schedule("POST", name, "/on" if on else "/off")

    async def _schedule(self, method: str, name: str, below: str = "", **extra: Any) -> JsonObject:
        answer = await self._object(method, f"/schedules/{_segment(name)}{below}", **extra)
        with expecting("a schedule"):
            return dict(answer["schedule"])

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
        """Drain the node within `deadline_s` (None: its own default), then let it exit."""
        body = {} if deadline_s is None else {"deadline_s": deadline_s}
        return await self._object("POST", "/drain", json=body)

    async def _events(self, method: str, path: str, **extra: Any) -> AsyncGenerator[Event]:
        """The events of a stream, up to its `done`."""
        headers = {"Accept": "text/event-stream", **extra.pop("headers", {})}
        async with (
            self._exchange(
                method, path, headers=headers, timeout=STREAM_TIMEOUT, **extra
            ) as response,
            aclosing(self._until_end(read_events(response.content))) as events,
        ):
            async for event in events:
                yield event

    async def _until_end(self, events: AsyncGenerator[Event]) -> AsyncGenerator[Event]:
        """The events up to `done`. Raises Problem for `error`, NodeUnreachable without either."""
        async with aclosing(events):
            async for event in events:
                if event.kind == "error":
                    raise Problem.parse(event.payload)
                yield event
                if event.kind == "done":
                    return
        raise NodeUnreachable(self.url, "the stream ended before the task")
