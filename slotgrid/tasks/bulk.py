"""Many submissions at once: all of them are accepted, or the faults of each are reported."""

from collections.abc import Mapping, Sequence
from typing import Any

from slotgrid.core.errors import (
    FAULTS_LIMIT,
    ContractMismatch,
    InvalidInput,
    InvalidSubmission,
    ModeUnsupported,
    NoWorker,
    ServiceError,
    UnknownFunction,
    UnknownGroup,
    Violation,
)
from slotgrid.core.fields import Mode
from slotgrid.core.submission import Submission

BULK_MOST = 1000
"""Maximum number of submissions in one request."""

FIELD: Mapping[type[ServiceError], str] = {
    UnknownFunction: "/function",
    UnknownGroup: "/group",
    ContractMismatch: "/contract",
    ModeUnsupported: "/mode",
    NoWorker: "/place",
}
"""The invalid field, for errors without a pointer of their own."""


def check_count(items: Sequence[Any]) -> None:
    """Check the number of items. Raises InvalidSubmission."""
    if not 1 <= len(items) <= BULK_MOST:
        raise no_list()


def no_list() -> InvalidSubmission:
    """The error for a request without a list of submissions."""
    message = f"expected an array of 1 to {BULK_MOST} submissions"
    return InvalidSubmission(f"/tasks: {message}", errors=[Violation("/tasks", message)])


def keys_of(key: str | None, count: int) -> Sequence[str | None]:
    """A key for each item. Callers' keys contain no line break, so no caller's key is equal."""
    return [None if key is None else f"{key}\n{number}" for number in range(count)]


def with_mode(item: Any) -> Any:
    """The item with a durable mode where it names none: `webhook` if it has a webhook."""
    if not isinstance(item, dict) or "mode" in item:
        return item
    return {**item, "mode": str(Mode.WEBHOOK if "webhook" in item else Mode.ASYNC)}


def check_durable(submission: Submission) -> None:
    """Check the mode of an item. Raises InvalidSubmission for one that is not durable."""
    if not submission.mode.durable:
        message = f"expected {Mode.ASYNC} or {Mode.WEBHOOK}, got {submission.mode}"
        raise InvalidSubmission(message, errors=[Violation("/mode", message)])


class Faults:
    """The faults of all items, with JSON pointers such as `/tasks/3/input/url`."""

    def __init__(self) -> None:
        self._violations: list[Violation] = []
        self._absent: NoWorker | None = None
        self._others = False

    @property
    def enough(self) -> bool:
        """Whether there are at least as many faults as an answer reports."""
        return len(self._violations) >= FAULTS_LIMIT

    def add(self, number: int, refusal: ServiceError) -> None:
        """Add the refusal of the item with that index."""
        if isinstance(refusal, NoWorker):
            self._absent = self._absent or refusal
        else:
            self._others = True
        at = f"/tasks/{number}"
        if isinstance(refusal, InvalidSubmission | InvalidInput) and refusal.errors:
            self._violations += [Violation(at + one.pointer, one.message) for one in refusal.errors]
        else:
            self._violations.append(Violation(at + FIELD.get(type(refusal), ""), refusal.detail))

    def check(self) -> None:
        """Raise if there are faults: NoWorker if only workers are missing, else InvalidSubmission.

        The caller must correct a submission; for a missing worker, a later retry may succeed.
        """
        if not self._violations:
            return
        more = f" (and {len(self._violations) - 1} more)" if len(self._violations) > 1 else ""
        errors = self._violations[:FAULTS_LIMIT]
        if self._absent is not None and not self._others:
            raise NoWorker(
                self._absent.detail + more,
                retry_after_s=self._absent.retry_after_s,
                reason=self._absent.reason,
                errors=errors,
            )
        raise InvalidSubmission(f"{errors[0].pointer}: {errors[0].message}{more}", errors=errors)
