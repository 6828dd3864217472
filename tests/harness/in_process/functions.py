"""Functions without a browser, and what runs them where a worker's own runner would."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from slotgrid.core.errors import DeadlineExceeded, FunctionFailed
from slotgrid.core.event_log import encode_json
from slotgrid.core.lease import Lease
from slotgrid.core.runner import AttemptFailed
from slotgrid.core.schema import Schema
from slotgrid.core.spec import FunctionSpec
from slotgrid.core.task import Task
from slotgrid.core.task_parts import Step
from slotgrid.core.task_states import StepState
from slotgrid.records.artifacts import ArtifactStore


class Speaker:
    """What a function says and saves while it runs; `gate` is opened by the test."""

    def __init__(self, task: Task, artifacts: ArtifactStore, gate: asyncio.Event) -> None:
        self.task = task
        self.gate = gate
        self._artifacts = artifacts

    async def say(self, kind: str, text: str | None = None, data: Any = None) -> None:
        self.task.events.append(kind, {"text": text, "data": data})
        await self.task.events.room()

    async def stream(self, chunk: str) -> None:
        self.task.events.append("chunk", {"data": chunk})
        await self.task.events.room()

    async def save(self, name: str, data: str) -> None:
        await self._artifacts.save(self.task, name, data)


Body = Callable[[Speaker, Mapping[str, Any]], Awaitable[Any]]


@dataclass(frozen=True)
class Offered:
    """A function: what is known of it, and what it does."""

    spec: FunctionSpec
    body: Body


class ListedCatalog:
    """The functions that the test offers; fulfils `slotgrid.core.spec.Catalog`."""

    def __init__(self, offered: Sequence[Offered]) -> None:
        self._offered = {one.spec.name: one for one in offered}
        self.version = 1

    def find(
        self, name: str, group: str | None = None, contract: int | None = None
    ) -> FunctionSpec | None:
        offered = self._offered.get(name)
        if offered is None or group not in {None, offered.spec.group}:
            return None
        return offered.spec if contract in {None, offered.spec.contract} else None

    def specs(self) -> Sequence[FunctionSpec]:
        return [self._offered[name].spec for name in sorted(self._offered)]

    def fault_of(self, name: str) -> str:
        return ""

    def body(self, name: str) -> Body:
        return self._offered[name].body

    def put(self, *offered: Offered) -> None:
        self._offered |= {one.spec.name: one for one in offered}
        self.version += 1


class CoroutineRunner:
    """Runs the catalog's coroutines; fulfils every protocol of `slotgrid.core.runner`."""

    def __init__(self, catalog: ListedCatalog, artifacts: ArtifactStore) -> None:
        self._catalog = catalog
        self._artifacts = artifacts
        self.gate = asyncio.Event()
        self.started: asyncio.Queue[Task] = asyncio.Queue()

    async def run(self, task: Task, lease: Lease | None = None) -> bytes:
        self.started.put_nowait(task)
        timeout_s = task.submission.timeout_s or task.spec.timeout_s
        scope = asyncio.timeout(timeout_s)
        speaker = Speaker(task, self._artifacts, self.gate)
        try:
            async with scope:
                result = await self._catalog.body(task.spec.name)(speaker, task.input)
        except TimeoutError as error:
            if not scope.expired():
                raise AttemptFailed(FunctionFailed(str(error)), retryable=True) from error
            late = DeadlineExceeded(f"it ran longer than its {timeout_s:g} s")
            raise AttemptFailed(late, retryable=False) from None
        except Exception as error:
            raise AttemptFailed(FunctionFailed(str(error)), retryable=True) from error
        return encode_json(result)

    def clean(self, task: Task, lease: Lease) -> Coroutine[Any, Any, None] | None:
        return None


