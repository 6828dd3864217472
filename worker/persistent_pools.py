"""The persistent pools as their browsers need them."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from worker.browser.persistent_browsers import KeptOptions
from worker.browser.persistent_slot import Setup, SlotPlace
from worker.pool_setup import PoolSetup
from worker.pools.pool import Pool
from worker.pools.pools import Pools


@dataclass(frozen=True)
class KeptPool:
    """One persistent pool. Fulfils `worker.browser.persistent_browsers.PersistentPool`."""

    pool: Pool
    pools: Pools
    data_dir: Path
    runner: PoolSetup

    @property
    def name(self) -> str:
        """The pool's name."""
        return self.pool.name

    @property
    def size(self) -> int:
        """The number of its slots."""
        return self.pool.size

    @property
    def folder(self) -> tuple[Path, bool]:
        """The folder of its profiles; a configured one is not made, as a volume may be missing."""
        if self.pool.profile is not None:
            return self.pool.profile.absolute(), False
        return self.data_dir.absolute() / "profiles" / self.pool.name, True

    def options(self) -> KeptOptions:
        """What its next browser is started with."""
        browser = self.pools.browser(self.pool.name)
        return KeptOptions(browser.options, browser.proxy)

    def setup(self, place: SlotPlace) -> Setup | None:
        """What prepares a new context."""
        function = self.pools.current(self.pool.name).setup
        return None if function is None else partial(self.runner.run, function, place)
