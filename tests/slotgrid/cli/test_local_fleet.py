"""What a fleet of this machine is made of, and which ports it refuses to start without."""

import json
import os
import socket
from pathlib import Path

import pytest

from slotgrid.cli.local_fleet import LocalFleet, NotReady
from slotgrid.cli.local_workers import WorkersFileFault, listed_workers
from slotgrid.runtime.settings import Settings
from tests.harness.ports import free_ports


def fleet(folder: Path, entries: object, *, count: int | None = None, port: int = 0) -> LocalFleet:
    """The fleet of a folder with these entries in its workers.json."""
    (folder / "workers.json").write_text(json.dumps(entries))
    return LocalFleet(Settings.from_env({"PORT": str(port)}), cwd=folder, count=count)


def test_each_loopback_entry_is_a_worker_on_its_port(tmp_path: Path) -> None:
    file = tmp_path / "workers.json"
    file.write_text(
        json.dumps(
            [
                "http://10.0.0.7:3000",
                "http://127.0.0.1:3000/",
                {"url": "http://localhost:3001", "key": "its-own", "weight": 2},
                "https://127.0.0.1:3002",
                "http://127.0.0.1:3003/behind/a/proxy",
                "ws://[::1]:3004",
                "http://127.0.0.2",
            ]
        )
    )
    workers = listed_workers(file)
    assert workers is not None
    assert [(one.name, one.host, one.port, one.key) for one in workers] == [
        ("worker-1", "127.0.0.1", 3000, None),
        ("worker-2", "localhost", 3001, "its-own"),
        ("worker-3", "::1", 3004, None),
        ("worker-4", "127.0.0.2", 80, None),
    ]
    assert workers[1].entry == "entry 3 of workers.json, http://localhost:3001"
    assert "its-own" not in repr(workers)


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    file = tmp_path / "workers.json"
    file.write_bytes(b'\xef\xbb\xbf["http://127.0.0.1:3000"]')
    workers = listed_workers(file)
    assert workers is not None
    assert len(workers) == 1


def test_a_file_that_cannot_be_used_is_named_with_its_faults(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match=r"workers\.json is not valid: entry 2: 'nowhere'") as bad:
        fleet(tmp_path, ["http://127.0.0.1:3000", "nowhere"])
    assert "--workers N" in bad.value.advice
    assert bad.value.status == 2
    (tmp_path / "folder").mkdir()
    with pytest.raises(WorkersFileFault, match="Is a directory"):
        listed_workers(tmp_path / "folder")


def test_without_a_file_two_workers_dial_the_balancer(tmp_path: Path) -> None:
    assert LocalFleet(Settings.from_env({"PORT": "0"}), cwd=tmp_path).workers == 2
    assert fleet(tmp_path, []).workers == 0
    assert fleet(tmp_path, ["nowhere"], count=3).workers == 3


def test_a_taken_port_names_the_entry_who_has_it_and_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, free_ports(1) as (free,):
        port = taken.getsockname()[1]
        entries = [f"http://127.0.0.1:{free}", f"http://127.0.0.1:{port}"]
        with pytest.raises(NotReady) as refused:
            fleet(tmp_path, entries).check_ports()
    said = str(refused.value)
    assert said.startswith(f"entry 2 of workers.json, {entries[1]}: Address already in use, by ")
    assert f"(process {os.getpid()})" in said
    assert "give the entry another port" in refused.value.advice
    assert refused.value.status == 2


def test_two_of_one_fleet_cannot_have_the_same_port(tmp_path: Path) -> None:
    with free_ports(2) as (one, other):
        twice = [f"http://127.0.0.1:{one}", f"http://localhost:{one}"]
        with pytest.raises(NotReady, match=r"entry 2 .+ in use, by entry 1 of workers\.json"):
            fleet(tmp_path, twice, port=other).check_ports()
        with pytest.raises(NotReady, match=r"entry 1 .+ in use, by the balancer of this fleet"):
            fleet(tmp_path, twice[:1], port=one).check_ports()
        fleet(tmp_path, twice[:1], port=other).check_ports()  # nothing is held afterwards
        fleet(tmp_path, twice[:1], port=other).check_ports()


def test_an_address_that_is_not_of_this_machine_is_told_from_a_taken_port(tmp_path: Path) -> None:
    settings = Settings.from_env(
        {"PORT": "0", "HOST": "nowhere.invalid", "AUTH_KEY": "k" * 3 + "Z8-q_Lm4" * 4}
    )
    with pytest.raises(
        NotReady, match=r"the balancer cannot listen on nowhere\.invalid: "
    ) as refused:
        LocalFleet(settings, cwd=tmp_path)
    assert refused.value.advice == "Correct HOST."
