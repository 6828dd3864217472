"""Waiting for code that may never come back, without blocking the loop or the exit."""

import asyncio
import ctypes
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T], *, timeout_s: float, name: str) -> T:
    """Run `work` in a thread of its own and return what it returns.

    Raises TimeoutError when it takes longer, and asks the thread to end: Python code does at its
    next line, a blocking call when it returns. A daemon thread, as the interpreter waits for
    the others before it exits.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if outcome.done():
            return
        if error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(result)  # type: ignore[arg-type]  # one of the two is there

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except Exception as raised:  # handed over to the one who waits
            error = raised
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, error)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    try:
        async with asyncio.timeout(timeout_s):
            return await outcome
    finally:
        if outcome.cancelled():  # by the timeout, or because nobody waits any more
            _ask_to_end(thread)


def _ask_to_end(thread: threading.Thread) -> None:
    """Raise SystemExit in the thread, which ends it without a word."""
    if thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit)
        )
