"""The users of one node: those of `users.json`, and their keys that are valid now."""

import asyncio
import stat
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from slotgrid.core.principal import Principal, Scope
from slotgrid.runtime.background import background
from slotgrid.runtime.last_good_file import LastGoodFile
from slotgrid.users.rate_limit import RateLimit
from slotgrid.users.user import GIVABLE, User, hash_of, parse_users, public_view

log = structlog.get_logger()

ROOT = "root"
LOOK_EVERY_S = 0.5
"""Between two looks at the file and at the keys that end, as for `workers.json`."""


@dataclass(frozen=True, eq=False)
class Key:
    """A key that is valid now. `ended` is set when it ends, so that its streams can end.

    `expires_at` is in seconds since the epoch. `limit` is that of its user.
    """

    principal: Principal
    expires_at: float | None = None
    limit: RateLimit | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Users:
    """Follows `users.json`; a bad one keeps the last good one. `root` has the key `auth_key`.

    `changed` is called after a change of the users' shares.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        auth_key: str = "",
        clock: Callable[[], float] = time.time,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._path = path
        self._clock = clock
        self.changed = changed
        self._file = (
            None
            if path is None
            else LastGoodFile[tuple[User, ...]](path, parse_users, empty=(), kind="users")
        )
        self._users: dict[str, User] = {}
        self._limits: dict[str, RateLimit] = {}
        self._root: dict[str, Key] = {}
        if auth_key:
            everything = Principal(ROOT, frozenset(Scope) - {Scope.PUBLIC})
            self._root[hash_of(auth_key)] = Key(everything)
        self._keys = dict(self._root)
        self._expired: set[str] = set()
        self._adopted = False
        """Whether the file was read before: only then is a difference a change."""

    # What others ask

    def key(self, text: str) -> Key | None:
        """The valid key with this text."""
        found = self._keys.get(hash_of(text))
        if found is None or found.expires_at is None or found.expires_at > self._clock():
            return found
        return None

    def has_expired(self, text: str) -> bool:
        """Whether this text was a key of a user, and its time is over."""
        hashed = hash_of(text)
        return self.key(text) is None and (hashed in self._expired or hashed in self._keys)

    def exists(self, name: str) -> bool:
        """Whether the user may still own tasks. A file that was never good tells nothing of it."""
        return name == ROOT or name in self._users or not self._was_read

    def share_of(self, owner: str) -> int | None:
        """How many tasks of the user may run at once; None without a limit."""
        user = self._users.get(owner)
        return None if user is None else user.concurrency

    def has_share(self, owner: str) -> bool:
        """Whether the number of the user's tasks that run at once is limited."""
        return self.share_of(owner) is not None

    @property
    def _was_read(self) -> bool:
        return self._file is None or self._file.value is not None or self._file.fault is None

    def health(self) -> dict[str, Any]:
        """The part of `/health` about the file."""
        return {
            "in_file": len(self._users),
            "file_fault": None if self._file is None else self._file.fault,
        }

    def list(self) -> list[dict[str, Any]]:
        """The users by name, without anything of their keys but when they end."""
        root = {
            "name": ROOT,
            "scopes": list(GIVABLE),
            "keys": [],
            "rate": None,
            "concurrency": None,
        }
        return [
            {**root, "built_in": True},
            *(self._view(self._users[name]) for name in sorted(self._users)),
        ]

    # The file and the time

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Follow the file, and end keys at their time, while the block runs."""
        await self.look()
        async with background(self._watch, name="users"):
            yield

    async def look(self) -> None:
        """Read the file if it has changed; end the keys whose time is over."""
        if self._file is not None and await asyncio.to_thread(self._file.look):
            self._warn_of_readers()
            self._adopt({user.name: user for user in self._file.value or ()})
        now = self._clock()
        for hashed, key in list(self._keys.items()):
            if key.expires_at is not None and key.expires_at <= now:
                del self._keys[hashed]
                self._expired.add(hashed)
                key.ended.set()
                log.info("audit.key_expired", user=key.principal.name)

    def _adopt(self, users: dict[str, User]) -> None:
        before, self._users = self._users, users
        log.info("users.read", users=len(users))
        for name in sorted(before.keys() | users.keys()) if self._adopted else ():
            if name not in users:
                log.info("audit.user_removed", user=name)
            elif name not in before:
                log.info("audit.user_added", user=name, scopes=sorted(users[name].scopes))
            elif users[name] != before[name]:
                log.info("audit.user_changed", user=name, scopes=sorted(users[name].scopes))
        self._adopted = True
        self._limits = {
            name: self._limit(name, user) for name, user in users.items() if user.rate is not None
        }
        now, keys = self._clock(), dict(self._root)
        self._expired = set()
        for user in users.values():
            for stored in user.keys:
                if stored.expires_at is not None and stored.expires_at <= now:
                    self._expired.add(stored.hash)
                elif stored.hash not in self._root:
                    keys[stored.hash] = self._kept(user, stored.hash, stored.expires_at)
        for hashed, key in self._keys.items():
            if keys.get(hashed) is not key:
                key.ended.set()
        self._keys = keys
        self.changed()

    def _kept(self, user: User, hashed: str, expires_at: float | None) -> Key:
        """The key as it was if nothing of it has changed: its streams go on."""
        principal, limit = Principal(user.name, user.scopes), self._limits.get(user.name)
        old = self._keys.get(hashed)
        if old is not None and (old.principal, old.expires_at, old.limit) == (
            principal,
            expires_at,
            limit,
        ):
            return old
        return Key(principal, expires_at, limit)

    def _limit(self, name: str, user: User) -> RateLimit:
        assert user.rate is not None
        old = self._limits.get(name)
        return old if old is not None and old.rate == user.rate else RateLimit(user.rate)

    def _warn_of_readers(self) -> None:
        assert self._path is not None
        try:
            mode = stat.S_IMODE(self._path.stat().st_mode)
        except OSError:
            return
        if mode & 0o077:
            log.warning("users.file_is_open_to_others", file=str(self._path), mode=f"{mode:04o}")

    def _view(self, user: User) -> dict[str, Any]:
        return {"built_in": False, **public_view(user, self._clock())}

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.look()
