import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotgrid.core.errors import InvalidSubmission, Violation
from slotgrid.core.webhook_rules import checked_headers, header_faults, merged_headers, signing_key

REFUSED = [
    *("Connection", "Keep-Alive", "Trailer", "Transfer-Encoding", "Upgrade"),
    "TE",  # codespell:ignore te
    *("Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "HTTP2-Settings"),
    *("Host", "Content-Length", "Content-Encoding", "Expect"),
    *("Webhook-Id", "webhook-timestamp", "WEBHOOK-SIGNATURE", "webhook-anything"),
]


def only_fault(name: str, value: str = "x") -> str:
    (fault,) = header_faults([(name, value)])
    return fault.message


def test_headers_that_a_receiver_may_want_pass_unchanged() -> None:
    headers = [
        ("Authorization", "Bearer a.b-c"),
        ("X-Empty", ""),
        ("Content-Type", "application/cloudevents+json; charset=utf-8"),
        ("X-Two\u0021", "two words\tand a tab"),
    ]
    assert header_faults(headers) == []
    assert checked_headers(headers) == headers


@pytest.mark.parametrize("name", REFUSED)
def test_headers_of_the_connection_and_of_the_signature_are_refused(name: str) -> None:
    assert "is set by the signature" in only_fault(name) or "connection" in only_fault(name)
    assert header_faults([(name.swapcase(), "x")])


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nHost", "é", "a\x00", "(a)"])
def test_what_is_no_name_of_a_header_is_refused(name: str) -> None:
    assert only_fault(name) == "is not the name of a header"


@pytest.mark.parametrize("value", [" a", "a ", "a\r\nHost: b", "a\nb", "a\x00", "é", "\x7f", "\t"])
def test_a_value_that_could_begin_another_header_or_be_misread_is_refused(value: str) -> None:
    assert only_fault("x-a", value).startswith("expected printable ASCII")


@given(st.text(max_size=20), st.text(max_size=40))
def test_no_header_that_passes_can_break_a_line(name: str, value: str) -> None:
    if not header_faults([(name, value)]):
        line = f"{name}: {value}"
        assert line.isascii()
        assert line.splitlines() == [line]
        assert name
        assert ":" not in name


def test_a_header_given_twice_is_refused_whatever_its_case() -> None:
    faults = header_faults([("X-A", "1"), ("x-a", "2")])
    assert faults == [Violation("/x-a", "is given twice")]


def test_too_many_and_too_large_headers_are_refused() -> None:
    many = header_faults([(f"x-{n}", "") for n in range(51)])
    assert many == [Violation("", "expected at most 50, got 51")]
    large = header_faults([("x-a", "b" * 8190)])
    assert large == [Violation("", "expected at most 8192 bytes, got 8193")]
    assert header_faults([("x-a", "b" * 8189)]) == []


def test_every_fault_is_told_at_once_and_pointed_at() -> None:
    headers = [("Host", "a"), ("X-Ok", "b"), ("x/y ", "c")]
    with pytest.raises(InvalidSubmission) as caught:
        checked_headers(headers)
    assert [fault.pointer for fault in caught.value.errors] == [
        "/webhook/headers/Host",
        "/webhook/headers/x~1y ",
    ]


def test_later_headers_override_earlier_ones_in_any_case() -> None:
    merged = merged_headers(
        [("Content-Type", "a"), ("X-Node", "b")], [("content-type", "c"), ("X-Own", "d")]
    )
    assert merged == {"content-type": "c", "X-Node": "b", "X-Own": "d"}


@given(st.binary(min_size=1, max_size=64))
def test_a_prefixed_secret_is_base64_with_or_without_padding(key: bytes) -> None:
    coded = base64.b64encode(key).decode()
    assert signing_key(f"whsec_{coded}") == key
    assert signing_key(f"whsec_{coded.rstrip('=')}") == key


def test_any_other_secret_counts_as_it_stands() -> None:
    assert signing_key("password") == b"password"
    assert signing_key("schlüssel") == "schlüssel".encode()


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_a", "whsec_!!!!", "whsec_ab-_"])
def test_a_secret_that_gives_no_key_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        signing_key(secret)


@pytest.mark.parametrize("secret", ["whsec_hunter*2", "hunter2" * 100])
def test_a_refused_secret_is_not_shown(secret: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        signing_key(secret)
    assert "hunter" not in str(caught.value)
