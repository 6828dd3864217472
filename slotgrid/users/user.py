"""A user as `users.json` has it, and how the file is read."""

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from slotgrid.core.deadlines import iso
from slotgrid.core.errors import Violation, pointer
from slotgrid.core.json_readers import (
    Reader,
    Wrong,
    kind_of,
    read_fields,
    read_members,
    read_text,
    read_whole,
)
from slotgrid.core.principal import Scope
from slotgrid.function import Rate

__all__ = [
    "GIVABLE", "KEYS_MOST", "Rate", "Scope", "StoredKey", "User", "UsersFault", "check_name",
    "hash_of", "moment", "new_key", "parse_users", "public_view", "to_json",
]  # fmt: skip

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}", re.ASCII)
RESERVED = frozenset({"root", "nobody"})
USERS_MOST = 10_000
KEYS_MOST = 20
"""Keys of one user: more than one while a key is replaced, or for several machines."""
GIVABLE = (Scope.READ, Scope.SUBMIT, Scope.OPERATE, Scope.ADMIN)
PREFIX = "sg_"
"""Begins each key, so that people and scanners of leaked secrets know one."""
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)


class UsersFault(ValueError):
    """The file cannot be used; the text names each fault with its place."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """The hash of a key, in hexadecimal, and its end in seconds since the epoch; None: never."""

    hash: str
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class User:
    """A named user. `rate` limits its requests, `concurrency` its tasks that run at once."""

    name: str
    scopes: frozenset[Scope]
    keys: tuple[StoredKey, ...]
    rate: Rate | None = None
    concurrency: int | None = None


def new_key() -> str:
    """A new key, with 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_of(key: str) -> str:
    """The hash that is stored of a key.

    One round of SHA-256: a key is random and long, so no slow hash protects it better, and a lookup
    by the hash of a guess tells nothing of a key.
    """
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def parse_users(content: bytes) -> tuple[User, ...]:
    """The users of a file: `{"users": [{name, scopes, keys, rate, concurrency}]}`.

    An empty file has none. Raises UsersFault.
    """
    if not content.strip():
        return ()
    try:
        given = orjson.loads(content)
    except orjson.JSONDecodeError as fault:
        raise UsersFault(f"not JSON: {fault}") from fault
    try:
        users: tuple[User, ...] = read_members(given, {"users": _users}, required="users")["users"]
    except Wrong as wrong:
        raise UsersFault(
            "; ".join(f"{fault.pointer or 'the file'}: {fault.message}" for fault in wrong.faults)
        ) from None
    return users


