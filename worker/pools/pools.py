"""The pools of a running worker: their sizes and kinds, fixed at the start, and their options."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from slotgrid.runtime.background import background
from slotgrid.runtime.regular_file import read_regular_file
from slotgrid.runtime.secrets import Redactor
from slotgrid.runtime.settings import SLOTS_PER_BROWSER, TABLE, Settings, SettingsError
from worker.browser.errors import BrowserUnavailable
from worker.pools.options import PoolBrowser, Secrets, browser_of
from worker.pools.pool import Pool
from worker.pools.reading import PoolsFault, read_pools

log = structlog.get_logger()

LOOK_EVERY_S = 0.5
"""Polling a file's `stat` costs microseconds, and detects a volume that is mounted later."""

FIXED = ("size", "isolation", "profile", "queue_limit")
"""What of a pool holds from the start of the worker to its end."""


class Pools:
    """The pools by name, and what each gives a browser context.

    `fault` says why the file of now is not in use, `restart` what of it needs a restart; each None
    without a reason.
    """

    def __init__(
        self,
        pools: Mapping[str, Pool],
        *,
        file: Path,
        secrets: Secrets,
        redactor: Redactor | None = None,
    ) -> None:
        self.file = file
        self.fault: str | None = None
        self.restart: str | None = None
        self._started = dict(pools)
        self._current = dict(pools)
        self._secrets = secrets
        self._redactor = redactor or Redactor()
        self._hidden = ExitStack()
        self._known: set[str] = set()
        self._changed: list[Callable[[frozenset[str]], None]] = []
        self._given: Mapping[str, PoolBrowser | str] = {}
        self._seen = _signature(file)

    @classmethod
    def of(cls, settings: Settings, secrets: Secrets, redactor: Redactor | None = None) -> "Pools":
        """The pools of the file, or those of POOLS if there is none. Raises SettingsError."""
        file = settings.pools_file
        try:
            pools = read_pools(read_regular_file(file))
        except FileNotFoundError:
            if file != Path(TABLE["pools_file"].default):
                raise SettingsError((f"POOLS_FILE: there is no file {file.absolute()}",)) from None
            pools = {name: Pool(name=name, size=size) for name, size in settings.pools.items()}
            return cls(pools, file=file, secrets=secrets, redactor=redactor)
        except OSError as error:
            raise SettingsError((f"{file} cannot be read: {error.strerror}",)) from error
        except PoolsFault as fault:
            raise SettingsError(tuple(f"{file}, {one}" for one in fault.faults)) from fault
        problems = []
        if "POOLS" in settings.given:
            problems.append(f"POOLS: is set although there is the file {file}; remove one of them")
        if (pooled := sum(pool.size for pool in pools.values())) != settings.slots:
            problems.append(
                f"{file}: the sizes add up to {pooled}, expected SLOTS, which is {settings.slots}"
            )
        if not settings.traffic_guard:
            problems += _faults_without_guard(file, pools)
        if problems:
            raise SettingsError(tuple(problems))
        return cls(pools, file=file, secrets=secrets, redactor=redactor)

    @property
    def started(self) -> tuple[Pool, ...]:
        """The pools that this worker started with."""
        return tuple(self._started.values())

    @property
    def sizes(self) -> dict[str, int]:
        """The slots of each pool."""
        return {name: pool.size for name, pool in self._started.items()}

    @property
    def isolations(self) -> dict[str, str]:
        """What each pool gives its tasks."""
        return {name: pool.isolation for name, pool in self._started.items()}

    @property
    def persistent(self) -> dict[str, Pool]:
        """The persistent pools."""
        return {name: pool for name, pool in self._started.items() if pool.persistent}

    @property
    def queue_limits(self) -> dict[str, int]:
        """How many tasks may wait for one slot, for each pool that bounds them."""
        return {
            name: pool.queue_limit
            for name, pool in self._started.items()
            if pool.queue_limit is not None
        }

    @property
    def context_slots(self) -> int:
        """The slots whose tasks get contexts of the shared browsers."""
        return sum(pool.size for pool in self._started.values() if not pool.persistent)

    def current(self, name: str) -> Pool:
        """The pool with its options of now."""
        return self._current[name]

    def browser(self, name: str) -> PoolBrowser:
        """What the pool gives a context that opens now.

        Raises BrowserUnavailable while a secret of the pool is missing.
        """
        try:
            browser = browser_of(self._current[name], self._secrets)
        except ValueError as error:
            raise BrowserUnavailable(f"the pool {name} {error}") from error
        if new := set(browser.secrets) - self._known:
            self._known |= new
            self._hidden.enter_context(self._redactor.scope(sorted(new)))
        return browser

    def on_change(self, callback: Callable[[frozenset[str]], None]) -> None:
        """Call `callback` with the names of pools whose options have changed."""
        self._changed.append(callback)

    def detail(self) -> dict[str, Any]:
        """The state of the file for `/health`."""
        faults = [given for given in self._given.values() if isinstance(given, str)]
        fault = "; ".join([*([self.fault] if self.fault else []), *faults])
        return {"file": str(self.file), "fault": fault or None, "restart": self.restart}

    def look(self) -> None:
        """Read the file if it has changed. A faulty one keeps what the last good one said.

        Values of secrets may change without the file.
        """
        before = self._current
        if (signature := _signature(self.file)) != self._seen:
            self._seen = signature
            self._read()
        given = {name: self._given_by(name) for name in self._current}
        changed = frozenset(
            name
            for name, pool in self._current.items()
            if pool != before[name] or given[name] != self._given.get(name, given[name])
        )
        self._given = given
        if not changed:
            return
        log.info("pools.changed", file=str(self.file), pools=sorted(changed))
        for callback in self._changed:
            callback(changed)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Follow the file while the block runs."""
        self.look()
        try:
            async with background(self._watch, name="pools"):
                yield
        finally:
            self._hidden.close()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self.look()

    def _read(self) -> None:
        try:
            given = read_pools(read_regular_file(self.file))
        except (PoolsFault, OSError) as error:
            if isinstance(error, OSError):
                self._seen = None  # an unchanged file may become readable
            fault = _in_words(error)
            if fault != self.fault:
                log.warning("pools.kept_the_last_good_file", file=str(self.file), fault=fault)
            self.fault = fault
            return
        if self.fault is not None:
            log.info("pools.file_is_good_again", file=str(self.file))
        self.fault = None
        restart = _needs_restart(self._started, given)
        if restart is not None and restart != self.restart:
            log.warning("pools.restart_needed", file=str(self.file), reason=restart)
        self.restart = restart
        self._current = {
            name: replace(given.get(name, pool), **{key: getattr(pool, key) for key in FIXED})
            for name, pool in self._started.items()
        }

    def _given_by(self, name: str) -> PoolBrowser | str:
        """What the pool gives, or why it gives nothing."""
        try:
            return self.browser(name)
        except BrowserUnavailable as error:
            return error.reason


def shared_browsers(settings: Settings, pools: Pools) -> int:
    """How many browsers serve the pools that are not persistent."""
    if "BROWSERS" in settings.given:
        return min(settings.browsers, pools.context_slots)
    return math.ceil(pools.context_slots / SLOTS_PER_BROWSER)


def _faults_without_guard(file: Path, pools: Mapping[str, Pool]) -> list[str]:
    """Proxies that only the traffic guard can use."""
    return [
        f"{file}: {name}.proxy: Chromium itself cannot log in at a socks5 proxy; set TRAFFIC_GUARD"
        for name, pool in pools.items()
        if pool.proxy is not None
        and pool.proxy.server.startswith("socks5:")
        and (pool.proxy.username is not None or "@" in pool.proxy.server)
    ]


def _needs_restart(started: Mapping[str, Pool], given: Mapping[str, Pool]) -> str | None:
    """What of the file holds only from the next start on; None for nothing."""
    changes = [f"the pool {name} is new" for name in given.keys() - started.keys()]
    for name, pool in started.items():
        new = given.get(name)
        if new is None:
            changes.append(f"the pool {name} is gone")
            continue
        for key in FIXED:
            before, now = getattr(pool, key), getattr(new, key)
            if before != now:
                changes.append(f"{name}.{key} was {before} and is {now}")
    return f"restart the worker: {'; '.join(sorted(changes))}" if changes else None


def _in_words(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "the file is gone"
    if isinstance(error, OSError):
        return f"the file cannot be read: {error.strerror}"
    return str(error)


def _signature(path: Path) -> tuple[int, ...] | None:
    """Identifies a version of the file; empty if `stat` fails."""
    try:
        stat = path.stat()
    except OSError:
        return ()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns
