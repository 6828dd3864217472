"""Runs work on large inputs in a thread, as it would block the event loop for milliseconds."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from slotgrid.core.admission import Admission, CheckedInput
from slotgrid.core.errors import NoWorker
from slotgrid.core.submission import Submission

T = TypeVar("T")
LARGE_BODY_BYTES = 64 * 1024
"""Size from which a body is parsed and checked in a thread."""


async def off_loop(size: int, work: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    """The result of `work`, which runs in a thread if `size`, in bytes, is large."""
    if size < LARGE_BODY_BYTES:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)


async def checked_early(
    admission: Admission, submission: Submission, size: int
) -> CheckedInput | None:
    """The checked input of a submission of `size` bytes; None if it is small or has no worker.

    Raises the reason why the submission cannot be admitted.
    """
    if size < LARGE_BODY_BYTES:
        return None
    try:
        spec = admission.chosen(submission)
    except NoWorker:
        return None  # admission waits for a worker, or raises NoWorker again
    return await off_loop(size, CheckedInput.of, spec, submission.input)
