"""The flows of the balancer's functions folder: found, checked, reloaded when they change."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from balancer.flows.flow_files import FLOW_SUFFIXES, Flow, FlowFolder
from slotgrid.core.spec import FunctionSpec
from slotgrid.function_files.faults import BrokenFile
from slotgrid.function_files.folder_watch import watch

log = structlog.get_logger()

Offers = Callable[[str, str], FunctionSpec | None]
"""The function of a group and name that workers offer; None if they offer none."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    """The flows in use by group and name, and what is wrong with files."""

    flows: Mapping[tuple[str, str], Flow] = field(default_factory=dict)
    broken: Sequence[BrokenFile] = ()


class FlowCatalog:
    """The flows that this balancer offers.

    A flow whose text is faulty keeps its last good version. One that is named like a function of
    its group is not offered for as long as workers offer that function (`offered`). `publish` is
    called with the flows on each change.
    """

    def __init__(
        self,
        folder: Path,
        *,
        offered: Offers,
        workers_of: Callable[[str, str], Sequence[str]],
        publish: Callable[[Sequence[FunctionSpec]], None],
    ) -> None:
        self._folder = FlowFolder(folder)
        self._offered = offered
        self._workers_of = workers_of
        self._publish = publish
        self._found = _Loaded()
        self._in_use = _Loaded()
        self._loading = asyncio.Lock()

    @property
    def broken(self) -> Sequence[BrokenFile]:
        """The broken files, by path."""
        return self._in_use.broken

    def find(self, group: str, name: str) -> Flow | None:
        """The flow of that name; None if there is none now."""
        return self._in_use.flows.get((group, name))

    def fault_of(self, name: str) -> str:
        """Why the file of that flow is not usable; empty if there is no such file."""
        return next((one.error for one in self.broken if one.path.rpartition(".")[0] == name), "")

    async def load(self) -> None:
        """Read the folder again."""
        async with self._loading:
            flows, broken = await asyncio.to_thread(self._folder.read)
            self._found = _Loaded(
                {(flow.spec.group, flow.spec.name): flow for flow in flows}, broken
            )
            self.refresh()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Read the folder again on every change of it while the block runs."""
        async with watch(
            self._folder.path,
            self.load,
            suffixes=FLOW_SUFFIXES,
            again=lambda: not self._folder.whole,
        ):
            yield

    def refresh(self) -> None:
        """Decide again which flows are offered: the functions of workers may have changed."""
        flows, errors = {}, list(self._found.broken)
        for key, flow in self._found.flows.items():
            group, name = key
            if self._offered(group, name) is None:
                flows[key] = flow
                continue
            workers = ", ".join(self._workers_of(group, name))
            errors.append(
                BrokenFile(
                    path=flow.path,
                    error=f'the flow {flow.path} has the name of the function "{name}" of group '
                    f'"{group}", which workers offer ({workers}); rename one of them',
                    kept_revision=None,
                )
            )
        before = self._in_use
        self._in_use = _Loaded(flows, tuple(sorted(errors, key=lambda one: one.path)))
        for one in self._in_use.broken:
            if one not in before.broken:
                log.error("flows.broken", **one.to_json())
        if before.flows != flows:
            log.info("flows.loaded", flows=len(flows), folder=str(self._folder.path))
            self._publish([flow.spec for flow in flows.values()])
