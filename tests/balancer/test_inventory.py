"""`workers.json`: what is read, what is refused, and what is kept."""

import asyncio
import errno
import json
from pathlib import Path

import pytest
import structlog

from balancer.fleet.inventory import Inventory
from slotgrid.runtime.workers_file import InventoryFault, Listed, parse_inventory

ONE = Listed(url="http://127.0.0.1:3000")


def test_an_entry_is_a_url_or_an_object() -> None:
    given = [
        "http://127.0.0.1:3000/",
        {"url": "wss://far.example/slots", "key": "k-1", "weight": 2, "labels": {"zone": "eu"}},
    ]
    first, second = parse_inventory(json.dumps(given).encode())
    assert first == ONE
    assert second.url == "https://far.example/slots"
    assert (second.key, second.weight, second.labels) == ("k-1", 2.0, (("zone", "eu"),))
    assert "k-1" not in repr(second)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("[", "not JSON"),
        ("{}", "expected a list"),
        ("[1]", "entry 1: expected a URL"),
        ('["127.0.0.1:3000"]', "is not of the form"),
        ('["http://a:b"]', "entry 1"),
        ('["http://["]', "entry 1"),
        ('["http://u:pass-word@a"]', "the URL is not of the form"),
        ('[{"weight": 1}]', "`url` is missing"),
        ('[{"url": "http://a", "heft": 1}]', "unknown: heft"),
        ('[{"url": "http://a", "weight": 0}]', "`weight` must be above 0"),
        ('[{"url": "http://a", "weight": true}]', "`weight` must be a number"),
        ('[{"url": "http://a", "key": "a b"}]', "`key` must be"),
        ('[{"url": "http://a", "labels": {"a": 1}}]', "`labels` must be"),
        ('["http://a", "http://a/"]', "entry 2: http://a is listed twice"),
    ],
)
def test_a_bad_file_is_told_in_words(content: str, fault: str) -> None:
    with pytest.raises(InventoryFault, match=fault) as raised:
        parse_inventory(content.encode())
    assert "pass-word" not in str(raised.value)


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(InventoryFault) as raised:
        parse_inventory(b'["nowhere", "http://a", 3]')
    assert len(raised.value.faults) == 2


def test_a_file_that_cannot_be_read_is_read_as_soon_as_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "workers.json"
    file.write_text('["http://127.0.0.1:3000"]')

    def refusing(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("slotgrid.runtime.last_good_file.read_regular_file", refusing)
    inventory = Inventory(file)
    with structlog.testing.capture_logs() as logs:
        assert not inventory.look()
        assert not inventory.look()
        assert "Permission denied" in str(inventory.fault)
        monkeypatch.undo()  # as `chmod` does: no other time or size
        assert inventory.look()
    assert (inventory.entries, inventory.fault) == ((ONE,), None)
    events = [line["event"] for line in logs]
    assert events.count("inventory.kept_the_last_good_list") == 1
    assert events.count("inventory.file_is_good_again") == 1


def test_a_missing_file_is_an_empty_list(tmp_path: Path) -> None:
    inventory = Inventory(tmp_path / "nowhere" / "workers.json")
    assert not inventory.look()
    assert (inventory.entries, inventory.fault) == ((), None)


def test_a_bad_file_keeps_the_last_good_list_and_says_so(tmp_path: Path) -> None:
    file = tmp_path / "workers.json"
    inventory = Inventory(file)
    file.write_text('["http://127.0.0.1:3000"]')
    assert inventory.look()
    file.write_text('["http://127.0.0.1:3000", ')
    assert not inventory.look()
    assert inventory.entries == (ONE,)
    assert "not JSON" in str(inventory.fault)
    file.write_text('["http://127.0.0.1:3000"] ')
    assert not inventory.look()  # the same list as before the accident
    assert inventory.fault is None


def test_a_file_that_cannot_be_read_keeps_the_list(tmp_path: Path) -> None:
    file = tmp_path / "workers.json"
    inventory = Inventory(file)
    file.write_text('["http://127.0.0.1:3000"]')
    inventory.look()
    file.unlink()
    file.mkdir()  # what a mount leaves that did not come; root, too, cannot read it
    assert not inventory.look()
    assert inventory.entries == (ONE,)
    assert str(file) in str(inventory.fault)


async def test_a_change_is_seen_also_through_a_link_that_leads_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[]")
    (tmp_path / "b.json").write_text('["http://127.0.0.1:3000"]')
    file = tmp_path / "workers.json"
    file.symlink_to("a.json")
    inventory = Inventory(file)
    inventory.look()
    changed = asyncio.Event()
    async with inventory.watching(changed.set):
        (tmp_path / "new").symlink_to("b.json")
        (tmp_path / "new").rename(file)
        async with asyncio.timeout(30):
            await changed.wait()
    assert inventory.entries == (ONE,)
