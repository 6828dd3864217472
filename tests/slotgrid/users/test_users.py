"""The users of a node: keys that are valid, expire, change and end; rates."""

import json
from pathlib import Path
from typing import Any

import pytest

from slotgrid.core.deadlines import iso
from slotgrid.core.principal import Scope
from slotgrid.function import Rate
from slotgrid.users.rate_limit import RateLimit
from slotgrid.users.user import hash_of
from slotgrid.users.users import Users
from tests.slotgrid.core.fakes import ManualClock


def entry(name: str, *keys: str, expires_at: float | None = None, **more: Any) -> dict[str, Any]:
    ends = None if expires_at is None else iso(expires_at)
    return {
        "name": name,
        "scopes": ["read"],
        "keys": [{"hash": hash_of(key), "expires_at": ends} for key in keys],
        **more,
    }


def write(file: Path, *users: dict[str, Any]) -> None:
    new = file.with_suffix(".new")
    new.write_text(json.dumps({"users": users}))
    new.chmod(0o600)
    new.rename(file)


@pytest.fixture
def clock() -> ManualClock:
    clock = ManualClock()
    clock.now = 1_000_000.0
    return clock


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "users.json"


async def looked(file: Path, clock: ManualClock) -> Users:
    users = Users(file, auth_key="root-key", clock=clock)
    await users.look()
    return users


async def test_a_key_is_its_users(file: Path, clock: ManualClock) -> None:
    write(file, entry("ada", "one", "two"), entry("bob", "three", "root-key"))
    users = await looked(file, clock)
    for text, name in (("one", "ada"), ("two", "ada"), ("three", "bob"), ("root-key", "root")):
        key = users.key(text)
        assert key is not None
        assert key.principal.name == name
    assert users.key("four") is None
    ada = users.key("one")
    assert ada is not None
    assert ada.principal.scopes == {Scope.READ}
    assert (users.exists("ada"), users.exists("root"), users.exists("eve")) == (True, True, False)


async def test_without_a_file_there_is_root(tmp_path: Path, clock: ManualClock) -> None:
    for users in (Users(auth_key="root-key"), await looked(tmp_path / "none.json", clock)):
        assert users.key("root-key") is not None
        assert users.health() == {"in_file": 0, "file_fault": None}
        await users.look()
    assert Users().key("") is None


async def test_a_key_expires_and_tells_its_streams(file: Path, clock: ManualClock) -> None:
    write(file, entry("ada", "one", expires_at=clock.now + 10), entry("bob", "two", expires_at=1.0))
    users = await looked(file, clock)
    key = users.key("one")
    assert key is not None
    assert users.key("two") is None
    assert (users.has_expired("two"), users.has_expired("one"), users.has_expired("x")) == (
        True,
        False,
        False,
    )
    clock.now += 10
    assert users.key("one") is None
    assert users.has_expired("one")
    assert not key.ended.is_set()
    await users.look()
    assert key.ended.is_set()
    assert users.has_expired("one")
    listed = users.list()
    assert [one["name"] for one in listed] == ["root", "ada", "bob"]
    assert listed[1]["keys"] == [{"expires_at": iso(clock.now), "expired": True}]
    assert "hash" not in json.dumps(listed)


async def test_a_change_ends_the_keys_that_it_changes(file: Path, clock: ManualClock) -> None:
    changes = []
    write(file, entry("ada", "one"), entry("bob", "two"), entry("eve", "three", rate="5/s"))
    users = await looked(file, clock)
    users.changed = lambda: changes.append(1)
    ada, bob, eve = users.key("one"), users.key("two"), users.key("three")
    assert ada is not None
    assert bob is not None
    assert eve is not None
    write(
        file,
        entry("ada", "one", "new"),
        entry("bob", "two", scopes=["submit"]),
        entry("eve", "three", rate="5/s", concurrency=2),
    )
    await users.look()
    assert users.key("one") is ada
    assert users.key("new") is not None
    changed = users.key("two")
    assert changed is not None
    assert changed.principal.scopes == {Scope.SUBMIT}
    assert (ada.ended.is_set(), bob.ended.is_set()) == (False, True)
    assert users.key("three") is eve  # with the same bucket of its rate
    assert (users.share_of("eve"), users.has_share("eve"), users.has_share("ada")) == (
        2,
        True,
        False,
    )
    write(file, entry("eve", "three", rate="6/s"))
    await users.look()
    assert ada.ended.is_set()
    assert eve.ended.is_set()
    assert len(changes) == 2


async def test_a_bad_file_keeps_the_last_good_one(
    file: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    file.write_text("[")
    assert (await looked(file, clock)).exists("whoever")  # nobody was removed
    write(file, entry("ada", "one"))
    users = await looked(file, clock)
    assert not users.exists("whoever")
    file.write_text("{")
    await users.look()
    assert users.key("one") is not None
    assert "not JSON" in users.health()["file_fault"]
    write(file, entry("ada", "two"))
    await users.look()
    assert users.health() == {"in_file": 1, "file_fault": None}
    assert users.key("one") is None
    file.unlink()
    await users.look()
    assert not users.exists("ada")


async def test_a_file_that_others_can_read_is_said(
    file: Path, clock: ManualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    write(file, entry("ada", "one"))
    file.chmod(0o644)
    await looked(file, clock)
    assert "users.file_is_open_to_others" in capsys.readouterr().out


def test_a_rate_is_a_burst_and_then_even() -> None:
    clock = ManualClock()
    limit = RateLimit(Rate(3, 60.0), clock=clock)
    assert [limit.take() for _ in range(3)] == [0.0, 0.0, 0.0]
    assert limit.take() == pytest.approx(20.0)
    clock.now += 20
    assert limit.take() == 0.0
    assert limit.take() == pytest.approx(20.0)
    clock.now += 1000
    assert [limit.take() for _ in range(4)] == [0.0, 0.0, 0.0, pytest.approx(20.0)]


def test_a_high_rate_counts_exactly() -> None:
    limit = RateLimit(Rate(10_000, 1.0), clock=ManualClock())
    assert sum(limit.take() == 0.0 for _ in range(10_100)) == 10_000
