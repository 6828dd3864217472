"""Log-in sessions, each for a key that was shown once, and the rate limit on guesses of keys."""

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from slotgrid.core.principal import Principal
from slotgrid.users.users import Key

SESSION_S = 12 * 3600.0
SESSIONS_LIMIT = 1000
"""Above it the oldest session ends: only the owner of a key can open any."""
ATTEMPTS = 5
"""Wrong keys that an address may send before it is locked."""
ATTEMPT_EVERY_S = 12.0
"""Time until it may send one more."""
LOCKED_CHECK_EVERY_S = 1.0
"""How often a key of a locked address is still checked: behind a proxy or NAT the owner of a right
key may share the attacker's address, and must get in."""
ADDRESSES_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class LoginSession:
    """A log-in. Each form must contain `token`, so that no other site can send one.

    It ends with its `key`, too.
    """

    key: Key
    token: str
    ends_at: float

    @property
    def principal(self) -> Principal:
        """Who has logged in."""
        return self.key.principal

    def sent(self, token: str) -> bool:
        """Whether the token is the session's, compared in constant time."""
        return hmac.compare_digest(_hash(token), _hash(self.token))


class Sessions:
    """The sessions of this process. A restart ends them; only hashes of their secrets are kept."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sessions: OrderedDict[bytes, LoginSession] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def open(self, key: Key) -> str:
        """Begin a session; returns the secret for its cookie."""
        secret = secrets.token_urlsafe(32)
        session = LoginSession(key, secrets.token_urlsafe(32), self._clock() + SESSION_S)
        self._sessions[_hash(secret)] = session
        self._drop_old()
        return secret

    def find(self, secret: str) -> LoginSession | None:
        """The session of a cookie; None if there is none, or it has ended."""
        session = self._sessions.get(_hash(secret))
        if session is None or session.ends_at <= self._clock() or session.key.ended.is_set():
            return None
        return session

    def close(self, secret: str) -> None:
        """End a session."""
        self._sessions.pop(_hash(secret), None)

    def _drop_old(self) -> None:
        now = self._clock()
        while self._sessions:  # all have one lifetime, so the first opened ends first
            first = next(iter(self._sessions.values()))
            if first.ends_at > now and len(self._sessions) <= SESSIONS_LIMIT:
                return
            self._sessions.popitem(last=False)


@dataclass(slots=True)
class _Attempts:
    """The attempts of one address. `clear_at`: when all ATTEMPTS are allowed again."""

    clear_at: float
    checked_at: float


class Guesses:
    """A rate limit on wrong keys by address: ATTEMPTS at once, then one every `ATTEMPT_EVERY_S`.

    For an address above the limit, one key is checked every `LOCKED_CHECK_EVERY_S`.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._attempts: OrderedDict[str, _Attempts] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """Seconds until the address is no longer locked; 0 if it is not."""
        found = self._attempts.get(address)
        ahead_s = 0.0 if found is None else found.clear_at - self._clock()
        return max(0.0, ahead_s - (ATTEMPTS - 1) * ATTEMPT_EVERY_S)

    def admit(self, address: str) -> bool:
        """Whether one key of the address may be checked now.

        The attempt counts as a wrong key from here on, so that parallel attempts cannot exceed
        the limit; `right` reverts that.
        """
        now = self._clock()
        found = self._attempts.get(address) or _Attempts(now, -LOCKED_CHECK_EVERY_S)
        if self.wait_s(address) > 0 and now - found.checked_at < LOCKED_CHECK_EVERY_S:
            return False
        # Capped, so that a lock ends soon after the last guess.
        most = now + ATTEMPTS * ATTEMPT_EVERY_S
        found.clear_at = min(most, max(now, found.clear_at) + ATTEMPT_EVERY_S)
        found.checked_at = now
        self._attempts[address] = found
        self._attempts.move_to_end(address)
        if len(self._attempts) > ADDRESSES_LIMIT:
            self._attempts.popitem(last=False)
        return True

    def right(self, address: str) -> None:
        """The admitted key is right: it does not count as a wrong one."""
        if (found := self._attempts.get(address)) is not None:
            found.clear_at -= ATTEMPT_EVERY_S


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
