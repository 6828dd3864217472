"""Elements that a CSS selector matches, across open shadow roots.

Playwright matches a selector as if shadow roots were part of the page, `my-app .row` too. Its
parser knows less than the browser's: what it refuses is matched in each root by itself.
"""

from typing import Any

from playwright.async_api import Error, Page

from worker.pages.visible_text import READER

_IS_CSS = """selector => {
  try { document.createDocumentFragment().querySelector(selector); return true; }
  catch { return false; }
}"""


async def on_matches(page: Page, selector: str, script: str, given: object = None) -> Any:
    """Call the JavaScript function `script` with the elements and `given`; return its result.

    The selector must be one that the browser can read: see `is_css`.
    """
    try:
        return await page.eval_on_selector_all(f"css={selector}", script, given)
    except Error as error:
        if "parsing" not in error.message and "selector" not in error.message:
            raise
    every = f"([selector, given]) => ({script})(({READER})().all(selector), given)"
    return await page.evaluate(every, [selector, given])


async def is_css(page: Page, selector: str) -> bool:
    """Whether the browser can read the selector."""
    can_be_read: bool = await page.evaluate(_IS_CSS, selector)
    return can_be_read
