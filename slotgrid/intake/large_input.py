"""Checks large inputs off the event loop, before they are admitted."""

from slotgrid.core.admission import CheckedInput
from slotgrid.core.errors import NoWorker
from slotgrid.core.submission import Submission
from slotgrid.intake.body import LARGE_BODY_BYTES, off_loop
from slotgrid.intake.node import Node


async def checked_early(node: Node, submission: Submission, size: int) -> CheckedInput | None:
    """The checked input of a submission whose body of `size` bytes is large; None of others.

    Raises the reason why the submission cannot be admitted.
    """
    if size < LARGE_BODY_BYTES:
        return None
    try:
        spec = node.admission.chosen(submission)
    except NoWorker:
        return None  # admission waits for the worker, or raises this again
    return await off_loop(size, CheckedInput.of, spec, submission.input)
