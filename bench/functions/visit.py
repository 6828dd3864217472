"""One page, and the ways in which a task may go wrong on it."""

from typing import Literal

from slotgrid.function import Context, function


@function(timeout_s=20)
async def visit(context: Context, url: str, then: Literal["end", "crash", "hang"] = "end") -> str:
    """Open a page and return its title; or crash its tab, or wait on it for ever."""
    page = await context.page()
    await page.goto(url)
    if then == "crash":
        await page.goto("chrome://crash")
    if then == "hang":
        await page.evaluate("new Promise(() => {})")
    return await page.title()
