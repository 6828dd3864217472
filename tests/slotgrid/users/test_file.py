"""`users.json`: what it may hold, how it is changed, and how it is read again."""

import json
import stat
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slotgrid.core.principal import Scope
from slotgrid.function import Rate
from slotgrid.users.edit import editing, read_users, replaced, with_keys_ending
from slotgrid.users.user import StoredKey, User, UsersFault, hash_of, new_key, parse_users

H = "a" * 64
ADA = User("ada", frozenset({Scope.READ}), (StoredKey(H, 1e9),), Rate(100, 60.0), 3)


def test_a_user_has_its_defaults() -> None:
    given = {"users": [{"name": "ada"}, {"name": "b@c.example", "scopes": ["read", "submit"]}]}
    ada, other = parse_users(json.dumps(given).encode())
    assert ada == User("ada", frozenset(), ())
    assert other.scopes == {Scope.READ, Scope.SUBMIT}
    assert parse_users(b"") == parse_users(b'{"users": []}') == ()


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ("[", "not JSON"),
        ([], "the file: expected an object"),
        ({}, "/users: is required"),
        ({"users": {}}, "/users: expected an array"),
        ({"users": [7]}, "/users/0: expected an object"),
        ({"users": [{}]}, "/users/0/name: is required"),
        ({"users": [{"name": "a b"}]}, "/users/0/name: expected at most 100"),
        ({"users": [{"name": "root"}]}, "/users/0/name: .*Slotgrid itself"),
        ({"users": [{"name": "a"}, {"name": "a"}]}, '/users/1: the name "a" is here twice'),
        ({"users": [{"name": "a", "scope": []}]}, '/users/0/scope: .*did you mean "scopes"'),
        ({"users": [{"name": "a", "scopes": "read"}]}, "/users/0/scopes: expected an array"),
        ({"users": [{"name": "a", "scopes": ["public"]}]}, "/users/0/scopes: expected read, "),
        ({"users": [{"name": "a", "scopes": [1]}]}, "/users/0/scopes: expected read, "),
        ({"users": [{"name": "a", "keys": {}}]}, "/users/0/keys: expected an array"),
        ({"users": [{"name": "a", "keys": [{}]}]}, "/users/0/keys/0/hash: is required"),
        ({"users": [{"name": "a", "keys": [{"hash": "x"}]}]}, "/users/0/keys/0/hash: .*64"),
        ({"users": [{"name": "a", "keys": [{"hash": H}] * 21}]}, "/users/0/keys: has 21 keys"),
        (
            {"users": [{"name": "a", "keys": [{"hash": H}]}, {"name": "b", "keys": [{"hash": H}]}]},
            "/users/1: one of its keys is here twice",
        ),
        (
            {"users": [{"name": "a", "keys": [{"hash": H, "expires_at": "soon"}]}]},
            "/users/0/keys/0/expires_at: expected a time",
        ),
        (
            {"users": [{"name": "a", "keys": [{"hash": H, "expires_at": "2030-01-01"}]}]},
            "no time zone",
        ),
        (
            {"users": [{"name": "a", "keys": [{"hash": H, "expires_at": 7}]}]},
            "/users/0/keys/0/expires_at: expected a string",
        ),
        ({"users": [{"name": "a", "rate": "fast"}]}, "/users/0/rate: .*10/m"),
        ({"users": [{"name": "a", "rate": 7}]}, "/users/0/rate: expected a string"),
        ({"users": [{"name": "a", "concurrency": 0}]}, "/users/0/concurrency: must be at least 1"),
        ({"users": [{"name": "a"}] * 10_001}, "/users: has 10001 users"),
    ],
)
def test_each_fault_has_its_place(given: Any, fault: str) -> None:
    text = given if isinstance(given, str) else json.dumps(given)
    with pytest.raises(UsersFault, match=fault):
        parse_users(text.encode())


def test_a_key_is_long_and_known_by_its_prefix() -> None:
    one, two = new_key(), new_key()
    assert one.startswith("sg_")
    assert len(one) > 40
    assert hash_of(one) != hash_of(two)


def test_a_change_is_written_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "users.json"
    assert read_users(file) == ()
    with editing(file) as users:
        users.append(ADA)
    assert read_users(file) == (ADA,)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with editing(file) as users:
        users[:] = replaced(users, replace(ADA, rate=None, concurrency=None))
    (again,) = read_users(file)
    assert (again.rate, again.concurrency) == (None, None)


def test_an_error_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "users.json"
    with editing(file) as users:
        users.append(ADA)
    with pytest.raises(RuntimeError), editing(file) as users:
        users.clear()
        raise RuntimeError
    with pytest.raises(AssertionError), editing(file) as users:
        users.append(replace(ADA, name="eve", keys=(StoredKey("b" * 64, 0.1234567),)))
    assert read_users(file) == (ADA,)
    assert {path.name for path in tmp_path.iterdir()} == {"users.json", ".users.json.lock"}
    file.write_text("{")
    with pytest.raises(UsersFault), editing(file):
        pass
    assert file.read_text() == "{"


def test_two_editors_lose_nothing(tmp_path: Path) -> None:
    file = tmp_path / "users.json"

    def add(number: int) -> None:
        with editing(file) as users:
            users.append(User(f"user{number}", frozenset(), ()))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_users(file)) == 20


def test_keys_end_at_the_latest() -> None:
    user = replace(
        ADA, keys=(StoredKey(H, None), StoredKey("b" * 64, 5.0), StoredKey("c" * 64, 50.0))
    )
    ending = with_keys_ending(user, 20.0, 10.0)
    assert ending.keys == (StoredKey(H, 20.0), StoredKey("c" * 64, 20.0))


@pytest.mark.parametrize("text", ["1/s", "10/m", "7/h", "100/d"])
def test_a_rate_is_written_as_it_is_read(text: str) -> None:
    assert str(Rate.parse(text)) == text
