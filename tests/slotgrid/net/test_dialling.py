"""When a node is dialled again, and what is logged of it."""

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from slotgrid.net import dialling
from slotgrid.net.dialling import DialFailed, keep_dialling


class Pauses:
    """A backoff without pauses, and the numbers of failures that it was asked for."""

    def __init__(self) -> None:
        self.failures: list[int] = []

    def pause_s(self, failures: int) -> float:
        self.failures.append(failures)
        return 0.0


async def dial_with(outcomes: Iterator[object], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The failures before each pause; the dialling ends with the outcome False."""
    pauses = Pauses()
    monkeypatch.setattr(dialling, "REDIAL", pauses)

    async def link() -> bool:
        outcome = next(outcomes)
        monkeypatch.setattr(dialling, "STABLE_S", -1.0 if outcome == "held" else 60.0)
        if isinstance(outcome, Exception):
            raise outcome
        return bool(outcome)

    await keep_dialling(link, kind="link", url="there")
    return pauses.failures


async def test_the_backoff_begins_again_after_a_connection_that_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused = DialFailed("refused")
    outcomes: list[object] = [refused, True, "held", RuntimeError("defect"), refused, False]
    assert await dial_with(iter(outcomes), monkeypatch) == [1, 2, 1, 2]


async def test_an_error_is_logged_once_until_it_changes_or_a_connection_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused, other = DialFailed("refused"), DialFailed("answered 401")
    outcomes: list[object] = [refused, refused, other, True, other, RuntimeError(""), False]
    with capture_logs() as lines:
        await dial_with(iter(outcomes), monkeypatch)
    assert [(line["event"], line["url"], line.get("reason")) for line in lines] == [
        ("link.unreachable", "there", "refused"),
        ("link.unreachable", "there", "answered 401"),
        ("link.unreachable", "there", "answered 401"),
        ("link.defect", "there", None),
    ]
