"""One spelling an address, and what is visited next."""

import pytest

from functions._frontier import Frontier
from functions._robots import Robots
from functions._urls import host_of, normalise


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("HTTP://Example.ORG", "http://example.org/"),
        ("http://example.org:80/a#part", "http://example.org/a"),
        ("https://example.org:443/", "https://example.org/"),
        ("https://example.org:80/", "https://example.org:80/"),
        ("http://example.org/?b=1&a=2", "http://example.org/?b=1&a=2"),
        ("http://example.org/a?", "http://example.org/a"),
        ("http://[::1]:8080/x", "http://[::1]:8080/x"),
        (" http://example.org/a ", "http://example.org/a"),
        ("mailto:a@example.org", None),
        ("javascript:void 0", None),
        ("http://", None),
        ("http://example.org:port/", None),
        ("http://[::1/", None),
    ],
)
def test_an_address_has_one_spelling(url: str, normal: str | None) -> None:
    assert normalise(url) == normal


def test_the_host_of_an_address_includes_its_port() -> None:
    assert host_of("http://example.org:81/a") == "example.org:81"


HERE = "http://example.org/"


def test_the_nearest_address_comes_first_and_each_once() -> None:
    frontier = Frontier(HERE, max_depth=2, match="*", robots=Robots())
    assert frontier.take() == (HERE, 0)
    frontier.arrived(HERE, 0, ["/a", "b#x", "/a", HERE, "http://elsewhere.org/", "mailto:x@y"])
    assert frontier.take() == (f"{HERE}a", 1)
    frontier.arrived(f"{HERE}a", 1, ["/c"])
    assert frontier.take() == (f"{HERE}b", 1)
    assert frontier.take() == (f"{HERE}c", 2)
    frontier.arrived(f"{HERE}c", 2, ["/too-deep"])
    assert frontier.take() is None
    assert (frontier.found, frontier.waiting) == (4, 0)


def test_where_a_redirect_led_is_not_visited_again() -> None:
    frontier = Frontier(HERE, max_depth=2, match="*", robots=Robots())
    frontier.take()
    frontier.arrived(HERE, 0, ["/old", "/new"])
    assert frontier.take() == (f"{HERE}old", 1)
    frontier.arrived(f"{HERE}new", 1, [])
    assert frontier.take() is None


def test_patterns_and_robots_narrow_what_is_visited() -> None:
    robots = Robots.parse("User-agent: *\nDisallow: /docs/private", agent="Slotgrid")
    frontier = Frontier(HERE, max_depth=2, match="*/docs/*", robots=robots)
    frontier.take()
    frontier.arrived(HERE, 0, ["/docs/a", "/blog", "/docs/private"])
    assert frontier.take() == (f"{HERE}docs/a", 1)
    assert frontier.take() is None
    assert frontier.refused_by_robots == 1
