"""What a page says: its main part or all of it, as text or as HTML, and what its head says."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

from playwright.async_api import ElementHandle, Error, Frame, Page

from worker.pages.main_part import MAIN_PART
from worker.pages.visible_text import READER

Part = Literal["main", "all"]
Format = Literal["text", "html"]

FRAME_S = 5.0
"""Seconds that a frame has to give its text."""

# `limit` is in UTF-16 units: twice the characters are enough to cut at a character later on.
_READ = f"""([root, part, format, limit]) => {{
  const reader = ({READER})();
  const whole = document.documentElement;
  const chosen = root !== null ? {{ elements: [root] }}
    : part === "main" ? ({MAIN_PART})(reader)
    : {{ elements: [format === "html" ? whole : document.body ?? whole] }};
  const doctype = part === "all" && root === null && document.doctype
    ? `${{new XMLSerializer().serializeToString(document.doctype)}}\\n` : "";
  const htmlOf = element => {{
    const shadowRoots = reader.shadowRoots();
    if (shadowRoots.length === 0) return element.outerHTML;
    // The copy is made for a document without scripts: custom elements must not come to life.
    const inert = document.implementation.createHTMLDocument("");
    const tag = inert.importNode(element, false).outerHTML;
    const end = tag.lastIndexOf("</");
    return tag.slice(0, end) + element.getHTML({{ shadowRoots }}) + tag.slice(end);
  }};
  const languageOf = element => {{
    for (let one = element; one !== null; one = reader.parentOf(one)) {{
      const language = one.lang || one.getAttribute("xml:lang");
      if (language) return language;
    }}
    return document.querySelector("meta[http-equiv=content-language i]")?.content || null;
  }};
  const meta = (attribute, name) =>
    document.querySelector(`meta[${{attribute}}="${{name}}" i]`)?.content.trim() || null;
  const description = meta("name", "description") ?? meta("property", "og:description");
  // The browser shows XML without a style as a tree of its own, and keeps the source beside it.
  const source = root === null ? document.getElementById("webkit-xml-viewer-source-xml") : null;
  const content = source !== null ? reader.wellFormed(source.innerHTML)
    : format === "html" ? reader.wellFormed(doctype + chosen.elements.map(htmlOf).join("\\n"))
    : chosen.elements.map(one => reader.lines(one, chosen.skipped)).join("\\n\\n");
  return {{
    content: content.slice(0, limit),
    title: reader.wellFormed(document.title),
    language: languageOf(chosen.elements[0]),
    description: description && reader.wellFormed(description),
    encoding: document.characterSet,
  }};
}}"""


@dataclass(frozen=True)
class PageContent:
    """`content`, and whether it was cut; `language` is that of what was read."""

    content: str
    truncated: bool
    title: str
    language: str | None
    description: str | None
    encoding: str


async def read_content(
    page: Page,
    root: ElementHandle | None = None,
    *,
    part: Part = "main",
    format: Format = "text",  # noqa: A002  the word that callers know
    frames: bool = False,
    max_chars: int = 200_000,
) -> PageContent:
    """Read `root`, or else a part of the page, up to `max_chars` code points.

    As text, a page that shows nothing but frames gives theirs; `frames` appends them to any page.
    """
    read = await _read(page.main_frame, root, part, format, max_chars)
    if root is not None or format == "html" or (read.content and not frames):
        return read
    texts = [read.content]
    for frame in page.frames[1:]:
        # A frame may go away or hang; the page has been read without it.
        with suppress(Error, TimeoutError):
            async with asyncio.timeout(FRAME_S):
                if await (await frame.frame_element()).is_visible():
                    texts.append((await _read(frame, None, part, format, max_chars)).content)
    content = "\n\n".join(text for text in texts if text)
    truncated = read.truncated or len(content) > max_chars
    return replace(read, content=content[:max_chars], truncated=truncated)


async def _read(
    frame: Frame,
    root: ElementHandle | None,
    part: Part,
    format: Format,  # noqa: A002
    max_chars: int,
) -> PageContent:
    found = await frame.evaluate(_READ, [root, part, format, 2 * max_chars + 2])
    content = found.pop("content")
    return PageContent(content[:max_chars], len(content) > max_chars, **found)
