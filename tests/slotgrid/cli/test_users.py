"""`slotgrid users`: what it writes, prints and refuses."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from slotgrid.cli.main import cli
from slotgrid.core.principal import Scope
from slotgrid.users.edit import read_users
from slotgrid.users.user import User, hash_of

Words = Callable[..., Result]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "users.json"


@pytest.fixture
def users(file: Path) -> Words:
    def run(*words: str) -> Result:
        env = {"COLUMNS": "200", "USERS_FILE": str(file)}
        return CliRunner().invoke(cli, ["users", *words], env=env)

    return run


def user_of(file: Path, name: str) -> User:
    return next(user for user in read_users(file) if user.name == name)


def test_a_user_is_added_listed_changed_and_removed(users: Words, file: Path) -> None:
    ran = users("add", "ann", "--expires", "30d", "--rate", "100/m", "--concurrency", "3")
    assert ran.exit_code == 0, ran.output
    ann = user_of(file, "ann")
    assert [key.hash for key in ann.keys] == [hash_of(ran.stdout.strip())]
    assert "shown once" in ran.stderr
    assert ann.scopes == {Scope.READ, Scope.SUBMIT}
    assert ann.keys[0].expires_at == pytest.approx(time.time() + 30 * 86400, abs=60)
    users("add", "bob", "--scope", "read", "--expires", "2030-01-31T08:00:00Z")
    listed = json.loads(users("list", "--json").stdout)
    assert [(one["name"], one["scopes"], one["rate"], one["concurrency"]) for one in listed] == [
        ("ann", ["read", "submit"], "100/m", 3),
        ("bob", ["read"], None, None),
    ]
    assert listed[1]["keys"] == [{"expires_at": "2030-01-31T08:00:00.000Z", "expired": False}]
    assert hash_of(ran.stdout.strip()) not in users("list", "--json").stdout
    table = users("list").stdout
    assert "until 2030-01-31T08:00:00.000Z" in table
    assert users("change", "ann", "--scope", "operate", "--rate", "none").exit_code == 0
    ann = user_of(file, "ann")
    assert ann.scopes == {Scope.OPERATE}
    assert (ann.rate, ann.concurrency) == (None, 3)
    assert users("change", "ann", "--concurrency", "none").exit_code == 0
    assert user_of(file, "ann").concurrency is None
    assert users("remove", "ann", "bob").exit_code == 0
    assert read_users(file) == ()
    assert "has no users" in users("list").stdout


def test_a_key_is_rotated_with_and_without_grace(users: Words, file: Path) -> None:
    first = users("add", "ann").stdout.strip()
    second = users("rotate", "ann", "--grace", "24h").stdout.strip()
    old, new = user_of(file, "ann").keys
    assert (old.hash, new.hash) == (hash_of(first), hash_of(second))
    assert old.expires_at == pytest.approx(time.time() + 86400, abs=60)
    assert new.expires_at is None
    third = users("rotate", "ann", "--expires", "90m").stdout.strip()
    (only,) = user_of(file, "ann").keys
    assert only.hash == hash_of(third)
    for _ in range(19):
        assert users("rotate", "ann", "--grace", "1h").exit_code == 0
    assert "has 20 keys" in users("rotate", "ann", "--grace", "1h").stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "root"), "Slotgrid itself"),
        (("add", "a b"), "is no name of a user"),
        (("add", "ann"), "There is a user ann already"),
        (("add", "x", "--rate", "fast"), "10/m"),
        (("add", "x", "--concurrency", "0"), "number of at least 1"),
        (("add", "x", "--expires", "soon"), "neither a duration such as 30d nor a time"),
        (("rotate", "ann", "--grace", "long"), "no duration such as"),
        (("rotate", "eve"), "There is no user eve"),
        (("change", "eve"), "There is no user eve"),
        (("remove", "eve"), "has ann"),
    ],
)
def test_bad_words_are_told_and_change_nothing(
    users: Words, file: Path, words: tuple[str, ...], said: str
) -> None:
    users("add", "ann")
    before = file.read_bytes()
    ran = users(*words)
    assert ran.exit_code == 2
    assert said in ran.stderr
    assert file.read_bytes() == before


def test_a_file_that_cannot_be_used_is_told(users: Words, file: Path) -> None:
    file.write_text("{")
    for words in (("list",), ("add", "ann"), ("remove", "ann")):
        ran = users(*words)
        assert (ran.exit_code, "not JSON" in ran.stderr) == (2, True)
    file.unlink()
    file.mkdir()
    assert users("list").exit_code == 2
    ran = users("add", "ann", "--file", str(file / "no" / "x.json"))
    assert (ran.exit_code, "cannot be used" in ran.stderr) == (2, True)
