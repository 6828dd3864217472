"""Loads a Python file: imports it, finds its marked objects, checks them."""

import inspect
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from slotgrid.core.spec import FunctionSpec
from slotgrid.function import FunctionOptions, ServiceOptions, TagOptions
from slotgrid.function_files.faults import FileFault
from slotgrid.function_files.names import function_name
from slotgrid.function_files.snapshot import Snapshot
from worker.registry.definitions import (
    FileContents,
    ServiceDefinition,
    TagDefinition,
)
from worker.registry.loader import LoaderSettings, ReadFile
from worker.registry.python.function import PythonFunction, RunPlain
from worker.registry.python.generation import Generation
from worker.registry.python.imports import imported_files
from worker.registry.python.marks import marked_in
from worker.signatures.binding import SignatureFault
from worker.signatures.signature import describe, read_signature


@dataclass(frozen=True)
class PythonLoader:
    """Loads `.py` files. All imports of a load share a new generation."""

    settings: LoaderSettings
    run_plain: RunPlain
    bytes_at_once: ClassVar[int] = 0

    def references(self, path: PurePosixPath, data: bytes) -> Iterable[PurePosixPath]:
        """The files that the file may import."""
        return imported_files(path, data)

    def reader(self, snapshot: Snapshot) -> ReadFile:
        """Reads files as modules of one package."""
        return partial(self._read, Generation(snapshot))

    def _read(self, generation: Generation, path: PurePosixPath) -> FileContents:
        name = function_name(path)
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
    """One imported file, and its loader."""

    loader: PythonLoader
    generation: Generation
    path: PurePosixPath
    revision: str

    def function(self, name: str, thing: Any, options: FunctionOptions) -> PythonFunction:
        if not inspect.isfunction(thing):
            raise FileFault(f"@function marks a {type(thing).__name__}, expected `def`")
        try:
            self._check(thing)
            settings = self.loader.settings
            isolation = settings.isolation(options.pool, options.isolation, options.context_options)
            secrets = settings.values_of(options.secrets)
            signature = read_signature(
                thing, input_schema=options.input, output_schema=options.output
            )
        except (SignatureFault, FileFault) as fault:
            line = inspect.unwrap(thing).__code__.co_firstlineno
            raise FileFault(f"line {line}: {fault}") from fault
        rate = options.rate
        spec = FunctionSpec(
            name=name,
            description=describe(thing),
            kind="python",
            group=settings.group,
            contract=settings.contract,
            revision=self.revision,
            input=signature.input,
            output=signature.output,
            modes=options.modes or _modes(options),
            timeout_s=options.timeout_s or settings.default_timeout_s,
            pool=options.pool,
            isolation=isolation,
            stated_isolation=options.isolation,
            retries=options.retries,
            requires=options.requires,
            concurrency=options.concurrency,
            rate=(rate.count, rate.period_s) if rate else None,
        )
        return PythonFunction(
            spec=spec,
            secrets=secrets,
            context_options=options.context_options,
            on_failure=options.on_failure,
            callable=thing,
            is_coroutine=inspect.iscoroutinefunction(thing),
            retry_on=options.retry_on,
            path=self.path,
            binding=signature.binding,
            run_plain=self.loader.run_plain,
            sources=self.generation.snapshot.closure(self.path),
            generation=self.generation,
        )

    def tag(self, thing: Any, options: TagOptions) -> TagDefinition:
        return TagDefinition(
            name=options.name,
            callable=thing,
            path=str(self.path),
            revision=self.revision,
            code=self.generation,
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
            code=self.generation,
        )

    def _check(self, thing: Any) -> None:
        if inspect.isasyncgenfunction(thing) or inspect.isgeneratorfunction(thing):
            raise SignatureFault("values of `yield` would be lost; use `await context.stream(...)`")


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
