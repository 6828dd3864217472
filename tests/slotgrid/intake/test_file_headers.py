"""Headers of files: text as UTF-8 in place, and nothing that a browser would run."""

import pytest

from slotgrid.intake.file_headers import file_headers


@pytest.mark.parametrize(
    ("kind", "sent", "place"),
    [
        ("text/plain", "text/plain; charset=utf-8", "inline"),
        ("text/csv", "text/csv; charset=utf-8", "inline"),
        ("text/markdown", "text/markdown; charset=utf-8", "inline"),
        ("text/html", "text/html", "attachment"),
        ("text/xml", "text/xml", "attachment"),
        ("application/json", "application/json", "inline"),
        ("image/png", "image/png", "inline"),
        ("image/svg+xml", "image/svg+xml", "attachment"),
        ("application/octet-stream", "application/octet-stream", "attachment"),
    ],
)
def test_a_type_says_how_it_is_shown(kind: str, sent: str, place: str) -> None:
    headers = file_headers("a file", kind)
    assert headers["Content-Type"] == sent
    assert headers["Content-Disposition"] == f'{place}; filename="a file"'
    assert headers["X-Content-Type-Options"] == "nosniff"
