"""Changes `users.json`: one change at a time, whole or not at all, readable by its owner only."""

import fcntl
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import orjson

from slotgrid.runtime.regular_file import read_regular_file
from slotgrid.users.user import User, parse_users, to_json

MODE = 0o600


def read_users(path: Path) -> tuple[User, ...]:
    """The users of the file; none if there is no file. Raises UsersFault or OSError."""
    try:
        return parse_users(read_regular_file(path))
    except FileNotFoundError:
        return ()


@contextmanager
def editing(path: Path) -> Iterator[list[User]]:
    """The users, to be changed in place; written when the block ends without an error.

    Another editor of the same machine waits meanwhile. Raises UsersFault or OSError.
    """
    path = path.absolute()
    with open(path.with_name(f".{path.name}.lock"), "a", opener=_private) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        users = list(read_users(path))
        yield users
        _write(path, users)


def replaced(users: Sequence[User], user: User) -> list[User]:
    """The users with another version of one of them."""
    return [user if one.name == user.name else one for one in users]


def _write(path: Path, users: Sequence[User]) -> None:
    text = orjson.dumps({"users": [to_json(user) for user in users]}, option=orjson.OPT_INDENT_2)
    assert parse_users(text) == tuple(users)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), MODE)
            file.write(text + b"\n")
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, MODE)


def with_keys_ending(user: User, at: float, now: float) -> User:
    """The user with keys that end at `at` the latest, without those that have ended."""
    return replace(
        user,
        keys=tuple(
            replace(key, expires_at=at if key.expires_at is None else min(at, key.expires_at))
            for key in user.keys
            if key.expires_at is None or key.expires_at > now
        ),
    )
