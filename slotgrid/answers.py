"""What a node answers, as its callers see it: results, events, problems."""

import json
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientResponse, StreamReader

EXCERPT_CHARS = 200

JsonObject = dict[str, Any]


class ClientError(Exception):
    """Base of what a call can end with, other than its answer."""


class NodeUnreachable(ClientError):
    """Nobody answers at `url`, or the connection broke; `reason` says how."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url}: {reason}")
        self.url = url
        self.reason = reason


class UnexpectedAnswer(ClientError):
    """Something answered that does not speak Slotgrid's API."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with what was sent: a JSON pointer into the body, and what it is."""

    pointer: str
    message: str


class Problem(ClientError):
    """The node's refusal, or the task's failure (RFC 9457).

    `name` is the last part of `type`, one of the API's closed list; `task_id` is there if a task
    had been made; `retry_after_s` if waiting helps. `body` holds every member as it came.
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
    """What a task ended with. `result` is the function's own; times are milliseconds."""

    id: str
    result: Any
    worker: str | None
    queued_ms: float
    run_ms: float

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> "Answer":
        """Read the answer of mode `sync`. Raises UnexpectedAnswer."""
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
    """A task that is recorded. `queue_position`: 0 runs, 1 is next, None waits on disk."""

    id: str
    status: str
    queue_position: int | None

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> "Accepted":
        """Read the answer 202, or one of a batch. Raises UnexpectedAnswer."""
        with expecting("an accepted task"):
            return cls(body["id"], body["status"], body["queue_position"])


@dataclass(frozen=True, slots=True)
class TaskPage:
    """A page of a list of tasks, and how many there are in all."""

    tasks: list[JsonObject]
    total: int


@dataclass(frozen=True, slots=True)
class Event:
    """One thing a task said: a line, a chunk, how far it is, or, last, that it is `done`."""

    id: int
    kind: str
    payload: JsonObject = field(default_factory=dict)

    @property
    def text(self) -> str | None:
        """What it said in words."""
        return self.payload.get("text")

    @property
    def data(self) -> Any:
        """What it said beside that; of a `chunk` the chunk itself."""
        return self.payload.get("data")


@dataclass(frozen=True, slots=True)
class ArtifactInfo:
    """A file that a task saved; `size` is in bytes."""

    name: str
    size: int
    content_type: str


@contextmanager
def expecting(what: str) -> Iterator[None]:
    """Read an answer in the block: whatever is not there makes it an `UnexpectedAnswer`."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as cause:
        raise UnexpectedAnswer(f"the answer is not {what}: {cause!r}") from cause


def parse_object(body: bytes | str) -> JsonObject:
    """A JSON object. Raises UnexpectedAnswer."""
    with expecting("a JSON object"):
        return dict(json.loads(body))


async def refusal(response: ClientResponse) -> ClientError:
    """The error that an answer of status 300 and above stands for."""
    if response.content_type == "application/problem+json":
        return Problem.parse(parse_object(await response.read()))
    if "Location" in response.headers:
        return UnexpectedAnswer(f"{response.url} leads to {response.headers['Location']}")
    excerpt = (await response.content.read(EXCERPT_CHARS)).decode("utf-8", "replace").strip()
    return UnexpectedAnswer(f"{response.url} answered {response.status}: {excerpt}")


async def read_events(content: StreamReader) -> AsyncGenerator[Event]:
    """The events of a server-sent stream; a `done` may well be the last."""
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
        name, _, value = line.partition(":")  # a comment has no name, and no one asks for it
        value = value.removeprefix(" ")
        frame[name] = f"{frame[name]}\n{value}" if name == "data" and name in frame else value


async def _lines(content: StreamReader) -> AsyncGenerator[str]:
    """Lines of any length: the reader's own iteration refuses those above 128 KiB."""
    unfinished: list[bytes] = []
    async for piece in content.iter_any():
        *ended, rest = piece.split(b"\n")
        for end in ended:
            yield b"".join((*unfinished, end)).removesuffix(b"\r").decode("utf-8", "replace")
            unfinished.clear()
        unfinished.append(rest)
