"""Waiting for code that may never come back, without blocking the loop or the exit."""

import asyncio
import ctypes
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


async def in_thread(
    work: Callable[[], T], *, timeout_s: float, name: str, interrupted: bool = True
) -> T:
    """Run `work` in a thread of its own and return what it returns.

    Raises TimeoutError when it takes longer, and asks the thread to end: Python code does at its
    next line, a blocking call when it returns. Work of ours, which only ever waits for a file
    system, is better not `interrupted`: it could not let go of its open files. A daemon thread,
    as the interpreter waits for the others before it exits.
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
        result: T | None = None
        error: Exception | None = None
        try:
            result = work()
        except Exception as raised:  # handed over to the one who waits
            error = raised
        except SystemExit as raised:  # the work's own, or our request to end
            error = RuntimeError(f"SystemExit: {raised}")
        with suppress(RuntimeError):  # the loop may be closed by now
            loop.call_soon_threadsafe(settle, result, error)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    try:
        async with asyncio.timeout(timeout_s):
            return await outcome
    finally:
        if interrupted and outcome.cancelled():  # by the timeout, or because nobody waits any more
            _ask_to_end(thread)


def _ask_to_end(thread: threading.Thread) -> None:
    """Raise SystemExit in the thread, which ends it without a word."""
    if thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit)
        )


async def within(work: Coroutine[Any, Any, T], *, timeout_s: float, name: str) -> T:
    """Await `work` for so long at most, even when it swallows its cancellation.

    Raises TimeoutError; the work is cancelled then, and left to itself if it will not end. So
    it is, too, when whoever waits is cancelled. A cancellation that comes from inside of the work
    and an exit that it asks for are its failures, raised as RuntimeError: neither may end the loop
    of the one who waits.
    """
    task = asyncio.create_task(_contained(work), name=name)
    task.add_done_callback(_read_error)
    task.add_done_callback(lambda _: work.close())  # where it was cancelled before it began
    try:
        await asyncio.wait({task}, timeout=timeout_s)
        if task.done():
            return task.result()
        raise TimeoutError(f"{name} takes longer than {timeout_s:g} s")
    finally:
        task.cancel()


async def _contained(work: Coroutine[Any, Any, T]) -> T:
    try:
        return await work
    except (Exception, GeneratorExit):
        raise
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise RuntimeError("CancelledError: cancelled by its own code") from None
    except BaseException as error:  # SystemExit, KeyboardInterrupt, others of libraries
        raise RuntimeError(f"{type(error).__name__}: {error}".rstrip(": ")) from error


def _read_error(task: asyncio.Task[Any]) -> None:
    """Else asyncio reports the error of a task that nobody waits for any more."""
    if not task.cancelled():
        task.exception()
