"""What a firing that is due does: start a task, or note firings that were missed."""

from dataclasses import dataclass
from itertools import islice, takewhile

from balancer.schedules.cron import Cron
from balancer.schedules.schedule import Missed
from slotgrid.core.deadlines import iso

CATCH_UP_S = 5.0
"""A firing that is later than this is missed if the next one is due as well: a pause of the node or
of its database delays firings, but a long one must not end in a burst of them."""
LATE_MOST_S = 60.0
"""The last firing that is due is missed if it is later than this: longer than a restart takes."""
COUNTED_MOST = 1000
"""Missed firings that are counted one by one."""
NOT_READY = "no balancer or no worker was ready"


@dataclass(frozen=True, slots=True)
class Plan:
    """`starts`: a task starts for the firing at `due_at`; else that one was missed.

    `next_at` is when the table of due work has the next firing; None if there is none. `reason`
    describes missed firings. Times are seconds since the epoch.
    """

    starts: bool
    due_at: float
    next_at: float | None
    reason: str | None = None


def plan(cron: Cron, missed: Missed, due_at: float, now: float) -> Plan:
    """The plan for a firing of `due_at`, which is not later than `now`."""
    following = cron.next_after(due_at)
    late_s = now - due_at
    is_last = following is None or following > now
    if late_s <= CATCH_UP_S or (is_last and late_s <= LATE_MOST_S):
        return Plan(starts=True, due_at=due_at, next_at=following)
    last = _last_due(cron, due_at, now)
    if missed is Missed.RUN_ONCE:
        reason = f"for {_count(cron, due_at, last)} since {iso(due_at)}: {NOT_READY}"
        return Plan(starts=True, due_at=last, next_at=cron.next_after(last), reason=reason)
    if now - last <= LATE_MOST_S:  # the last one is late, not missed
        reason = f"{_count(cron, due_at, last - 1)} since {iso(due_at)} missed: {NOT_READY}"
        return Plan(starts=False, due_at=due_at, next_at=last, reason=reason)
    reason = f"{_count(cron, due_at, last)} from {iso(due_at)} to {iso(last)} missed: {NOT_READY}"
    return Plan(starts=False, due_at=due_at, next_at=cron.next_after(now), reason=reason)


def _last_due(cron: Cron, due_at: float, now: float) -> float:
    """The last firing that is not later than `now`; `due_at` is one."""
    window_s = LATE_MOST_S
    while now - window_s > due_at:
        last = None
        for time in cron.times_after(now - window_s):
            if time > now:
                break
            last = time
        if last is not None:
            return last
        window_s *= 4
    last = due_at
    for time in cron.times_after(due_at):
        if time > now:
            break
        last = time
    return last


def _count(cron: Cron, first: float, last: float) -> str:
    """The number of firings from `first`, which is one, to `last`, in words."""
    others = islice(cron.times_after(first), COUNTED_MOST)
    count = 1 + sum(1 for _ in takewhile(lambda time: time <= last, others))
    if count > COUNTED_MOST:
        return f"more than {COUNTED_MOST} firings"
    return "1 firing" if count == 1 else f"{count} firings"
