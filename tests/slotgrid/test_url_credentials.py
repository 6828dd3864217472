"""User name and password inside a URL."""

import pytest

from slotgrid.url_credentials import credential_texts, masked, split_credentials


@pytest.mark.parametrize(
    ("url", "bare", "credentials", "shown"),
    [
        ("https://a:b@x.org/", "https://x.org/", ("a", "b"), "https://a:*@x.org/"),
        ("HTTP://a:p%40%3a@x.org", "HTTP://x.org", ("a", "p@:"), "HTTP://a:*@x.org"),
        ("http://a:b@c@x.org", "http://x.org", ("a", "b@c"), "http://a:*@x.org"),
        ("http://a:b:c@x.org", "http://x.org", ("a", "b:c"), "http://a:*@x.org"),
        ("http://:b@[::1]:80/", "http://[::1]:80/", ("", "b"), "http://:*@[::1]:80/"),
        ("http://token@x.org", "http://x.org", ("token", ""), "http://*@x.org"),
        ("http://token:@x.org", "http://x.org", ("token", ""), "http://*@x.org"),
        (" http:///a:b@x.org", " http:///x.org", ("a", "b"), " http:///a:*@x.org"),
        ("socks5://a:b@x.org:1", "socks5://x.org:1", ("a", "b"), "socks5://a:*@x.org:1"),
        ("http://x.org/@a:b@", "http://x.org/@a:b@", None, "http://x.org/@a:b@"),
        ("http://x.org?a:b@c", "http://x.org?a:b@c", None, "http://x.org?a:b@c"),
        ("http://x.org\\a:b@c", "http://x.org\\a:b@c", None, "http://x.org\\a:b@c"),
        ("mailto:", "mailto:", None, "mailto:"),
        ("", "", None, ""),
    ],
)
def test_user_information_is_read_as_browsers_do(
    url: str, bare: str, credentials: tuple[str, str] | None, shown: str
) -> None:
    assert split_credentials(url) == (bare, credentials)
    assert masked(url, "*") == shown
    assert masked(shown, "*") == shown


def test_a_password_is_found_as_written_decoded_and_inside_its_url() -> None:
    assert [*credential_texts("http://a:%C3%A9@x.org")] == ["%C3%A9", "é", "//a:%C3%A9@"]
    assert [*credential_texts("http://token@x.org")] == ["token", "token", "//token@"]
    assert [*credential_texts("http://x.org")] == []
    assert [*credential_texts("http://:@x.org")] == []
