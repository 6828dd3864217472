"""Reads one file's definitions: imports it, finds its marked objects, checks them."""

import inspect
import re
import traceback
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

from slotgrid.core.spec import FunctionSpec
from slotgrid.function import FunctionOptions, ServiceOptions, TagOptions
from slotgrid.wire.encoding import encode
from slotgrid.wire.functions import info_of
from worker.registry.binding import SignatureFault
from worker.registry.definitions import (
    FileContents,
    FileFault,
    LoadedFunction,
    ServiceDefinition,
    TagDefinition,
)
from worker.registry.generation import Generation
from worker.registry.marks import marked_in
from worker.registry.signature import describe, read_signature

_PART = re.compile(r"[\w-]+")


@dataclass(frozen=True, kw_only=True)
class FileReader:
    """Reads files with the settings of one worker."""

    group: str
    contract: int
    default_timeout_s: float
    pools: Collection[str]
    environment: Mapping[str, str]

    def read(self, generation: Generation, path: PurePosixPath) -> FileContents:
        """Import the file and return its definitions. Raises FileFault."""
        name = _function_name(path)
        try:
            module = generation.load(path)
        # An author's `sys.exit()` at import ends that import, not the worker.
        except (Exception, SystemExit) as cause:
            raise FileFault(_import_error(cause, generation.snapshot.folder, path)) from cause
        file = _File(self, generation, path, generation.snapshot.revision(path))
        marked = list(marked_in(module))
        if not marked:
            raise FileFault(
                "defines no @function, @tag or @service; a helper's name begins with `_`"
            )
        functions = [(thing, told) for thing, told in marked if isinstance(told, FunctionOptions)]
        if len(functions) > 1:
            names = " and ".join(f"`{thing.__name__}`" for thing, _ in functions)
            raise FileFault(f"{names} are both marked @function; a file holds one")
        tags = [file.tag(thing, told) for thing, told in marked if isinstance(told, TagOptions)]
        services = [
            file.service(thing, told) for thing, told in marked if isinstance(told, ServiceOptions)
        ]
        for kind, found in (("tag", tags), ("service", services)):
            _refuse_twins(kind, [definition.name for definition in found])
        return FileContents(
            path=str(path),
            revision=file.revision,
            function=file.function(name, *functions[0]) if functions else None,
            tags=tuple(tags),
            services=tuple(services),
        )


@dataclass(frozen=True)
class _File:
    """One imported file, and the settings of its worker."""

    terms: FileReader
    generation: Generation
    path: PurePosixPath
    revision: str

    def function(self, name: str, thing: Any, options: FunctionOptions) -> LoadedFunction:
        if not inspect.isfunction(thing):
            raise FileFault(f"@function marks a {type(thing).__name__}, expected `def`")
        try:
            self._check(thing, options)
            signature = read_signature(
                thing, input_schema=options.input, output_schema=options.output
            )
        except SignatureFault as fault:
            line = inspect.unwrap(thing).__code__.co_firstlineno
            raise FileFault(f"line {line}: {fault}") from fault
        terms, rate = self.terms, options.rate
        spec = FunctionSpec(
            name=name,
            description=describe(thing),
            kind="python",
            group=terms.group,
            contract=terms.contract,
            revision=self.revision,
            input=signature.input,
            output=signature.output,
            modes=options.modes or _modes(options),
            timeout_s=options.timeout_s or terms.default_timeout_s,
            pool=options.pool,
            isolation=options.isolation,
            retries=options.retries,
            requires=options.requires,
            concurrency=options.concurrency,
            rate=(rate.count, rate.period_s) if rate else None,
        )
        return LoadedFunction(
            spec=spec,
            link_bytes=_link_bytes(spec),
            options=options,
            callable=thing,
            is_coroutine=inspect.iscoroutinefunction(thing),
            path=self.generation.snapshot.folder / self.path,
            module=thing.__module__,
            binding=signature.binding,
            secrets=MappingProxyType({key: terms.environment[key] for key in options.secrets}),
            sources=self.generation.snapshot.closure(self.path),
            generation=self.generation,
        )

    def tag(self, thing: Any, options: TagOptions) -> TagDefinition:
        return TagDefinition(
            name=options.name,
            callable=thing,
            path=str(self.path),
            revision=self.revision,
            generation=self.generation,
        )

    def service(self, thing: Any, options: ServiceOptions) -> ServiceDefinition:
        for method in ("start", "stop", "status"):
            if not inspect.iscoroutinefunction(getattr(thing, method, None)):
                raise FileFault(f"service `{options.name}` lacks `async def {method}(self)`")
        return ServiceDefinition(
            name=options.name,
            factory=thing,
            options=options,
            path=str(self.path),
            revision=self.revision,
            generation=self.generation,
        )

    def _check(self, thing: Any, options: FunctionOptions) -> None:
        if inspect.isasyncgenfunction(thing) or inspect.isgeneratorfunction(thing):
            raise SignatureFault(
                "`yield` has nobody to take its values; use `await context.stream(...)`"
            )
        if options.pool not in self.terms.pools:
            known = ", ".join(sorted(self.terms.pools))
            raise SignatureFault(f"pool `{options.pool}` is not one of this worker's: {known}")
        missing = [key for key in options.secrets if not self.terms.environment.get(key)]
        if missing:
            raise SignatureFault(f"the environment lacks the secret {' and '.join(missing)}")


def _function_name(path: PurePosixPath) -> str:
    parts = path.with_suffix("").parts
    for part in parts:
        if not _PART.fullmatch(part):
            raise FileFault(f"`{part}` cannot be in a function's name: only letters, digits, - _")
    return "/".join(parts)


def _link_bytes(spec: FunctionSpec) -> int:
    """Bytes of the function's description on a link. Raises FileFault if no link can carry it."""
    try:
        return len(encode(info_of(spec)))
    except (ValueError, TypeError, RecursionError, NotImplementedError, OverflowError) as cause:
        raise FileFault(f"its description and schemas cannot be sent as JSON: {cause}") from cause


def _modes(options: FunctionOptions) -> tuple[str, ...]:
    return ("sync", "stream", "webhook", "async") if options.streaming else _UNSTREAMED


_UNSTREAMED = ("sync", "webhook", "async")


def _refuse_twins(kind: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise FileFault(f"defines the {kind} `{name}` twice")


def _import_error(error: BaseException, folder: Path, path: PurePosixPath) -> str:
    """`line 3: ModuleNotFoundError: ...`, with a file name if the fault is in another file."""
    text = f"{type(error).__name__}: {error}".rstrip(": ")
    if isinstance(error, SyntaxError):
        place, text = (error.filename, error.lineno), f"{type(error).__name__}: {error.msg}"
    else:
        frames = traceback.extract_tb(error.__traceback__)
        inside = [f for f in frames if Path(f.filename).is_relative_to(folder)]
        place = (inside[-1].filename, inside[-1].lineno) if inside else (None, None)
    file, line = place
    if line is None:
        return text
    if file is None or Path(file) == folder / path:
        return f"line {line}: {text}"
    return f"{Path(file).relative_to(folder)}, line {line}: {text}"
