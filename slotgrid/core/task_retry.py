"""Retries of a task: whether it may run again after an attempt, and the pause before that.

Each failure says whether its error allows a retry: `worker/failures.py` decides for a function's
exceptions, `balancer/fleet/remote_runner.py` for lost workers.
"""

import random

import msgspec

from slotgrid.backoff import Backoff
from slotgrid.core.spec import FunctionSpec

RETRY = Backoff(first_s=0.5, ceiling_s=30.0)


class StepRetry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The retry of a flow's step, in place of the function's own. `jitter`: a share, 0 to 1."""

    attempts: int
    delay_s: float
    factor: float = 1.0
    max_delay_s: float
    jitter: float = 0.0

    def pause_s(self, attempt: int) -> float:
        """Seconds between the failed attempt of that number, from 1, and the next."""
        grown = min(self.delay_s * self.factor ** (attempt - 1), self.max_delay_s)
        return grown * (1 + self.jitter * random.uniform(-1, 1))  # noqa: S311  no secret


def may_retry(spec: FunctionSpec | None, attempts: int, retry: StepRetry | None = None) -> bool:
    """Whether a task may run again after that many attempts; None: its function is unknown."""
    if retry is not None:
        return attempts < retry.attempts
    retries = spec.retries if spec is not None else 0
    return attempts <= retries


def pause_s(attempts: int, retry: StepRetry | None = None) -> float:
    """Seconds before the next attempt, after that many in this process."""
    return RETRY.pause_s(attempts) if retry is None else retry.pause_s(attempts)
