"""One pool: a named share of the slots, and the browser that its tasks get."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slotgrid.function import Isolation


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicAuth:
    """A login for HTTP authentication; `secret` names the password, `origin` who gets it."""

    username: str
    secret: str
    origin: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolProxy:
    """The proxy of a pool's pages. `secret` names the password; `bypass` are hosts without it."""

    server: str = field(repr=False)
    username: str | None = None
    secret: str | None = None
    bypass: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A pool as `pools.yaml` describes it.

    `profile` is the folder of a persistent pool's profiles, None for one in the data folder.
    `setup` is the function that runs once in each new persistent context. `queue_limit` is how many
    tasks may wait for one persistent slot. `context_options` have the names of Playwright's
    `new_context`.
    """

    name: str
    size: int
    isolation: Isolation = "context"
    profile: Path | None = None
    setup: str | None = None
    queue_limit: int | None = None
    context_options: Mapping[str, Any] = field(default_factory=dict)
    proxy: PoolProxy | None = None
    user_agent: str | None = None
    ignore_tls_errors: bool = False
    basic_auth: BasicAuth | None = None

    @property
    def persistent(self) -> bool:
        """Whether the pool keeps its browsers' profiles between tasks."""
        return self.isolation == "persistent"
