"""How a process is killed, as by `kill -9`, when it comes to a given point for the n-th time."""

import os
import signal
import threading
from collections.abc import Awaitable, Callable
from typing import Any

Dying = Callable[[], None]


def dying_at(count: int) -> Dying:
    """To be called at the point: does not return from the call of that number, nor after it."""
    lock, left = threading.Lock(), count

    def pass_by() -> None:
        nonlocal left
        with lock:
            left -= 1
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)
                signal.pause()

    return pass_by


def before(owner: Any, name: str, die: Dying) -> None:
    """Die when that method is called."""
    method = getattr(owner, name)

    def dying(*args: Any, **named: Any) -> Any:
        die()
        return method(*args, **named)

    setattr(owner, name, dying)


def after(owner: Any, name: str, die: Dying) -> None:
    """Die when that method returns."""
    method = getattr(owner, name)

    def dying(*args: Any, **named: Any) -> Any:
        answer = method(*args, **named)
        die()
        return answer

    setattr(owner, name, dying)


def after_awaiting(owner: Any, name: str, die: Dying) -> None:
    """Die when that coroutine method has come to its end."""
    method: Callable[..., Awaitable[Any]] = getattr(owner, name)

    async def dying(*args: Any, **named: Any) -> Any:
        answer = await method(*args, **named)
        die()
        return answer

    setattr(owner, name, dying)
