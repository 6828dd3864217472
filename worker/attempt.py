"""One attempt at a task: the state that its contexts share, from the lease to the clean slot."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum, auto
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import msgspec
import structlog
from playwright.async_api import Page

from slotgrid.core.deadlines import Deadline
from slotgrid.core.event_log import NotJson, encode_json
from slotgrid.core.slots import Slot
from slotgrid.core.task import Task
from slotgrid.core.task_parts import Artifact, FileData, Step
from slotgrid.function import OptionRefused
from slotgrid.net.addresses import AddressPolicy
from slotgrid.records.artifacts import ArtifactStore
from slotgrid.wire.limits import EVENT_LIMIT, PARTS_LIMIT, STEP_INPUTS_LIMIT, STEP_OUTPUTS_LIMIT
from worker.artifact_names import ArtifactNames
from worker.attempt_secrets import AttemptSecrets
from worker.browser.browser_context import TaskContext
from worker.browser.browser_states import Loss
from worker.browser.browsers import Browsers
from worker.browser.context_proxy import ContextProxy
from worker.browser.errors import ContextOptionsRefused
from worker.browser.persistent_browsers import PersistentBrowsers
from worker.browser.task_proxy import checked_proxy
from worker.pools.pools import Pools
from worker.registry.registry import Registry
from worker.registry.runnable import Runnable
from worker.registry.services import Services
from worker.shared_parts import SharedParts
from worker.task_output import AttemptOutput

log = structlog.get_logger()

FAILURE_ARTIFACTS = 10
"""Of a task's limit of files and steps, the reserve for the files that the node saves after a
failure."""
NEEDS_GUARD = "requests without a browser go through a proxy only with TRAFFIC_GUARD=true"
YIELD_EVERY = 64
"""Events between two yields to the loop: a function that only emits never waits otherwise."""


_MAKING_OUTPUT = Lock()


class KeepsTooMuch(ValueError):
    """A function's files, steps or events exceed what a link can carry; names the limit."""


class Parts:
    """The parts that all attempts share; a worker has one of each.

    `policy`: the addresses that a proxy of a task may have. `persistent` has the browsers of the
    pools that keep their profiles.
    """

    def __init__(
        self,
        *,
        registry: Registry,
        browsers: Browsers,
        services: Services,
        artifacts: ArtifactStore,
        policy: AddressPolicy,
        pools: Pools,
        persistent: PersistentBrowsers,
    ) -> None:
        self.registry = registry
        self.browsers = browsers
        self.services = services
        self.artifacts = artifacts
        self.policy = policy
        self.pools = pools
        self.persistent = persistent


class End(Enum):
    """Why the wait for the function ended."""

    RETURNED = auto()
    OUT_OF_TIME = auto()
    BROWSER_LOST = auto()
    TOO_MUCH_TRAFFIC = auto()