def moment(text: str) -> float:
    """Seconds since the epoch of an ISO 8601 time with its zone. Raises ValueError."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("has no time zone; end it with Z for UTC")
    return at.timestamp()


def _users(value: object) -> tuple[User, ...]:
    if not isinstance(value, list):
        raise Wrong.because(f"expected an array, got {kind_of(value)}")
    if len(value) > USERS_MOST:
        raise Wrong.because(f"has {len(value)} users; {USERS_MOST} are possible")
    users: list[User] = []
    names: set[str] = set()
    hashes: set[str] = set()
    for index, item in enumerate(value):
        at = pointer([str(index)])
        try:
            user = _user(item)
        except Wrong as wrong:
            raise _below(at, wrong) from None
        if user.name in names:
            raise _below(at, Wrong.because(f'the name "{user.name}" is here twice'))
        if not hashes.isdisjoint(key.hash for key in user.keys):
            raise _below(at, Wrong.because("one of its keys is here twice"))
        names.add(user.name)
        hashes.update(key.hash for key in user.keys)
        users.append(user)
    return tuple(users)


def _user(value: object) -> User:
    if not isinstance(value, dict):
        raise Wrong.because(f"expected an object, got {kind_of(value)}")
    values, faults = read_fields(value, _READERS, required="name")
    if faults:
        raise Wrong(*faults)
    return User(
        values["name"],
        values.get("scopes", frozenset()),
        values.get("keys", ()),
        values.get("rate"),
        values.get("concurrency"),
    )


def _below(at: str, wrong: Wrong) -> Wrong:
    return Wrong(*(Violation(at + fault.pointer, fault.message) for fault in wrong.faults))


def check_name(name: str) -> None:
    """Raises ValueError, with a text for a person, if no user may have this name."""
    try:
        _name(name)
    except Wrong as wrong:
        raise ValueError(wrong.faults[0].message) from None


def _name(value: object) -> str:
    name = read_text(value)
    if not NAME.fullmatch(name):
        raise Wrong.because(
            "expected at most 100 letters, digits, `.`, `_`, `@` and `-`, the first of them a "
            "letter or digit"
        )
    if name in RESERVED:
        raise Wrong.because(f'"{name}" is a name of Slotgrid itself')
    return name


def _scopes(value: object) -> frozenset[Scope]:
    if not isinstance(value, list):
        raise Wrong.because(f"expected an array, got {kind_of(value)}")
    unknown = [one for one in value if one not in list(GIVABLE)]
    if unknown:
        raise Wrong.because(f"expected {', '.join(GIVABLE)}, got {unknown[0]!r}")
    return frozenset(Scope(one) for one in value)


def _keys(value: object) -> tuple[StoredKey, ...]:
    if not isinstance(value, list):
        raise Wrong.because(f"expected an array, got {kind_of(value)}")
    if len(value) > KEYS_MOST:
        raise Wrong.because(f"has {len(value)} keys; {KEYS_MOST} are possible")
    keys = []
    for index, item in enumerate(value):
        try:
            read = read_members(item, {"hash": _hash, "expires_at": _expires_at}, required="hash")
        except Wrong as wrong:
            raise _below(pointer([str(index)]), wrong) from None
        keys.append(StoredKey(read["hash"], read.get("expires_at")))
    return tuple(keys)


def _hash(value: object) -> str:
    text = read_text(value)
    if not _HASH.fullmatch(text):
        raise Wrong.because("expected the 64 hexadecimal digits of a SHA-256")
    return text


def _expires_at(value: object) -> float | None:
    if value is None:
        return None
    try:
        return moment(read_text(value))
    except ValueError as fault:
        if isinstance(fault, Wrong):
            raise
        raise Wrong.because(f"expected a time such as 2030-01-31T08:00:00Z: {fault}") from None


def _rate(value: object) -> Rate | None:
    if value is None:
        return None
    try:
        return Rate.parse(read_text(value))
    except ValueError as fault:
        if isinstance(fault, Wrong):
            raise
        raise Wrong.because(str(fault)) from None


def _concurrency(value: object) -> int | None:
    if value is None:
        return None
    count = read_whole(value)
    if count < 1:
        raise Wrong.because(f"must be at least 1, got {count}")
    return count


_READERS: Mapping[str, Reader] = {
    "name": _name,
    "scopes": _scopes,
    "keys": _keys,
    "rate": _rate,
    "concurrency": _concurrency,
}


def to_json(user: User) -> dict[str, Any]:
    """The user as the file has it."""
    written: dict[str, Any] = {
        "name": user.name,
        "scopes": [str(scope) for scope in GIVABLE if scope in user.scopes],
        "keys": [
            {
                "hash": key.hash,
                "expires_at": None if key.expires_at is None else iso(key.expires_at),
            }
            for key in user.keys
        ],
        "rate": None if user.rate is None else str(user.rate),
        "concurrency": user.concurrency,
    }
    return written


def public_view(user: User, now: float) -> dict[str, Any]:
    """The user without anything of its keys but when they end; `now` is in epoch seconds."""
    return {
        "name": user.name,
        "scopes": [str(scope) for scope in GIVABLE if scope in user.scopes],
        "keys": [
            {
                "expires_at": None if key.expires_at is None else iso(key.expires_at),
                "expired": key.expires_at is not None and key.expires_at <= now,
            }
            for key in user.keys
        ],
        "rate": None if user.rate is None else str(user.rate),
        "concurrency": user.concurrency,
    }
