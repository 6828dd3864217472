"""What a worker says when it cannot start, and that it then leaves nothing behind."""

import socket

import pytest

from tests.harness.processes.home import Home
from tests.harness.processes.worker import running_worker


@pytest.mark.parametrize(
    ("host", "key", "why"),
    [
        ("0.0.0.0", "", "is empty"),
        ("::", "hunter2", "is short"),
        ("worker.example", "change-me-change-me", "looks like a default"),
    ],
)
def test_a_public_address_with_a_weak_key_is_refused_with_the_reason(
    home: Home, host: str, key: str, why: str
) -> None:
    refused = home.python("-m", "worker", HOST=host, AUTH_KEY=key)
    assert refused.wait() == 2
    assert f"HOST={host} can be reached from other machines and the key {why}" in refused.said
    assert "secrets.token_urlsafe" in refused.said
    if key:
        assert key not in refused.said
    home.assert_nothing_left()


def test_every_fault_of_the_settings_is_told_at_once(home: Home) -> None:
    refused = home.python("-m", "worker", SLOTS="many", DRAIN_S="-1", AUTH_KEY="two words")
    assert refused.wait() == 2
    assert [line.split(":")[1].strip() for line in refused.lines] == [
        "AUTH_KEY",
        "SLOTS",
        "DRAIN_S",
    ]
    assert "two words" not in refused.said


def test_a_taken_port_is_told_and_nothing_is_left(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = home.python("-m", "worker", PORT=str(port))
        assert refused.wait() == 2
    assert f"cannot listen on 127.0.0.1:{port}" in refused.said
    assert "Traceback" not in refused.said
    home.assert_nothing_left()


def test_arguments_that_mean_nothing_are_refused(home: Home) -> None:
    refused = home.python("-m", "worker", "--port", "3000")
    assert refused.wait() == 2
    assert "there is only --check" in refused.said


def test_a_data_folder_in_use_is_refused_and_its_worker_goes_on(home: Home) -> None:
    with running_worker(home) as worker:
        refused = home.python("-m", "worker", PORT="0")
        assert refused.wait() == 2
        assert "is used by another node" in refused.said
        assert "DATA_DIR" in refused.said
        assert worker.get("/health")["status"] == "ready"