class RunningAttempt(msgspec.Struct, eq=False, weakref=True):
    """The state of one attempt, on which the contexts of its functions are built.

    `ended` resolves with the reason why the wait for the function ends. `cancelled`: the task was
    cancelled, or its caller disconnected. `closed` is set when the attempt has ended: output of a
    function that still runs is then refused.
    """

    task: Task
    runnable: Runnable
    parts: Parts
    timeout_s: float
    deadline: Deadline
    secrets: AttemptSecrets
    slot: Slot
    browser: TaskContext | None = None
    asked_for_page: bool = False
    function: "asyncio.Task[Any] | None" = None
    cancelled: bool = False
    closed: bool = False
    tracing: bool = False
    ended: "asyncio.Future[End] | None" = None
    _opening: asyncio.Lock | None = None
    _options: dict[str, Any] | None = None
    _names: ArtifactNames | None = None
    _emitted: int = 0
    _saving: int = 0
    _inputs_size: int = 0
    _outputs_size: int = 0
    _counted: bool = False
    _allowed: frozenset[tuple[str, int]] = frozenset()
    shared: SharedParts = msgspec.field(default_factory=SharedParts)
    _proxy: ContextProxy | None = None
    _output: AttemptOutput | None = None

    def __repr__(self) -> str:
        return f"Attempt({self.task!r})"

    def end(self, how: End) -> None:
        """End the wait for the function; only the first reason counts."""
        if self.ended is not None and not self.ended.done():
            self.ended.set_result(how)

    def check_open(self) -> None:
        """Raises RuntimeError when the attempt has ended."""
        if self.closed or self.task.announced:
            raise RuntimeError("the task has ended; its events are no longer delivered")

    @property
    def output(self) -> AttemptOutput:
        """The printed lines on their way to the log; any thread may use it."""
        if self._output is None:
            with _MAKING_OUTPUT:
                self._output = self._output or AttemptOutput(self)  # type: ignore[redundant-expr]
        return self._output

    def close(self) -> None:
        """Refuse further output and requests of the functions, and close the steps."""
        self.closed = True
        if self._output is not None:
            self._output.flush()
        self._count_traffic()
        if self._proxy is not None:
            self._proxy.close()
        for step in self.task.steps:
            step.close()

    def _count_traffic(self) -> None:
        """Add what this attempt moved to the task's traffic; called twice, counts once."""
        if self._counted:
            return
        self._counted = True
        task = self.task
        for proxy in (self._proxy, None if self.browser is None else self.browser.proxy):
            if proxy is not None:
                moved = proxy.traffic
                task.traffic = moved if task.traffic is None else task.traffic + moved

    async def page(
        self,
        defaults: Mapping[str, Any],
        options: Mapping[str, Any],
        prepare: Callable[[Page], Awaitable[None]] | None,
    ) -> Page:
        """The first page of the attempt's browser context; the first call opens the context.

        `defaults` are the function's own options, `options` those of the call. Raises
        OptionRefused.
        """
        if self.browser is None:
            self.check_open()
            self.asked_for_page = True
            if self._opening is None:
                self._opening = asyncio.Lock()
            async with self._opening:
                if self.browser is None:
                    merged = _merged(defaults, options)
                    if self.slot.pool in self.parts.pools.persistent:
                        page = await self._open_kept(merged, options)
                    else:
                        page = await self._open(merged, options)
                    if prepare is not None:
                        await prepare(page)
        assert self.browser is not None
        if options and _merged(defaults, options) != self._options:
            raise OptionRefused(
                None,
                "the task's browser context is already open, with other options; "
                "they count only in the call that opens it",
            )
        return self.browser.page

    async def _open(self, merged: dict[str, Any], options: Mapping[str, Any]) -> Page:
        """Open a new context; the options of the task come before those of its pool."""
        self._options = merged
        if "proxy" in options:
            proxy = await checked_proxy(options["proxy"], self.parts.policy)
            merged = {**merged, "proxy": proxy}
        of_pool = self.parts.pools.browser(self.slot.pool)
        try:
            browser = await self.parts.browsers.context(
                _merged(of_pool.options, merged), proxy=of_pool.proxy
            )
        except ContextOptionsRefused as refused:
            if refused.option in options:
                raise OptionRefused(refused.option, refused.reason) from refused
            raise
        return await self._begin(browser)

    async def _open_kept(self, merged: dict[str, Any], options: Mapping[str, Any]) -> Page:
        """Take the slot's kept context, which a task cannot have with options of its own."""
        self._options = merged
        pool = self.slot.pool
        if merged:
            name = next(iter(options), None)
            what = "" if name is not None else "`context_options` of the function: "
            raise OptionRefused(
                name,
                f'{what}needs a new browser context, which the persistent pool "{pool}" does not '
                "open; set it for the pool, or use a pool of isolation `context`",
            )
        return await self._begin(await self.parts.persistent.context(pool, self.slot.index))

    async def _begin(self, browser: TaskContext) -> Page:
        """Let the attempt have the context."""
        if self.closed:  # the attempt has ended, but its function still runs
            browser.close_soon()
            raise RuntimeError("the task has ended; it can no longer use a browser")
        self.adopt(browser)
        browser.lost.add_done_callback(lambda _: self.end(End.BROWSER_LOST))
        if "trace" in self.runnable.on_failure:
            await browser.context.tracing.start(screenshots=True, snapshots=True)
            self.tracing = True
        return browser.page

    async def network(self, asked: Mapping[str, Any] | None = None) -> str | None:
        """A proxy for the functions' own requests, with the rules and the route of the pages' one.

        None without a traffic guard. The first call opens it: through the proxy that the task's
        pages have or that is `asked` for them, else that of the function's context options, else
        that of the pool. Raises OptionRefused.
        """
        self.check_open()
        if self._proxy is None:
            asked = (self._options or {}).get("proxy") or asked
            own = self.runnable.context_options.get("proxy")
            if asked and asked != own:
                own = await checked_proxy(asked, self.parts.policy)
            upstream = own or self.parts.pools.browser(self.slot.pool).proxy
            opened = await self.parts.browsers.proxy(upstream, trusted=own is None)
            if opened is None:
                if upstream:
                    raise OptionRefused("proxy", NEEDS_GUARD)
                return None
            if self.closed or self._proxy is not None:  # meanwhile
                opened.close()
                self.check_open()
            else:
                self._proxy = opened
                opened.bind(self)
        assert self._proxy is not None
        return self._proxy.server

    def adopt(self, browser: TaskContext) -> None:
        """Attribute the context to this attempt: its connections, and its listeners' faults."""
        self.browser = browser
        browser.bind(self)
        browser.on_listener_error = self._listener_failed
        browser.on_listener_flood = self._listener_flooded

    @property
    def task_id(self) -> str:
        """The task's UUIDv7."""
        return self.task.id

    def allow_address(self, url: str) -> None:
        """Let the pages reach the host and port of `url`. Raises ValueError without them."""
        parts = urlsplit(url)
        if not parts.hostname or parts.port is None:
            raise ValueError(f"{url!r} has no host and port, such as http://127.0.0.1:8000/")
        self._allowed = self._allowed | {(parts.hostname, parts.port)}

    def allows(self, host: str, port: int) -> bool:
        """Whether the function has allowed its pages this target."""
        return (host, port) in self._allowed

    def target_refused(self, sentence: str) -> None:
        """Log a target that the traffic guard refused."""
        self.task.log(self.secrets.hide_text(sentence), stream="stderr")

    def traffic_exceeded(self, limit: int) -> None:
        """End the attempt: its pages or requests moved too many bytes."""
        self.task.log(f"the task's pages moved more than {limit} bytes (TRAFFIC_LIMIT)")
        if self.browser is not None:
            self.browser.lose(Loss.TRAFFIC)
        else:
            self.end(End.TOO_MUCH_TRAFFIC)

    def _listener_failed(self, error: BaseException) -> None:
        sentence = self.secrets.hide_text(f"a listener failed: {type(error).__name__}: {error}")
        log.warning("function.listener_failed", reason=sentence)
        self.task.log(sentence, stream="stderr")

    def _listener_flooded(self, event: str) -> None:
        log.warning("function.listener_flooded", page_event=event)
        self.task.log(f"truncated: `{event}` came too often, its listener was removed")

    async def emit_event(self, kind: str, payload: dict[str, Any]) -> None:
        """Append an event to the task; waits while a slow reader is behind (backpressure).

        Raises KeepsTooMuch above EVENT_LIMIT.
        """
        self.check_open()
        events, encoded = self.task.events, encode_json(self.secrets.hide(payload))
        if len(encoded) > EVENT_LIMIT:
            raise KeepsTooMuch(
                f"an event of {len(encoded)} bytes; {EVENT_LIMIT} are possible: save a file instead"
            )
        events.append_json(kind, encoded)
        await events.room()
        self._emitted += 1
        if self._emitted % YIELD_EVERY == 0:
            await asyncio.sleep(0)

    def end_stream(self) -> None:
        """Emit what waits for a next piece of the stream: the function has ended."""
        if (rest := self.secrets.rest_of_stream()) and not (self.closed or self.task.announced):
            self.task.events.append("chunk", {"data": rest})

    async def save(self, given: str, data: FileData, *, replace: bool) -> Artifact:
        """Save a file as the task's artifact, under the name that `given` makes.

        Raises KeepsTooMuch, ArtifactFault or ArtifactNotWritten.
        """
        if self._names is None:
            self._names = ArtifactNames(self.secrets, plain=self.task.plain_names)
        name = self._names.take(given, replace=replace)
        if name not in self.task.artifacts:
            self._check_parts()
        self._saving += 1
        try:
            return await self.parts.artifacts.save(self.task, name, data)
        finally:
            self._saving -= 1

    def add_step(
        self, function: str, *, name: str | None = None, action: str | None = None
    ) -> Step:
        """Add a pending step to the task. Raises KeepsTooMuch.

        The default name is the action's or the function's, and the number of the step.
        """
        self._check_parts()
        steps = self.task.steps
        name = name or f"{action or function}-{len(steps) + 1}"
        step = Step.pending(name, function, action=action)
        steps.append(step)
        return step

    def input_of_step(self, given: Any) -> bytes:
        """A step's input as JSON, without secrets.

        It is null if it is not JSON, such as an integer above 64 bits, or if the attempt's inputs
        together would exceed STEP_INPUTS_LIMIT: the function has its input, only the record lacks
        it.
        """
        try:
            encoded = encode_json(self.secrets.hide(given))
        except NotJson:
            return b"null"
        if self._inputs_size + len(encoded) > STEP_INPUTS_LIMIT:
            return b"null"
        self._inputs_size += len(encoded)
        return encoded

    def output_of_step(self, result: Any) -> bytes:
        """A step's result as JSON, without secrets.

        Raises KeepsTooMuch if the attempt's outputs together exceed STEP_OUTPUTS_LIMIT.
        """
        encoded = encode_json(self.secrets.hide(result))
        if self._outputs_size + len(encoded) > STEP_OUTPUTS_LIMIT:
            raise KeepsTooMuch(
                f"the outputs of its steps take more than {STEP_OUTPUTS_LIMIT} bytes: "
                "return less from the functions it calls, or save files"
            )
        self._outputs_size += len(encoded)
        return encoded

    def _check_parts(self) -> None:
        """Raises KeepsTooMuch when the task has reached its limit of files and steps."""
        task = self.task
        if len(task.steps) + len(task.artifacts) + self._saving >= PARTS_LIMIT - FAILURE_ARTIFACTS:
            raise KeepsTooMuch(
                f"a task may have {PARTS_LIMIT - FAILURE_ARTIFACTS} files and steps together"
            )


def _merged(defaults: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a context: those of the call before those of the decorator."""
    merged = {**defaults, **options}
    if "viewport" in options:
        merged.pop("no_viewport", None)  # Playwright refuses the two together
    return merged
