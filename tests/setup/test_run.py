"""The start of a worker from this folder."""

import errno
import os
import socket
import sys
from pathlib import Path

import pytest

from scripts import run
from scripts.progress import StepFailed


@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
)
def test_a_port_that_is_taken_is_said_with_who_has_it_and_what_to_do(
    family: socket.AddressFamily, host: str
) -> None:
    with socket.create_server((host, 0), family=family) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StepFailed) as failed:
            run.available(host, port)
    assert f"Port {port} is taken by " in str(failed.value)
    assert f"(process {os.getpid()})" in str(failed.value)
    assert f"PORT={port + 1} make run" in failed.value.remedy
    assert run.available(host, port) == port
    assert run.available(host, 0) != 0


def test_an_address_of_another_machine_is_told_from_a_port_that_is_taken() -> None:
    with pytest.raises(StepFailed) as failed:
        run.available("192.0.2.1", 3000)
    assert "192.0.2.1 port 3000 cannot be used" in str(failed.value)


def test_the_first_task_takes_the_key_from_where_the_worker_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "with space"
    monkeypatch.setattr(run, "ROOT", folder)
    monkeypatch.delenv("AUTH_KEY", raising=False)
    command = Path(sys.executable).with_name("slotgrid")
    assert f"$(cd '{folder}' && {command} key)" in run.welcome("http://127.0.0.1:3000")
    monkeypatch.setenv("AUTH_KEY", "from-the-shell")
    said = run.welcome("http://127.0.0.1:3000")
    assert "Authorization: $AUTH_KEY" in said
    assert "from-the-shell" not in said


@pytest.mark.parametrize("missing", ["example", "folder"])
def test_a_key_that_cannot_be_written_is_told_with_what_to_do(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env.example").write_text("AUTH_KEY=\n" if missing == "folder" else "SLOTS=1\n")
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setenv("AUTH_KEY", "")

    def full(*_: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("slotgrid.runtime.first_run.os.open", full)
    with pytest.raises(StepFailed, match=r"\.env cannot be written .+ set AUTH_KEY in the env"):
        run.read_settings()
