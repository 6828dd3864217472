"""Retries of a task: whether it may run again after an attempt, and the pause before that.

Each failure says whether its error allows a retry: `worker/failures.py` decides for a function's
exceptions, `balancer/fleet/remote_runner.py` for lost workers.
"""

from slotgrid.backoff import Backoff
from slotgrid.core.spec import FunctionSpec

RETRY = Backoff(first_s=0.5, ceiling_s=30.0)


def may_retry(spec: FunctionSpec | None, attempts: int) -> bool:
    """Whether a task may run again after that many attempts; None: its function is unknown."""
    retries = spec.retries if spec is not None else 0
    return attempts <= retries
