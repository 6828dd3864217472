"""The links of a page, as the browser resolves them."""

import json
from dataclasses import dataclass

from playwright.async_api import Page

MAX_LINK_CHARS = 8192
"""A longer link is left out: no task takes a longer address as its input either."""

MAX_CHARS = 16 * 1024 * 1024
"""Characters of all links that are read from one page; further ones are left out."""

# The links of SVG hold their unresolved address in an object. Frames of another origin give no
# document.
_READ = """([routes, maxLinkChars, maxChars]) => {
  const XLINK = "http://www.w3.org/1999/xlink";
  const urls = new Set();
  let count = 0, chars = 0;
  const add = link => {
    if (/(^|\\s)nofollow(\\s|$)/i.test(link.getAttribute("rel") ?? "")) return;
    if (!link.hasAttribute("href") && !link.hasAttributeNS(XLINK, "href")) return;
    let url = link.href;
    if (typeof url !== "string") {
      if (!URL.canParse(url.baseVal, link.baseURI)) return;
      url = new URL(url.baseVal, link.baseURI).href;
    } else if (!URL.canParse(url)) return;  // it is given as written
    if (!/^https?:/.test(url)) return;
    count++;
    const hash = url.indexOf("#");
    if (hash >= 0 && !(routes && /^#[/!]/.test(url.slice(hash)))) url = url.slice(0, hash);
    if (url.length > maxLinkChars || chars + url.length > maxChars || urls.has(url)) return;
    urls.add(url);
    chars += url.length;
  };
  const collect = root => {
    for (const element of root.querySelectorAll("*")) {
      const name = element.localName;
      if (name === "a" || name === "area") add(element);
      else if (element.contentDocument) collect(element.contentDocument);
      if (element.shadowRoot) collect(element.shadowRoot);
    }
  };
  collect(document);
  const meta = document.querySelector("meta[name=robots i]")?.content ?? "";
  return JSON.stringify({
    urls: [...urls],
    count,
    title: document.title,
    content_type: document.contentType,
    scripted: [...document.scripts].some(({type}) => !type || /script|module/i.test(type)),
    refreshes: document.querySelector("meta[http-equiv=refresh i]") !== null,
    nofollow: /(^|[\\s,])(nofollow|none)([\\s,]|$)/i.test(meta),
  });
}"""


@dataclass(frozen=True)
class Links:
    """What a page links to by http and https, and what it is.

    `urls` has each address once, in WHATWG-normal form and without fragment; `count` counts the
    links. Links in open shadow roots, in frames of the same origin, in image maps and in SVG are
    among them, those marked `rel=nofollow` are not. `nofollow`: the page asks robots to follow
    none. `scripted`: it has scripts, so that more links may come. `refreshes`: its head leads on.
    """

    urls: list[str]
    count: int
    title: str
    content_type: str
    scripted: bool
    refreshes: bool
    nofollow: bool


async def read_links(page: Page, *, routes: bool = False) -> Links:
    """Read the links that the page shows now; with `routes`, `#/a` and `#!a` are kept."""
    # As text: Playwright takes a second to read a list of 100,000 values.
    text: str = await page.evaluate(_READ, [routes, MAX_LINK_CHARS, MAX_CHARS])
    return Links(**json.loads(text))
