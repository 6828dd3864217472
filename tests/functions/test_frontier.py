"""What is visited next: the nearest first, each once, and of one site."""

import pytest

from functions import _frontier
from functions._frontier import Frontier

HERE = "http://example.org/"


def started(start: str = HERE, *, max_depth: int = 2, match: str = "*") -> Frontier:
    frontier = Frontier(start, max_depth=max_depth, match=match)
    assert frontier.take() == (start, 0)
    return frontier


def test_the_nearest_address_comes_first_and_each_once() -> None:
    frontier = started()
    links = [f"{HERE}a", f"{HERE}b", f"{HERE}a", HERE, "http://elsewhere.org/"]
    frontier.arrived(HERE, 0, links)
    assert frontier.take() == (f"{HERE}a", 1)
    frontier.arrived(f"{HERE}a", 1, [f"{HERE}c"])
    assert frontier.take() == (f"{HERE}b", 1)
    assert frontier.take() == (f"{HERE}c", 2)
    frontier.arrived(f"{HERE}c", 2, [f"{HERE}too-deep"])
    assert frontier.take() is None
    assert (frontier.found, frontier.waiting) == (4, 0)


def test_where_a_redirect_led_is_not_visited_again() -> None:
    frontier = started()
    frontier.arrived(HERE, 0, [f"{HERE}old", f"{HERE}new"])
    assert frontier.take() == (f"{HERE}old", 1)
    frontier.arrived(f"{HERE}new", 1, [])
    assert frontier.take() is None


def test_a_pattern_narrows_what_is_visited() -> None:
    frontier = started(match="*/docs/*")
    frontier.arrived(HERE, 0, [f"{HERE}docs/a", f"{HERE}blog"])
    assert frontier.take() == (f"{HERE}docs/a", 1)
    assert frontier.take() is None


def test_the_crawl_belongs_to_the_site_where_its_start_led() -> None:
    frontier = started("http://127.0.0.1:8000/")
    links = ["http://localhost:8000/a", "http://127.0.0.1:8000/b"]
    frontier.arrived("http://localhost:8000/", 0, links)
    assert frontier.take() == ("http://localhost:8000/a", 1)
    frontier.arrived("http://127.0.0.1:8000/c", 1, ["http://localhost:8000/d"])
    assert frontier.take() is None


def test_a_page_under_two_names_of_its_site_is_visited_once() -> None:
    frontier = started("https://www.example.org/")
    links = [f"{HERE}a", "https://example.org/a", "https://www.example.org/a", f"{HERE}b"]
    frontier.arrived("https://www.example.org/", 0, links)
    assert frontier.take() == (f"{HERE}a", 1)
    assert frontier.take() == (f"{HERE}b", 1)
    assert frontier.take() is None


def test_the_last_page_leads_on_only_with_an_address_that_is_new() -> None:
    frontier = started()
    assert not frontier.leads_on(HERE, [HERE, "http://elsewhere.org/a"])
    assert frontier.leads_on(HERE, [f"{HERE}a"])
    frontier.arrived(HERE, 0, [f"{HERE}a", f"{HERE}b"])
    frontier.take()
    assert frontier.leads_on(f"{HERE}a", [HERE])
    frontier.take()
    assert not frontier.leads_on(f"{HERE}b", [HERE, f"{HERE}a"])


def test_addresses_without_end_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_frontier, "MAX_FOUND", 10)
    frontier = started()
    frontier.arrived(HERE, 0, [f"{HERE}{number}" for number in range(100)])
    assert frontier.found == 10

    monkeypatch.setattr(_frontier, "MAX_FOUND", 1000)
    monkeypatch.setattr(_frontier, "MAX_FOUND_CHARS", 500)
    frontier = started()
    frontier.arrived(HERE, 0, [f"{HERE}{number:080}" for number in range(100)])
    assert frontier.found == 1 + 5
