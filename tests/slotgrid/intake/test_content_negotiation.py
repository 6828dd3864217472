"""Which form a caller gets."""

import pytest

from slotgrid.intake.content_negotiation import preferred

OFFERS = ("text/event-stream", "application/x-ndjson", "text/plain")
SSE, NDJSON, PLAIN = OFFERS


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", SSE),
        ("*/*", SSE),
        ("application/json", SSE),
        ("text/plain", PLAIN),
        ("TEXT/PLAIN; charset=utf-8", PLAIN),
        ("application/x-ndjson", NDJSON),
        ("application/*", NDJSON),
        ("text/*", SSE),
        ("text/plain, text/event-stream", SSE),
        ("text/plain, text/event-stream;q=0.5", PLAIN),
        ("text/*;q=0.1, text/plain", PLAIN),
        ("*/*, text/event-stream;q=0", NDJSON),
        ("text/plain;q=nonsense", SSE),
        ("application/json, text/plain, */*", SSE),  # what axios sends unless told otherwise
        (",;,", SSE),
    ],
)
def test_the_highest_rank_wins_and_the_first_of_equals(accept: str, form: str) -> None:
    assert preferred(accept, OFFERS) == form
