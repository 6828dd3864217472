"""Which addresses are one page, and which are one site."""

import pytest

from functions._urls import key_of, origin_of, page_of, site_of


@pytest.mark.parametrize(
    "other",
    [
        "http://example.org/",
        "https://www.example.org/",
        "http://www.example.org/a?b=1",
        "http://example.org./",
        "https://user:password@example.org/",
    ],
)
def test_one_site_in_other_words(other: str) -> None:
    assert site_of(other) == site_of("https://example.org/")


@pytest.mark.parametrize(
    "other",
    [
        "https://example.com/",
        "https://shop.example.org/",
        "https://www.shop.example.org/",
        "https://example.org:8443/",
        "http://example.org:443/",
        "https://xn--exmple-cua.org/",
    ],
)
def test_another_site(other: str) -> None:
    assert site_of(other) != site_of("https://example.org/")


def test_a_name_of_one_part_keeps_its_www_and_addresses_their_port() -> None:
    assert site_of("http://www.com/") != site_of("http://com/")
    assert site_of("http://[::1]:8080/x") == site_of("http://[::1]:8080/y")
    assert site_of("http://[::1]:8080/x") != site_of("http://[::1]/x")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://example.org/a", "https://www.example.org/a"),
        ("http://example.org/%7eada", "http://example.org/~ada"),
        ("http://example.org/%c3%bc?q=%c3%bc", "http://example.org/%C3%BC?q=%C3%BC"),
        ("http://example.org/a?", "http://example.org/a"),
    ],
)
def test_two_spellings_of_one_page(one: str, other: str) -> None:
    assert key_of(one) == key_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://example.org/a", "http://example.org/A"),
        ("http://example.org/a", "http://example.org/a/"),
        ("http://example.org/a%2Fb", "http://example.org/a/b"),
        ("http://example.org/?a=1&b=2", "http://example.org/?b=2&a=1"),
        ("http://example.org/#/a", "http://example.org/#/b"),
        ("http://example.org:81/", "http://example.org/"),
    ],
)
def test_two_pages(one: str, other: str) -> None:
    assert key_of(one) != key_of(other)


def test_a_fragment_is_an_address_only_as_a_route() -> None:
    assert page_of("http://example.org/a#part") == "http://example.org/a"
    assert page_of("http://example.org/a#part", routes=True) == "http://example.org/a"
    for route in ("http://example.org/a#/b", "http://example.org/a#!b"):
        assert page_of(route) == "http://example.org/a"
        assert page_of(route, routes=True) == route


def test_an_origin_has_no_user_information() -> None:
    assert origin_of("https://ada:secret@example.org:81/a?b") == "https://example.org:81/"
