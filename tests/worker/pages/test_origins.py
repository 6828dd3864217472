"""Origins of addresses, compared with those that Chromium makes of them."""

import pytest
from playwright.async_api import Browser

from tests.harness.chromium import browser
from worker.pages.origins import origin_of, site_origins

__all__ = ["browser"]

URLS = [
    "http://example.org",
    "HTTPS://Example.ORG:443/a?b#c",
    "http://example.org:8080/",
    "http://user:word@example.org/",
    "http://b\u00fccher.example/",
    "https://stra\u00dfe.example/",
    "http://M\u00dcNCHEN.example:80/",
    "http://[2001:DB8::1]:81/",
    "http://127.0.0.1:80/",
]


async def test_an_origin_is_the_one_that_the_browser_makes(browser: Browser) -> None:
    page = await browser.new_page()
    made = await page.evaluate("urls => urls.map(url => new URL(url).origin)", URLS)
    assert [origin_of(url) for url in URLS] == made


@pytest.mark.parametrize("url", ["", "example.org", "ftp://example.org", "http://", "http://a b/"])
def test_what_is_no_http_address_has_no_origin(url: str) -> None:
    assert origin_of(url) is None
    assert site_origins(url) == []


def test_a_site_on_the_default_port_is_meant_by_https_too() -> None:
    assert site_origins("http://example.org/a") == ["http://example.org", "https://example.org"]
    assert site_origins("https://example.org/a") == ["https://example.org"]
    assert site_origins("http://example.org:81/a") == ["http://example.org:81"]
