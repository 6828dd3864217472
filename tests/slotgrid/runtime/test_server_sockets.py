"""The sockets that a node listens on."""

import socket

import pytest

from slotgrid.runtime.server_sockets import bind
from slotgrid.runtime.start_fault import StartFault


def test_every_ipv6_address_means_every_ipv4_address_too() -> None:
    sockets = bind("::", 0)
    try:
        assert [one.getsockname()[0] for one in sockets] == ["::", "0.0.0.0"]
        (port,) = {one.getsockname()[1] for one in sockets}
        for one in sockets:
            one.listen()
        for host in ("127.0.0.1", "::1"):
            with socket.create_connection((host, port)):
                pass
        for one, host in zip(sockets, ("::1", "127.0.0.1"), strict=True):
            connection, caller = one.accept()
            connection.close()
            assert caller[0] == host  # its own address, not one that is mapped into IPv6
    finally:
        for one in sockets:
            one.close()


def test_another_free_port_is_tried_where_the_first_is_taken_on_one_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port: int = taken.getsockname()[1]
        given: list[int] = []

        class Chosen(socket.socket):
            """The kernel happens to choose that port first."""

            def bind(self, address: tuple[str, int]) -> None:  # type: ignore[override]
                host, asked = address
                if asked == 0 and not given:
                    asked = port
                given.append(asked)
                super().bind((host, asked))

        monkeypatch.setattr("slotgrid.runtime.server_sockets.socket.socket", Chosen)
        sockets = bind("::", 0)
    assert given[:3] == [port, port, 0]
    assert {one.getsockname()[1] for one in sockets} != {port}
    for one in sockets:
        one.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "0.0.0.0"])
def test_all_addresses_of_a_host_share_one_port(host: str) -> None:
    sockets = bind(host, 0)
    assert len({one.getsockname()[1] for one in sockets}) == 1
    for one in sockets:
        one.close()


@pytest.mark.parametrize(
    ("host", "taken_at"), [("127.0.0.1", "127.0.0.1"), ("::", "0.0.0.0"), ("0.0.0.0", "127.0.0.1")]
)
def test_a_port_on_which_another_listens_is_refused_and_nothing_is_held(
    host: str, taken_at: str
) -> None:
    with socket.create_server((taken_at, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            StartFault, match=rf"{port}: Address already in use; stop the process that listens"
        ):
            bind(host, port)
    for one in bind(host, port):
        one.close()


def test_a_host_without_an_address_here_is_told() -> None:
    with pytest.raises(
        StartFault, match=r"192\.0\.2\.1:0: Cannot assign requested address; .+HOST"
    ):
        bind("192.0.2.1", 0)
    with pytest.raises(StartFault, match=r"cannot listen on nowhere\.invalid:0: "):
        bind("nowhere.invalid", 0)
