"""The context of a coroutine function."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

import msgspec
from playwright.async_api import BrowserContext, Page

from slotgrid.core.admission import checked_input
from slotgrid.core.deadlines import Deadline
from slotgrid.core.errors import FunctionFailed, InvalidInput, OutputInvalid
from slotgrid.core.event_log import NotJson, encode_json
from slotgrid.core.spec import FunctionSpec, unknown_function
from slotgrid.core.task import MAIN_STEP, cut_line
from slotgrid.core.task_parts import Artifact, FileData, Step
from slotgrid.core.task_states import StepState
from slotgrid.function import InputRefused
from worker.attempt import RunningAttempt
from worker.json_values import plain_json
from worker.registry.runnable import Runnable
from worker.shared_parts import P
from worker.steps import StepScope, emit_step

CALL_DEPTH = 10
RESERVED_KINDS = frozenset({"done", "error", "missed", "chunk", "state", "step"})
_KIND = re.compile(r"[a-z][a-z0-9_.-]{0,63}")


class RunContext(msgspec.Struct, eq=False):
    """Fulfils `slotgrid.function.Context` for one function of an attempt.

    `_stack` has the names of the calling functions, outermost first. A called function shares
    everything with its caller except its definition, its step and `_stack`.
    """

    _attempt: RunningAttempt
    _runnable: Runnable
    _step: str = MAIN_STEP
    _stack: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Context(task_id={self.task_id!r}, function={self._runnable.spec.name!r})"

    @property
    def task_id(self) -> str:
        """The task's UUIDv7."""
        return self._attempt.task.id

    @property
    def attempt(self) -> int:
        """1 for the first run of the task."""
        return self._attempt.task.attempts[-1].number

    @property
    def deadline(self) -> Deadline:
        """The deadline of this attempt."""
        return self._attempt.deadline

    @property
    def cancelled(self) -> bool:
        """Whether the task or this attempt was cancelled."""
        attempt = self._attempt
        return attempt.cancelled or attempt.task.cancel_reason is not None

    @property
    def secrets(self) -> Mapping[str, str]:
        """The values of the names that the function declared; a missing optional one is absent."""
        return self._attempt.secrets.of(self._runnable)

    @property
    def browser_context(self) -> BrowserContext:
        """Playwright's context of this task. Raises RuntimeError before the first `page()`."""
        if self._attempt.browser is None:
            raise RuntimeError("the browser context exists only after `await context.page()`")
        return self._attempt.browser.context

    async def page(
        self,
        options: Mapping[str, Any] | None = None,
        *,
        prepare: Callable[[Page], Awaitable[None]] | None = None,
    ) -> Page:
        """The context's first page. Raises OptionRefused."""
        return await self._attempt.page(self._runnable.context_options, options or {}, prepare)

    async def emit(self, kind: str, text: str | None = None, data: Any = None) -> None:
        """Emit an event of a custom kind. Raises ValueError for a reserved or malformed kind."""
        if kind in RESERVED_KINDS or not _KIND.fullmatch(kind):
            raise ValueError(
                f"{kind!r} cannot be the kind of an event: a short lower-case word other than "
                f"{', '.join(sorted(RESERVED_KINDS))}"
            )
        await self._attempt.emit_event(kind, {"text": text, "data": data})

    async def status(self, text: str) -> None:
        """Emit a `status` event."""
        await self._attempt.emit_event("status", {"text": text, "data": None})

    async def progress(self, text: str, fraction: float | None = None) -> None:
        """Emit a `progress` event; `fraction` is limited to 0 to 1."""
        if fraction is not None:
            fraction = min(1.0, max(0.0, fraction))
        await self._attempt.emit_event("progress", {"text": text, "data": {"fraction": fraction}})

    async def stream(self, chunk: str) -> None:
        """Emit a piece of the result as a `chunk` event."""
        if shown := self._attempt.secrets.hide_in_stream(str(chunk)):
            await self._attempt.emit_event("chunk", {"data": shown})

    async def log(self, line: str, stream: Literal["stdout", "stderr"] = "stdout") -> None:
        """Write a line to the task's log and emit it as a `log` event."""
        self._attempt.check_open()
        line = self._attempt.secrets.hide_text(str(line))
        self._attempt.task.log(line, stream=stream, step=self._step)
        await self._attempt.emit_event("log", {"text": cut_line(line), "data": {"stream": stream}})

    @property
    def file_limit_bytes(self) -> int:
        """The largest file that the task may save."""
        return self._attempt.parts.artifacts.limits.file_bytes

    async def save(self, name: str, data: FileData, *, replace: bool = True) -> Artifact:
        """Save a file as the task's artifact and emit an `artifact` event."""
        attempt = self._attempt
        attempt.check_open()
        artifact = await attempt.save(name, data, replace=replace)
        await attempt.emit_event("artifact", {"text": artifact.name, "data": artifact})
        return artifact

    def allow_address(self, url: str) -> None:
        """Let the task's pages reach the host and port of `url`, also at a private address."""
        self._attempt.allow_address(url)

    def service(self, name: str) -> Any:
        """The running service, which `@function(requires=...)` must name."""
        if name not in self._runnable.spec.requires:
            raise ValueError(
                f"{self._runnable.spec.name} does not name the service {name!r} in `requires`"
            )
        return self._attempt.parts.services.instance(name)

    async def call(self, function: str, input: Mapping[str, Any] | None = None) -> Any:  # noqa: A002
        """Run another function in this slot at once, as a step of this task."""
        attempt = self._attempt
        attempt.check_open()
        callee = self._callee(function)
        filled = checked_input(callee.spec, input or {})
        attempt.secrets.keep(callee, filled)
        step = attempt.add_step(function)
        async with StepScope(attempt, step, callee.spec.input.redacted(filled)) as scope:
            context = RunContext(attempt, callee, step.name, self._path)
            try:
                returned = await callee.run(context, filled)
            except InputRefused as refused:  # the caller's fault, as an input against the schema
                detail = f"{function}: /input/{refused.field}: {refused}"
                raise InvalidInput(detail) from refused
            result, _ = checked_output(callee.spec, returned)
            scope.set_output(result)
        return result

    def shared(self, kind: Callable[[], P]) -> P:
        """The attempt's one object of that class, which all of its functions share."""
        return self._attempt.shared.get(kind)

    @property
    def has_secrets(self) -> bool:
        """Whether the task has secrets, which nothing that it saves may show."""
        return self._attempt.secrets.exist

    def hide(self, value: Any) -> Any:
        """A JSON value without the task's secrets. Thread-safe."""
        return self._attempt.secrets.hide(value)

    @property
    def is_traced(self) -> bool:
        """Whether Playwright's trace of the task is on, for a failure."""
        return self._attempt.tracing

    async def network(self, proxy: Mapping[str, Any] | None = None) -> str | None:
        """The task's proxy for requests outside of its browser; None without a traffic guard."""
        return await self._attempt.network(proxy)

    @property
    def is_outermost(self) -> bool:
        """Whether the function is the task's own, not called by another."""
        return not self._stack

    def add_step(self, name: str, *, action: str | None) -> Step:
        """Add a pending step of this function to the task. Raises KeepsTooMuch."""
        inner = name if self.is_outermost else f"{self._step}.{name}"
        return self._attempt.add_step(self._runnable.spec.name, name=inner, action=action)

    def running(self, step: Step, given: Any) -> StepScope:
        """Run a step of this function; see StepScope."""
        return StepScope(self._attempt, step, given)

    async def skip(self, step: Step) -> None:
        """End a pending step that will not run."""
        step.end(StepState.SKIPPED)
        await emit_step(self._attempt, step)

    @property
    def browser_lost(self) -> bool:
        """Whether the attempt's tab, browser or driver is gone: no further step can use it."""
        browser = self._attempt.browser
        return browser is not None and browser.lost.done()

    def within(self, step: Step) -> "RunContext":
        """The context of a step of this function: lines of its log belong to the step."""
        return RunContext(self._attempt, self._runnable, step.name, self._stack)

    @property
    def _path(self) -> tuple[str, ...]:
        """The names of the running functions, outermost first."""
        return (*self._stack, self._runnable.spec.name)

    def _callee(self, name: str) -> Runnable:
        parts = self._attempt.parts
        callee = parts.registry.runnable(name)
        if callee is None:
            raise unknown_function(name, parts.registry)
        path = self._path
        if name in path:
            raise FunctionFailed(f"the calls form a cycle: {' -> '.join((*path, name))}")
        if len(path) >= CALL_DEPTH:
            raise FunctionFailed(f"calls are nested deeper than {CALL_DEPTH}")
        if fault := callee.secrets.fault:
            raise FunctionFailed(f"{name} {fault}")
        for service in callee.spec.requires:
            if not parts.services.is_up(service):
                raise FunctionFailed(f"{name} needs the service {service}, which is down")
        return callee


def checked_output(spec: FunctionSpec, returned: Any) -> tuple[Any, bytes]:
    """A result as plain values and as JSON.

    Raises OutputInvalid for a result that is not JSON or violates the output schema.
    """
    try:
        plain = plain_json(returned)
        encoded = encode_json(plain)
    except NotJson as cause:
        raise OutputInvalid(f"{spec.name} returned a value that is not JSON: {cause}") from cause
    if spec.output is not None and (violations := spec.output.violations(plain)):
        first = violations[0]
        raise OutputInvalid(
            f"{spec.name} returned a value that its output schema refuses: "
            f"{first.pointer or 'the value'}: {first.message}",
            errors=violations,
        )
    return plain, encoded
