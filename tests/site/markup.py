"""How the site writes a page, and how a handler waits for the end of the site."""

import asyncio
from collections import Counter
from html import escape

from aiohttp import web

CLOSING = web.AppKey("closing", asyncio.Event)
"""Set when the site shuts down: handlers that never answer wait for it."""

SENT = web.AppKey("sent", Counter[str])
"""How many bytes of each large file were sent, by path."""
HIT = web.RequestKey("hit", int)
"""How often the request's path was asked for, this time included."""


def document(title: str, body: str, *, head: str = "", language: str = "en") -> str:
    """Return a whole HTML page; `title` is escaped, `body` and `head` are taken as they are."""
    return (
        f'<!doctype html>\n<html lang="{language}">\n<head><meta charset="utf-8">'
        f"<title>{escape(title)}</title>{head}</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def answer(title: str, body: str, *, head: str = "", status: int = 200) -> web.Response:
    """Answer with a page made by `document`."""
    return web.Response(
        text=document(title, body, head=head), content_type="text/html", status=status
    )


async def until_closed(request: web.Request) -> None:
    """Wait until the site shuts down, so that a hanging answer never outlives its test."""
    await request.app[CLOSING].wait()


async def closed_within(request: web.Request, seconds: float) -> bool:
    """Wait `seconds`; return at once with True when the site shuts down meanwhile."""
    try:
        await asyncio.wait_for(request.app[CLOSING].wait(), seconds)
    except TimeoutError:
        return False
    return True
