"""How a request shows its key."""

import pytest
from aiohttp.test_utils import make_mocked_request

from slotgrid.intake.auth import key_text
from slotgrid.users.users import Users


@pytest.mark.parametrize(
    ("header", "key", "fits"),
    [
        ("Bearer secret", "secret", True),
        ("bearer  secret ", "secret", True),
        ("secret", "secret", True),
        ("Bearer wrong", "secret", False),
        ("Bearer ", "", False),
        ("", "", False),
        (None, "secret", False),
    ],
)
def test_a_key_is_shown_raw_or_as_a_bearer(header: str | None, key: str, fits: bool) -> None:
    headers = {} if header is None else {"Authorization": header}
    text = key_text(make_mocked_request("GET", "/", headers=headers))
    assert (text is not None and Users(auth_key=key).key(text) is not None) is fits


def test_bytes_that_are_no_text_are_a_wrong_key() -> None:
    assert Users(auth_key="secret").key("s\udce9cret") is None


def test_a_web_socket_may_show_it_as_a_subprotocol() -> None:
    offered = {"Sec-WebSocket-Protocol": "slotgrid.v1, slotgrid.key.sg_abc"}
    assert key_text(make_mocked_request("GET", "/", headers=offered)) == "sg_abc"
    assert key_text(make_mocked_request("GET", "/", headers={"x-lb-auth": "old"})) == "old"
    both = {**offered, "Authorization": "Bearer first"}
    assert key_text(make_mocked_request("GET", "/", headers=both)) == "first"