def offer(
    name: str,
    body: Body,
    *,
    properties: Mapping[str, Any] | None = None,
    required: Sequence[str] = (),
    output: Mapping[str, Any] | None = None,
    streaming: bool = False,
    timeout_s: float = 30.0,
    description: str = "",
    needs_slot: bool = True,
    retries: int = 0,
) -> Offered:
    """A function of that name; its input is an object of these properties and no other."""
    schema = {
        "type": "object",
        "properties": dict(properties or {}),
        "required": list(required),
        "additionalProperties": False,
    }
    spec = FunctionSpec(
        name=name,
        description=description or f"What {name} does.",
        kind="python" if needs_slot else "flow",
        group="default",
        contract=1,
        revision="r1",
        input=Schema(schema),
        output=Schema(output) if output else None,
        modes=("sync", "webhook", "async", *(["stream"] if streaming else [])),
        timeout_s=timeout_s,
        needs_slot=needs_slot,
        retries=retries,
    )
    return Offered(spec, body)


def renamed(offered: Offered, name: str) -> Offered:
    """The same function under another name."""
    return Offered(replace(offered.spec, name=name), offered.body)


async def _echo(_: Speaker, input_: Mapping[str, Any]) -> Any:
    return input_["value"]


async def _greet(speaker: Speaker, input_: Mapping[str, Any]) -> Any:
    await speaker.say("status", "greeting")
    for word in ("Hello, ", input_["name"], "!"):
        await speaker.stream(word)
    await speaker.say("progress", "greeted", {"fraction": 1.0})
    return {"message": f"Hello, {input_['name']}!"}


async def _hold(speaker: Speaker, _: Mapping[str, Any]) -> Any:
    await speaker.say("status", "holding")
    await speaker.gate.wait()
    return "released"


async def _fail(speaker: Speaker, input_: Mapping[str, Any]) -> Any:
    for number in range(input_["chunks"]):
        await speaker.stream(f"chunk {number}")
    raise RuntimeError(input_["message"])


async def _chatter(speaker: Speaker, input_: Mapping[str, Any]) -> Any:
    for _ in range(input_["count"]):
        await speaker.stream("x" * input_["size"])
    return input_["count"]


async def _save(speaker: Speaker, input_: Mapping[str, Any]) -> Any:
    for name, text in input_["files"].items():
        await speaker.save(name, text)
    return len(input_["files"])


async def _steps(speaker: Speaker, _: Mapping[str, Any]) -> Any:
    step = Step("greet-1", "greet")
    speaker.task.steps.append(step)
    speaker.task.log("a line of the step", step=step.name)
    speaker.task.log("a line of the function", step="main")
    step.end(StepState.COMPLETED, output=orjson.dumps("done"))
    return None


async def _price(_: Speaker, input_: Mapping[str, Any]) -> Any:
    return {"total": input_["amount"] * 2}


_COUNT = {"type": "integer", "minimum": 0}
OFFERED = (
    offer("echo", _echo, properties={"value": {}}, required=["value"]),
    offer(
        "greet",
        _greet,
        properties={"name": {"type": "string", "default": "World", "maxLength": 20}},
        output={
            "$defs": {"Words": {"type": "string"}},
            "type": "object",
            "properties": {"message": {"$ref": "#/$defs/Words"}},
        },
        streaming=True,
    ),
    offer("hold", _hold, streaming=True),
    offer(
        "fail",
        _fail,
        properties={
            "chunks": {**_COUNT, "default": 0},
            "message": {"type": "string", "default": "no luck"},
        },
        streaming=True,
    ),
    offer(
        "chatter",
        _chatter,
        properties={"count": _COUNT, "size": _COUNT},
        required=["count", "size"],
        streaming=True,
    ),
    offer("save", _save, properties={"files": {"type": "object"}}, required=["files"]),
    offer("steps", _steps),
    offer(
        "shop/price",
        _price,
        properties={
            "amount": {"type": "integer", "minimum": 1, "maximum": 100},
            "password": {"type": "string", "writeOnly": True},
        },
        required=["amount"],
    ),
)
