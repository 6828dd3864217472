"""The receiver that the page on durable work shows knows a genuine webhook from any other."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.docs.pages import DOCS, blocks

PAGE = DOCS / "durability.md"
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
BODY = b'{"type":"task.completed"}'


@pytest.fixture
def is_genuine() -> Callable[[dict[str, str], bytes, str], bool]:
    """The function of the page."""
    (example,) = (block for block in blocks(PAGE) if block.language == "python")
    names: dict[str, Any] = {}
    exec(compile(example.text, str(PAGE), "exec"), names)  # it is our own page
    found: Callable[[dict[str, str], bytes, str], bool] = names["is_genuine"]
    return found


def _signed(at: datetime) -> dict[str, str]:
    return {
        "webhook-id": "an-id",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("an-id", at, BODY.decode()),
    }


def test_the_receiver_of_the_page_takes_what_the_library_signed(
    is_genuine: Callable[[dict[str, str], bytes, str], bool],
) -> None:
    now = datetime.now(UTC)
    headers = _signed(now)
    assert is_genuine(headers, BODY, SECRET)
    assert is_genuine(
        headers | {"webhook-signature": f"v1,no {headers['webhook-signature']}"}, BODY, SECRET
    )
    assert not is_genuine(headers, BODY + b" ", SECRET)
    assert not is_genuine(headers | {"webhook-id": "another"}, BODY, SECRET)
    assert not is_genuine(_signed(now - timedelta(minutes=10)), BODY, SECRET)
