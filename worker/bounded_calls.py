"""Waiting with a time limit for code that may never return; blocks neither loop nor exit."""

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
    """Run `work` in its own thread and return its result.

    Raises TimeoutError after `timeout_s`. SystemExit is then raised in the thread: Python code
    ends at its next line, a blocking call ends when it returns. `interrupted=False` is for our own
    work, which only waits for a file system: an interrupt could leave its files open. A daemon
    thread, as the interpreter waits for other threads before it exits.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def set_outcome(result: T | None, error: BaseException | None) -> None:
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
        except Exception as raised:  # re-raised in the waiter
            error = raised
        except SystemExit as raised:  # from the work itself, or from `_ask_to_end`
            error = RuntimeError(f"SystemExit: {raised}")
        with suppress(RuntimeError):  # the loop may be closed by now
            loop.call_soon_threadsafe(set_outcome, result, error)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    try:
        async with asyncio.timeout(timeout_s):
            return await outcome
    finally:
        if interrupted and outcome.cancelled():  # by the timeout, or the caller was cancelled
            _ask_to_end(thread)


def _ask_to_end(thread: threading.Thread) -> None:
    """Raise SystemExit in the thread, which ends it without a traceback."""
    if thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit)
        )


async def within(work: Coroutine[Any, Any, T], *, timeout_s: float, name: str) -> T:
    """Await `work` for `timeout_s` at most, even if it swallows its cancellation.

    Raises TimeoutError. The work is then cancelled, and detached if it does not end; the same
    happens if the caller is cancelled. If the work cancels itself or requests an exit, that is a
    failure, raised as RuntimeError, so that it cannot end the caller's loop.
    """
    task = asyncio.create_task(_contained(work), name=name)
    task.add_done_callback(_read_error)
    task.add_done_callback(lambda _: work.close())  # for a cancellation before the first step
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
    except BaseException as error:  # SystemExit, KeyboardInterrupt, classes of libraries
        raise RuntimeError(f"{type(error).__name__}: {error}".rstrip(": ")) from error


def _read_error(task: asyncio.Task[Any]) -> None:
    """Retrieve the task's exception, so that asyncio does not report it."""
    if not task.cancelled():
        task.exception()
