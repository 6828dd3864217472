"""The secrets of a worker: their present values, followed while the worker runs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import structlog

from slotgrid.runtime.background import background
from slotgrid.runtime.regular_file import read_regular_file
from slotgrid.runtime.secrets import SHORT, Redactor
from worker.bounded_calls import in_thread
from worker.secrets.declarations import Declaration, SecretsFileFault, parse_declarations
from worker.secrets.reading import Reading, read_secret

LOOK_EVERY_S = 0.5
"""Seconds between two looks at the files.

Looked at, not watched: a file system of a network or a container reports no changes, and a mounted
secret changes by a link somewhere above the file.
"""
LOOK_TIMEOUT_S = 30.0
"""Limit of one look, as a network file system may hang."""

log = structlog.get_logger()


@dataclass(frozen=True)
class _Look:
    """What one look found. `fault`: why `secrets.yaml` cannot be used, empty if it can."""

    data: bytes | None = field(repr=False)
    fault: str
    declared: Mapping[str, Declaration]
    readings: Mapping[str, Reading]


class DeclaredSecrets:
    """The secrets that `file` declares; any other name is the environment variable of that name.

    Empty until the first `look`. All values are redacted in the node's logs.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        file: Path | None = None,
        *,
        redactor: Redactor | None = None,
    ) -> None:
        self._environment = environment
        self._file = file
        self._redactor = redactor or Redactor()
        self._declared: Mapping[str, Declaration] = {}
        self._readings: Mapping[str, Reading] = {}
        self._last: _Look | None = None
        self._data: bytes | None = None
        self._never_good = False
        self.file_fault = ""
        """Why `secrets.yaml` cannot be used; empty if it can. Its last good version then counts."""
        self.version = 0
        """Increases with every change of a value."""

    def named(self, names: Iterable[str]) -> "FunctionSecrets":
        """The secrets of these names, for a function or a pool that names them."""
        return FunctionSecrets(self, tuple(dict.fromkeys(names)))

    def value(self, name: str) -> str | None:
        """The present value of a secret; None if it is missing."""
        return self._reading(name).value

    def fault(self, names: Iterable[str]) -> str:
        """Why a function that names these cannot run; empty if it can."""
        names = list(names)
        if names and self._never_good:
            return f"needs secrets, but {self._file} cannot be used: {self.file_fault}"
        missing = [
            f"{self._declaration(name)}: {reading.problem}"
            for name in names
            if (reading := self._reading(name)).value is None
            and (self._declaration(name).required or reading.unusable)
        ]
        if not missing:
            return ""
        return f"lacks the secret{'s' * (len(missing) > 1)} {'; and '.join(missing)}"

    def report(self) -> dict[str, Any]:
        """The declared secrets as `/health` shows them, without values."""
        return {
            "file_fault": self.file_fault or None,
            "declared": [
                _report(self._declared[name], self._reading(name))
                for name in sorted(self._declared)
            ],
        }

    def notices(self) -> Iterator[str]:
        """What an operator should know of the values that are there."""
        for name in sorted(self._declared):
            yield from _notices(name, self._reading(name))

    async def look(self) -> bool:
        """Look at all files; returns whether a secret appeared, went, or was declared differently.

        After the first look, a change counts when the next look finds it again: a file that is
        rewritten in place is empty or incomplete for a moment.
        """
        found = await in_thread(
            self._found, timeout_s=LOOK_TIMEOUT_S, name="secrets-look", interrupted=False
        )
        before, self._last = self._last, found
        return self._take(found, before or found)

    @asynccontextmanager
    async def watching(self, changed: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
        """Follow the files while the block runs; `changed` is called when `look` returns true."""

        async def follow() -> None:
            hanging = False
            while True:
                await asyncio.sleep(LOOK_EVERY_S)
                try:
                    if await self.look():
                        await changed()
                    hanging = False
                except TimeoutError:
                    if not hanging:
                        log.warning("secrets.slow", waited_s=LOOK_TIMEOUT_S)
                    hanging = True

        async with background(follow, name="secrets"):
            yield

    def _declaration(self, name: str) -> Declaration:
        return self._declared.get(name) or Declaration.undeclared(name)

    def _reading(self, name: str) -> Reading:
        return self._readings.get(name) or read_secret(
            Declaration.undeclared(name), self._environment
        )

    def _found(self) -> _Look:
        """Read `secrets.yaml` and the sources of its secrets. Blocks."""
        data, fault, declared = None, "", self._declared
        try:
            data = read_regular_file(self._file) if self._file is not None else None
        except FileNotFoundError:
            pass
        except OSError as error:
            fault = f"cannot be read: {error.strerror}"
        if data is None and not fault:
            declared = {}
        elif data is not None and (self._last is None or self._last.data != data):
            try:
                assert self._file is not None
                declared = parse_declarations(data, self._file.absolute().parent)
            except SecretsFileFault as error:
                fault = str(error)
        elif data is not None and self._last is not None:
            fault, declared = self._last.fault, self._last.declared
        return _Look(
            data,
            fault,
            declared,
            {name: read_secret(one, self._environment) for name, one in declared.items()},
        )

    def _take(self, found: _Look, before: _Look) -> bool:
        """Take over what two looks agree on; returns whether functions have to be judged anew."""
        old_declared, old = self._declared, self._readings
        changed = False
        if (found.data, found.fault) == (before.data, before.fault):
            changed = self._take_file(found)
        readings: dict[str, Reading] = {}
        for name, declaration in self._declared.items():
            new = found.readings.get(name)
            settled = new is not None and new == before.readings.get(name)
            known = old.get(name) if old_declared.get(name) == declaration else None
            if new is not None and (settled or known is None):
                readings[name] = new
            else:
                readings[name] = known or read_secret(declaration, self._environment)
        self._readings = readings
        values, old_values = _values(readings), _values(old)
        if values != old_values:
            self.version += 1
            self._redactor.hold(values.values())
            self._redactor.release(old_values.values())
        self._log(old)
        return changed or values.keys() != old_values.keys()

    def _take_file(self, found: _Look) -> bool:
        """Take over the declarations; returns whether they or their fault have changed."""
        changed = found.fault != self.file_fault
        if changed and found.fault:
            log.error("secrets.broken", file=str(self._file), error=found.fault)
        elif changed:
            log.info("secrets.repaired", file=str(self._file))
        self.file_fault = found.fault
        if found.fault:
            # Declarations of an earlier version stay; without one, nothing can be said of a name.
            self._never_good = self._never_good or (self._data is None and not self._declared)
            return changed
        self._never_good, self._data = False, found.data
        changed |= dict(found.declared) != dict(self._declared)
        self._declared = found.declared
        return changed

    def _log(self, old: Mapping[str, Reading]) -> None:
        """Log what differs from before, without values."""
        for name, reading in self._readings.items():
            before = old.get(name)
            if reading == before:
                continue
            if reading.value is None:
                if before is None or before.value is not None or before.problem != reading.problem:
                    log.warning(
                        "secret.missing",
                        secret_name=name,
                        required=self._declaration(name).required,
                        reason=reading.problem,
                    )
            elif before is not None:
                event = "secret.found" if before.value is None else "secret.changed"
                log.info(event, secret_name=name, source=str(reading.source))
            earlier = set(_notices(name, before)) if before is not None else set()
            for notice in _notices(name, reading):
                if notice not in earlier:
                    log.warning("secret.notice", notice=notice)


@dataclass(frozen=True, eq=False)
class FunctionSecrets(Mapping[str, str]):
    """The secrets that one function names, with the values of this moment.

    A missing one is absent. A task takes `now()` when it starts and keeps these values.
    """

    _declared: DeclaredSecrets = field(repr=False)
    names: tuple[str, ...]

    def now(self) -> Mapping[str, str]:
        """The values of this moment, by name; they do not change."""
        values = {name: self._declared.value(name) for name in self.names}
        return MappingProxyType({name: one for name, one in values.items() if one is not None})

    @property
    def fault(self) -> str:
        """Why the function cannot run now; empty if it can."""
        return self._declared.fault(self.names)

    def __getitem__(self, name: str) -> str:
        return self.now()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.now())

    def __len__(self) -> int:
        return len(self.now())


def no_secrets() -> FunctionSecrets:
    """The secrets of a function that names none."""
    return DeclaredSecrets({}).named(())


def _values(readings: Mapping[str, Reading]) -> dict[str, str]:
    return {name: one.value for name, one in readings.items() if one.value is not None}


def _report(declaration: Declaration, reading: Reading) -> dict[str, Any]:
    state = "present" if reading.value is not None else "missing"
    return {
        "name": declaration.name,
        "description": declaration.description,
        "required": declaration.required,
        "state": "unusable" if reading.unusable else state,
        "source": str(reading.source.kind) if reading.source is not None else None,
        "problem": reading.problem or None,
    }


def _notices(name: str, reading: Reading) -> Iterator[str]:
    if reading.open_to_all:
        yield f"{name}: every user of this machine can read the {reading.source}"
    if reading.value is not None and len(reading.value) < SHORT:
        yield (
            f"{name} is shorter than {SHORT} characters: it is redacted only where it is a whole "
            "value, not inside texts"
        )
