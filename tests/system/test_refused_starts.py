"""A start that cannot be: one line that names what is at fault and what to do, and status 2."""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.environment import KEY
from tests.harness.processes.home import ROOT, Home
from tests.harness.processes.process import PATIENCE_S
from tests.system.unprivileged import taken_away, without_privileges

WORKER = ("-m", "worker")
UP = ("-m", "slotgrid.cli", "up", "--workers", "1")
pytestmark = pytest.mark.timeout(300)


def start(home: Home, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Start something here without root's rights, to its end."""
    given = {name: value for name, value in home.env.items() if name != "AUTH_KEY"}
    return subprocess.run(
        [*without_privileges(), sys.executable, *command],
        cwd=home.root,
        env={**given, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S * 2,
        check=False,
    )


def assert_refused(ran: subprocess.CompletedProcess[str], *said: str) -> None:
    """It ended with 2, said why and what to do, and showed no traceback."""
    shown = " ".join(ran.stderr.split())
    assert ran.returncode == 2, shown
    assert "Traceback" not in shown
    for words in said:
        assert words in shown
    if "✗" not in shown:  # a node's own words, for a journal: one line
        assert len(ran.stderr.splitlines()) == 1


def unreadable_env(home: Home) -> None:
    file = home.root / ".env"
    file.write_text(f"AUTH_KEY={KEY}\n")
    taken_away(file, 0o600)


def env_with_another_encoding(home: Home) -> None:
    (home.root / ".env").write_bytes(b"AUTH_KEY=k\nGROUP=\xe9t\xe9\n")


def env_that_is_a_folder(home: Home) -> None:
    (home.root / ".env").mkdir()


def folder_of_somebody_else(home: Home) -> None:
    (home.root / ".env.example").write_bytes((ROOT / ".env.example").read_bytes())
    taken_away(home.root, 0o755)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (unreadable_env, (".env cannot be read: Permission denied", "that this user may read")),
        (env_with_another_encoding, (".env, line 2: a byte that is not UTF-8", "save the file as")),
        (env_that_is_a_folder, (".env cannot be read: Is a directory", "remove it")),
        (
            folder_of_somebody_else,
            ("AUTH_KEY: it is not set", ".env cannot be written", "set AUTH_KEY in the environ"),
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_settings_that_cannot_be_read_are_told_in_one_line(
    home: Home, spoil: Callable[[Home], None], said: tuple[str, ...]
) -> None:
    spoil(home)
    assert_refused(start(home, "-m", "balancer"), *said)


@pytest.mark.parametrize("command", [WORKER, UP], ids=" ".join)
def test_every_way_to_start_tells_it(home: Home, command: tuple[str, ...]) -> None:
    unreadable_env(home)
    assert_refused(start(home, *command), ".env cannot be read: Permission denied")


def test_a_key_of_a_file_that_cannot_be_read_is_told_by_the_command_line_too(home: Home) -> None:
    unreadable_env(home)
    assert_refused(start(home, "-m", "slotgrid.cli", "key"), ".env cannot be read")
    checked = start(home, "-m", "slotgrid.cli", "check")
    assert checked.returncode == 1
    assert "✗ settings" in checked.stdout
    assert ".env cannot be read: Permission denied" in " ".join(checked.stdout.split())


def test_a_folder_that_cannot_be_written_does_not_matter_when_nothing_is_missing(
    home: Home,
) -> None:
    home.data.mkdir()
    folder_of_somebody_else(home)
    prefix = without_privileges()
    wrapped = ("-c", "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])", *prefix)
    node = home.python(*wrapped, sys.executable, "-m", "balancer")
    node.until_event("balancer.listening")
    assert not (home.root / ".env").exists()
    node.send(signal.SIGTERM)
    assert node.wait() == 0, node.said


def test_a_data_folder_that_cannot_be_used_is_not_taken_for_a_port(
    home: Home, tmp_path: Path
) -> None:
    command = ("-m", "balancer")
    closed = tmp_path / "closed"
    closed.mkdir()
    taken_away(closed, 0o755)
    refused = start(home, *command, AUTH_KEY=KEY, DATA_DIR=str(closed / "data"))
    assert_refused(refused, f"the data folder {closed}/data cannot be used: Permission", "DATA_DIR")


def test_an_address_that_cannot_be_had_is_told_with_what_to_do(home: Home) -> None:
    strong = {"AUTH_KEY": "pL8x-Qm2v_Zt7RwYb3Nc", "HOST": "192.0.2.1"}
    refused = start(home, "-m", "balancer", **strong)
    assert_refused(refused, "cannot listen on 192.0.2.1:0: ", "set another HOST or PORT")
    refused = start(home, *UP, **strong)
    assert_refused(refused, "the balancer cannot listen on 192.0.2.1", "Correct HOST.")


def test_every_ipv6_address_is_every_ipv4_address_as_well(home: Home) -> None:
    balancer = home.python("-m", "balancer", HOST="::", AUTH_KEY="pL8x-Qm2v_Zt7RwYb3Nc")
    port = balancer.until_event("balancer.listening")["port"]
    for host in ("127.0.0.1", "::1"):
        with socket.create_connection((host, port)) as connection:
            connection.sendall(
                b"POST /off HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
                b"Authorization: pL8x-Qm2v_Zt7RwYb3Nc\r\n\r\n"
            )
            assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
    balancer.send(signal.SIGTERM)
    assert balancer.wait() == 0, balancer.said
    # The address of a caller is its own, not one that is mapped into IPv6.
    assert [line["address"] for line in balancer.events("audit.off")] == ["127.0.0.1", "::1"]


def test_a_port_that_only_ipv4_lacks_is_taken_for_every_address(home: Home) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        refused = start(
            home, "-m", "balancer", HOST="::", PORT=str(port), AUTH_KEY="pL8x-Qm2v_Zt7RwYb3Nc"
        )
    assert_refused(refused, f"cannot listen on [::]:{port}: Address already in use")
