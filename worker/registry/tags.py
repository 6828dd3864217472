"""Tags: named values that a worker publishes about itself."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from slotgrid.core.event_log import encode_json, well_formed
from slotgrid.function import NodeFacts
from slotgrid.runtime.background import background
from slotgrid.wire.limits import ENTRIES_BYTES, ENTRIES_LIMIT
from worker.bounded_calls import in_thread, within
from worker.registry.definitions import TagDefinition
from worker.registry.registry import Registry

REFRESH_EVERY_S = 60.0
TAG_TIMEOUT_S = 5.0
LONGEST_TEXT = 200

TagValue = str | int | float | bool | None

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Tag:
    """The last value of a tag; if it failed, `error` is set instead."""

    name: str
    value: TagValue
    error: str | None = None

    @property
    def shown(self) -> TagValue:
        """The value, or the error's text in its place."""
        return self.value if self.error is None else self.error


class Tags:
    """Evaluates all tags after each registry change and each minute, each with a time limit."""

    def __init__(
        self,
        registry: Registry,
        facts: NodeFacts,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        timeout_s: float = TAG_TIMEOUT_S,
    ) -> None:
        self._registry = registry
        self._facts = facts
        self._sleep = sleep
        self._timeout_s = timeout_s
        self._tags: tuple[Tag, ...] = ()
        self._due = asyncio.Event()
        registry.on_change(self._due.set)

    def snapshot(self) -> tuple[Tag, ...]:
        """All tags, by name."""
        return self._tags

    def values(self) -> Mapping[str, TagValue]:
        """The tags as `/health` shows them: each tag's value, or its error's text."""
        return {tag.name: tag.shown for tag in self._tags}

    async def refresh(self) -> None:
        """Evaluate all tags now, concurrently."""
        defined = self._registry.tags_defined
        self._tags = _within_bounds(await asyncio.gather(*(self._evaluate(tag) for tag in defined)))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Refresh the tags while the block runs; their first values exist when it begins."""
        await self.refresh()
        async with background(self._keep_fresh, name="tags"):
            yield

    async def _keep_fresh(self) -> None:
        while True:
            minute = asyncio.ensure_future(self._sleep(REFRESH_EVERY_S))
            change = asyncio.ensure_future(self._due.wait())
            try:
                await asyncio.wait({minute, change}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                minute.cancel()
                change.cancel()
            self._due.clear()
            await self.refresh()

    async def _evaluate(self, definition: TagDefinition) -> Tag:
        name = definition.name
        try:
            return Tag(name, _checked(await self._answer(definition)))
        except Exception as error:  # the tag shows any exception of the author's code
            text = well_formed(f"{type(error).__name__}: {error}".rstrip(": ")[:LONGEST_TEXT])
            log.warning("tag.failed", tag=name, error=text)
            return Tag(name, None, text)

    async def _answer(self, definition: TagDefinition) -> Any:
        ask = definition.callable
        given = (self._facts,) if inspect.signature(ask).parameters else ()
        title = f"tag {definition.name}"
        if inspect.iscoroutinefunction(ask):
            return await within(ask(*given), timeout_s=self._timeout_s, name=title)
        return await in_thread(lambda: ask(*given), timeout_s=self._timeout_s, name=title)


def _within_bounds(tags: Iterable[Tag]) -> tuple[Tag, ...]:
    """As many tags as a link allows; with more, the balancer would close the link."""
    kept: list[Tag] = []
    size = 0
    for tag in tags:
        size += len(encode_json({tag.name: tag.shown}))
        if len(kept) == ENTRIES_LIMIT or size > ENTRIES_BYTES:
            log.warning("tags.left_out", first=tag.name, limit=ENTRIES_LIMIT, bytes=ENTRIES_BYTES)
            break
        kept.append(tag)
    return tuple(kept)


def _checked(value: Any) -> TagValue:
    if value is not None and not isinstance(value, TagValue):
        raise TypeError(f"a tag is a short text or a number, not a {type(value).__name__}")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("a tag's number has at most 64 bits")
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        raise ValueError(f"a tag's text has at most {LONGEST_TEXT} characters, not {len(value)}")
    return well_formed(value) if isinstance(value, str) else value
