"""Waiting until a page has come to rest: it may move on by script once it has loaded."""

from worker.pages.navigation import Visit


async def settle(visit: Visit) -> None:
    """Wait until nothing on the page moves, and follow it where it moves on; updates `visit`."""
