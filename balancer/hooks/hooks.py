"""The hooks of one balancer: those of `hooks.yaml`, and what became of their calls."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from balancer.hooks.hook import Hook
from slotgrid.core.deadlines import iso
from slotgrid.core.errors import QueueFull, ServiceError, Unauthorized
from slotgrid.runtime.background import background
from slotgrid.runtime.last_good_file import LastGoodFile
from slotgrid.runtime.secrets import Redactor
from slotgrid.steps.yaml_list import parse_list

log = structlog.get_logger()

LOOK_EVERY_S = 0.5
"""Between two looks at the file, as for `schedules.yaml`."""
BODIES_AT_ONCE = 100
"""Bodies that are being received: without a key, each may take 5 s and 1 MB."""
TOLD_EVERY_S = 60.0
"""Between two lines of the log about refused calls of one hook: anyone can send them."""


def parse_hooks(content: bytes, *, variables: Mapping[str, str]) -> tuple[Hook, ...]:
    """The hooks of a file. Raises YamlListFault."""
    return parse_list(
        content,
        partial(Hook.parse, variables=variables),
        what="a list of hooks, each with `name`, `function`, `verify`, `secret`",
    )


@dataclass
class Calls:
    """What became of the calls of one hook since the start of this balancer."""

    outcomes: Counter[str] = field(default_factory=Counter)
    last_at: float | None = None
    last_outcome: str | None = None
    last_task_id: str | None = None
    told_at: float | None = None
    untold: int = 0

    def to_json(self) -> dict[str, Any]:
        """As `GET /hooks` shows it."""
        return {
            "count": self.outcomes.total(),
            "outcomes": dict(self.outcomes),
            "last_at": None if self.last_at is None else iso(self.last_at),
            "last_outcome": self.last_outcome,
            "last_task_id": self.last_task_id,
        }


class Hooks:
    """Follows `hooks.yaml`; a bad one keeps the last good one.

    `owner_exists` says whether the user of that name may still own tasks.
    """

    def __init__(
        self,
        path: Path,
        *,
        variables: Mapping[str, str],
        redactor: Redactor,
        owner_exists: Callable[[str], bool],
    ) -> None:
        self._file = LastGoodFile[tuple[Hook, ...]](
            path, partial(parse_hooks, variables=variables), empty=(), kind="hooks"
        )
        self._redactor = redactor
        self._owner_exists = owner_exists
        self._hooks: dict[str, Hook] = {}
        self._calls: dict[str, Calls] = {}
        self._receiving = 0

    def health(self) -> dict[str, Any]:
        """The part of `/health` about the file."""
        return {"in_file": len(self._hooks), "file_fault": self._file.fault}

    def count_by_group(self) -> Counter[str]:
        """The number of hooks by the group of their function."""
        return Counter(hook.task.get("group", "default") for hook in self._hooks.values())

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Follow the file while the block runs."""
        await self.look()
        async with background(self._watch, name="hooks file"):
            yield

    async def look(self) -> None:
        """Read the file if it has changed."""
        if not await asyncio.to_thread(self._file.look):
            return
        hooks = {hook.name: hook for hook in self._file.value or ()}
        self._redactor.hold(_secrets(hooks))
        self._redactor.release(_secrets(self._hooks))
        self._hooks = hooks
        self._calls = {name: self._calls.get(name, Calls()) for name in hooks}
        log.info("hooks.read", hooks=sorted(hooks))

    def find(self, name: str) -> Hook | None:
        """The hook that takes calls under this name; None if there is none, or it is off."""
        hook = self._hooks.get(name)
        return hook if hook is not None and hook.enabled else None

    def fault_of(self, hook: Hook) -> str | None:
        """Why the hook starts nothing although it is on; None if it does."""
        if self._owner_exists(hook.owner):
            return None
        return f'its owner "{hook.owner}" was removed'

    @asynccontextmanager
    async def receiving(self) -> AsyncIterator[None]:
        """Limits the bodies that are received at once. Raises QueueFull."""
        if self._receiving >= BODIES_AT_ONCE:
            raise QueueFull(f"{BODIES_AT_ONCE} calls of hooks are being received")
        self._receiving += 1
        try:
            yield
        finally:
            self._receiving -= 1

    def count(self, name: str, outcome: str, *, task_id: str | None = None) -> None:
        """Keep what became of a call."""
        calls = self._calls.get(name)
        if calls is not None:  # the file may have changed meanwhile
            calls.outcomes[outcome] += 1
            calls.last_at = time.time()
            calls.last_outcome = outcome
            calls.last_task_id = task_id
        if task_id is not None:
            log.info("hook.started", hook=name, task_id=task_id)

    def count_refusal(self, name: str, error: ServiceError) -> None:
        """Keep a refused call, and log it: at most one line in TOLD_EVERY_S for each hook."""
        self.count(name, error.name)
        calls = self._calls.get(name)
        if calls is None:
            return
        now = time.monotonic()
        if calls.told_at is not None and now - calls.told_at < TOLD_EVERY_S:
            calls.untold += 1
            return
        log.warning("hook.refused", hook=name, reason=error.detail, others=calls.untold)
        calls.told_at, calls.untold = now, 0

    def list(self) -> list[dict[str, Any]]:
        """The hooks by name, without secrets."""
        return [self._view(self._hooks[name]) for name in sorted(self._hooks)]

    def _view(self, hook: Hook) -> dict[str, Any]:
        return {
            "name": hook.name,
            "path": f"/hooks/{hook.name}",
            "verify": hook.verify,
            "secrets": len(hook.secrets),
            "input": hook.input,
            "mode": "sync" if hook.waits else "async",
            "owner": hook.owner,
            "enabled": hook.enabled,
            "fault": self.fault_of(hook),
            **hook.task,
            "calls": self._calls[hook.name].to_json(),
        }

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.look()


def refused(name: str) -> Unauthorized:
    """The same for an unknown hook and for a wrong secret: a guess learns nothing."""
    return Unauthorized(
        f'no hook "{name[:60]}" takes this request: the name, the signature or secret, or its time '
        "is wrong"
    )


def _secrets(hooks: Mapping[str, Hook]) -> list[str]:
    return [secret for hook in hooks.values() for secret in hook.secrets]
