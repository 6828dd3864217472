import pytest

from slotgrid.intake.auth import Keys


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
        ("Bearer s\udce9cret", "secret", False),
    ],
)
def test_a_key_is_shown_raw_or_as_a_bearer(header: str | None, key: str, fits: bool) -> None:
    assert (Keys(key).principal(header) is not None) is fits
