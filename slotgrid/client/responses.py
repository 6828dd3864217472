"""A node's responses, as Python clients get them: results, events, problems."""

import json
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientResponse, StreamReader

EXCERPT_CHARS = 200

JsonObject = dict[str, Any]


class ClientError(Exception):
    """Base class of the errors of a call."""


class NodeUnreachable(ClientError):
    """No node responds at `url`, or the connection broke; `reason` has the details."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url}: {reason}")
        self.url = url
        self.reason = reason


class UnexpectedAnswer(ClientError):
    """A response that does not conform to Slotgrid's API."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One error in a request: a JSON pointer into the body, and a message."""

    pointer: str
    message: str


class Problem(ClientError):
    """The node's refusal, or the task's failure (RFC 9457).

    `name` is the last part of `type`, one of the API's closed list. `task_id` is set if a task was
    created, `retry_after_s` if a later retry can help. `body` holds every member as received.
    """

    def __init__(
        self,
        *,
        type: str,  # noqa: A002  the word of the RFC
        title: str,
        status: int,
        detail: str,
        task_id: str | None = None,
        retry_after_s: float | None = None,
        errors: Sequence[Fault] = (),
        body: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{title}: {detail}")
        self.type = type
        self.name = type.rpartition("/")[2]
        self.title = title
        self.status = status
        self.detail = detail
        self.task_id = task_id
        self.retry_after_s = retry_after_s
        self.errors = tuple(errors)
        self.body = dict(body or {})

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> "Problem":
        """Read a body of `application/problem+json`. Raises UnexpectedAnswer."""
        with expecting("a problem"):
            return cls(
                type=str(body["type"]),
                title=str(body["title"]),
                status=int(body["status"]),
                detail=str(body.get("detail") or body["title"]),
                task_id=body.get("task_id"),
                retry_after_s=body.get("retry_after_s"),
                errors=[Fault(one["pointer"], one["message"]) for one in body.get("errors", ())],
                body=body,
            )


@dataclass(frozen=True, slots=True)
class Answer:
    """A completed task. `result` is the function's return value; times are milliseconds."""

    id: str
    result: Any
    worker: str | None
    queued_ms: float
    run_ms: float

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> "Answer":
        """Parse the response of mode `sync`. Raises UnexpectedAnswer."""
        with expecting("the answer of a task"):
            return cls(
                id=body["id"],
                result=body["result"],
                worker=body["worker"],
                queued_ms=body["queued_ms"],
                run_ms=body["run_ms"],
            )


@dataclass(frozen=True, slots=True)
class Accepted:
    """A recorded task. `queue_position`: 0 runs or has ended, 1 is next, None is unknown."""

    id: str
    status: str
    queue_position: int | None

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> "Accepted":
        """Parse the response 202, or one item of a batch. Raises UnexpectedAnswer."""
        with expecting("an accepted task"):
            return cls(body["id"], body["status"], body["queue_position"])


@dataclass(frozen=True, slots=True)
class TaskPage:
    """A page of tasks, and the total number of matches."""

    tasks: list[JsonObject]
    total: int


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a task: a line, a chunk, its progress, or `done` as the last."""

    id: int
    kind: str
    payload: JsonObject = field(default_factory=dict)

    @property
    def text(self) -> str | None:
        """The text of the event."""
        return self.payload.get("text")

    @property
    def data(self) -> Any:
        """The data of the event; of a `chunk` the chunk itself."""
        return self.payload.get("data")


@dataclass(frozen=True, slots=True)
class ArtifactInfo:
    """A file that a task saved; `size` is in bytes."""

    name: str
    size: int
    content_type: str


@contextmanager
def expecting(what: str) -> Iterator[None]:
    """Parse a response in the block: a missing or malformed member raises UnexpectedAnswer."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as cause:
        raise UnexpectedAnswer(f"the answer is not {what}: {cause!r}") from cause


def parse_object(body: bytes | str) -> JsonObject:
    """Parse a JSON object. Raises UnexpectedAnswer."""
    with expecting("a JSON object"):
        return dict(json.loads(body))


async def refusal(response: ClientResponse) -> ClientError:
    """The error for a response of status 300 and above."""
    if response.content_type == "application/problem+json":
        return Problem.parse(parse_object(await response.read()))
    if "Location" in response.headers:
        return UnexpectedAnswer(f"{response.url} leads to {response.headers['Location']}")
    excerpt = (await response.content.read(EXCERPT_CHARS)).decode("utf-8", "replace").strip()
    return UnexpectedAnswer(f"{response.url} answered {response.status}: {excerpt}")


async def read_events(content: StreamReader) -> AsyncGenerator[Event]:
    """Parse the events of a server-sent stream."""
    frame: dict[str, str] = {}
    async for line in _lines(content):
        if not line:
            if "data" in frame:
                with expecting("an event"):
                    kind = frame.get("event", "message")
                    event = Event(int(frame.get("id", 0)), kind, parse_object(frame["data"]))
                yield event
            frame = {}
            continue
        name, _, value = line.partition(":")  # a comment has an empty name, which is unused
        value = value.removeprefix(" ")
        frame[name] = f"{frame[name]}\n{value}" if name == "data" and name in frame else value


async def _lines(content: StreamReader) -> AsyncGenerator[str]:
    """Lines of any length: the reader's own iteration fails above 128 KiB."""
    unfinished: list[bytes] = []
    async for piece in content.iter_any():
        *ended, rest = piece.split(b"\n")
        for end in ended:
            yield b"".join((*unfinished, end)).removesuffix(b"\r").decode("utf-8", "replace")
            unfinished.clear()
        unfinished.append(rest)
