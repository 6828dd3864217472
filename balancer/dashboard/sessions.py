"""Who is logged in: a session for a key that was shown once, and the bounds on guessing keys."""

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from slotgrid.intake.auth import Principal

SESSION_S = 12 * 3600.0
SESSIONS_LIMIT = 1000
"""Past it the oldest session ends: whoever can open them has a key."""
ATTEMPTS = 5
"""Wrong keys that an address may show, one after the other, before it has to wait."""
ATTEMPT_EVERY_S = 12.0
"""How long until it may try once more."""
ADDRESSES_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Session:
    """A log-in. `token` must come with each form, so that no other site can send one."""

    principal: Principal
    token: str
    ends_at: float

    def sent(self, token: str) -> bool:
        """Whether the token is the session's, compared in constant time."""
        return hmac.compare_digest(_hash(token), _hash(self.token))


class Sessions:
    """The sessions of this process. A restart ends them; of their secrets only hashes are held."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def open(self, principal: Principal) -> str:
        """Begin a session; returns the secret that its cookie holds."""
        secret = secrets.token_urlsafe(32)
        session = Session(principal, secrets.token_urlsafe(32), self._clock() + SESSION_S)
        self._sessions[_hash(secret)] = session
        self._drop_old()
        return secret

    def find(self, secret: str) -> Session | None:
        """The session of a cookie; None when there is none, or it has ended."""
        session = self._sessions.get(_hash(secret))
        if session is None or session.ends_at <= self._clock():
            return None
        return session

    def close(self, secret: str) -> None:
        """End a session."""
        self._sessions.pop(_hash(secret), None)

    def _drop_old(self) -> None:
        now = self._clock()
        while self._sessions:  # all last equally long, so the first opened ends first
            first = next(iter(self._sessions.values()))
            if first.ends_at > now and len(self._sessions) <= SESSIONS_LIMIT:
                return
            self._sessions.popitem(last=False)


class Guesses:
    """A bound on wrong keys by address: a few at once, then one every `ATTEMPT_EVERY_S`."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # Address -> when all its attempts are allowed again, as if each wrong key cost its time.
        self._clear_at: OrderedDict[str, float] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """Seconds until the address may try a key; 0 when it may now."""
        ahead_s = self._clear_at.get(address, 0.0) - self._clock()
        return max(0.0, ahead_s - (ATTEMPTS - 1) * ATTEMPT_EVERY_S)

    def wrong(self, address: str) -> None:
        """The address has shown a wrong key."""
        now = self._clock()
        self._clear_at[address] = max(now, self._clear_at.pop(address, 0.0)) + ATTEMPT_EVERY_S
        if len(self._clear_at) > ADDRESSES_LIMIT:
            self._clear_at.popitem(last=False)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
