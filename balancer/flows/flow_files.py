"""Reads the flows in a functions folder."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from slotgrid.core.schema import Schema
from slotgrid.core.spec import FunctionSpec
from slotgrid.function_files.faults import BrokenFile, FileFault
from slotgrid.function_files.names import function_name
from slotgrid.function_files.snapshot import Snapshot
from slotgrid.steps.checking import check
from slotgrid.steps.faults import in_words
from slotgrid.steps.model import StepsFile
from slotgrid.steps.reading import StepsFault, read_document
from slotgrid.steps.yaml_text import YamlFault, parse

FLOW_SUFFIXES = (".yaml", ".yml")
DEFAULT_GROUP = "default"
DEFAULT_CONTRACT = 1
DEFAULT_TIMEOUT_S = 24 * 3600.0
_KIND = re.compile(rb"^kind:[ ]*['\"]?flow\b", re.MULTILINE)
"""In a file that is not YAML: it means to be a flow."""
MODES = ("sync", "stream", "webhook", "async")


@dataclass(frozen=True, eq=False)
class Flow:
    """A flow: what callers see of it, its file as it was read, and the file's text."""

    spec: FunctionSpec
    file: StepsFile
    text: bytes
    path: str


class _AnyFunction:
    """The functions that steps may name: any, as workers come and go."""

    def names(self) -> Sequence[str]:
        return ()

    def schema(self, name: str) -> Schema | None:
        return _ANY_INPUT


_ANY_INPUT = Schema({"type": "object"})
_ANY_FUNCTION = _AnyFunction()


class FlowFolder:
    """The flows of a folder; each keeps its last good version while its text is faulty."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._snapshot = Snapshot(self.path, {})
        self._good: Mapping[PurePosixPath, Flow] = {}

    @property
    def whole(self) -> bool:
        """Whether everything that exists could be read."""
        return self._snapshot.whole

    def read(self) -> tuple[Sequence[Flow], Sequence[BrokenFile]]:
        """The usable flows, and the broken files; both by path. Blocks."""
        self._snapshot = Snapshot.read(
            self.path, dict.fromkeys(FLOW_SUFFIXES, _no_references), self._snapshot
        )
        good: dict[PurePosixPath, Flow] = {}
        errors: dict[PurePosixPath, str] = {}
        for path in self._snapshot.function_files():
            last_good = self._good.get(path)
            try:
                flow = _read(self._snapshot, path, last_good)
            except FileFault as fault:
                errors[path] = str(fault)
                flow = last_good
            if flow is not None:
                good[path] = flow
        self._good = good
        flows = dict(good)
        for unusable in (_twins(flows), _circles(flows)):
            for path, error in unusable.items():
                errors[path] = error
                del flows[path]
        broken = [
            BrokenFile(
                path=str(path),
                error=error,
                kept_revision=flows[path].spec.revision if path in flows else None,
            )
            for path, error in sorted(errors.items())
        ]
        return list(flows.values()), broken


def _no_references(path: PurePosixPath, data: bytes) -> Sequence[PurePosixPath]:
    return ()


def _read(snapshot: Snapshot, path: PurePosixPath, last_good: Flow | None) -> Flow | None:
    """The flow in a file; None if the file has none. Raises FileFault."""
    source = snapshot.sources[path]
    if source.data is None:
        if last_good is None:
            return None  # a worker that reads the folder says so
        raise FileFault(source.fault)
    revision = snapshot.revision(path)
    if last_good is not None and last_good.spec.revision == revision:
        return last_good
    try:
        document = parse(source.data)
    except YamlFault as fault:
        if last_good is None and _KIND.search(source.data) is None:
            return None
        raise FileFault(f"line {fault.line}: {fault.message}") from fault
    if not isinstance(document.value, dict) or document.value.get("kind") != "flow":
        return None
    try:
        file = read_document(document)
    except StepsFault as fault:
        raise FileFault(in_words(fault.faults)) from fault
    if faults := check(file, _ANY_FUNCTION):
        raise FileFault(in_words(faults))
    spec = FunctionSpec(
        name=function_name(path),
        description=file.description,
        kind="flow",
        group=file.group or DEFAULT_GROUP,
        contract=file.contract or DEFAULT_CONTRACT,
        revision=revision,
        input=file.input,
        output=file.output,
        modes=file.modes or MODES,
        timeout_s=file.timeout_s or DEFAULT_TIMEOUT_S,
        needs_slot=False,
    )
    return Flow(spec, file, source.data, str(path))


def _twins(flows: Mapping[PurePosixPath, Flow]) -> dict[PurePosixPath, str]:
    """The files whose flow another file defines, too."""
    first: dict[tuple[str, str], PurePosixPath] = {}
    errors = {}
    for path, flow in sorted(flows.items()):
        other = first.setdefault((flow.spec.group, flow.spec.name), path)
        if other != path:
            errors[path] = f"{other} and {path} define the same flow `{flow.spec.name}`"
    return errors


def _circles(flows: Mapping[PurePosixPath, Flow]) -> dict[PurePosixPath, str]:
    """The files whose flows start each other without an end."""
    paths = {(flow.spec.group, flow.spec.name): path for path, flow in flows.items()}
    starts = {
        path: [paths[key] for key in _started_by(flow) if key in paths]
        for path, flow in flows.items()
    }
    errors: dict[PurePosixPath, str] = {}
    done: set[PurePosixPath] = set()
    for first, following_first in starts.items():
        if first in done:
            continue
        around: dict[PurePosixPath, None] = {first: None}
        waiting = [(first, iter(following_first))]
        while waiting:
            path, rest = waiting[-1]
            following = next(rest, None)
            if following is None:
                waiting.pop()
                del around[path]
                done.add(path)
            elif following in around:
                circle = [*around][[*around].index(following) :]
                names = " -> ".join(flows[one].spec.name for one in [*circle, following])
                errors |= dict.fromkeys(circle, f"the flow starts itself without an end: {names}")
            elif following not in done:
                around[following] = None
                waiting.append((following, iter(starts[following])))
    return errors


def _started_by(flow: Flow) -> Iterator[tuple[str, str]]:
    """The functions that a flow starts: groups and names."""
    file = flow.file
    for step in file.steps:
        yield step.group or flow.spec.group, step.function or ""
    for handler in (file.on_success, file.on_error, file.on_cancel):
        if handler is not None:
            yield handler.group or flow.spec.group, handler.function
