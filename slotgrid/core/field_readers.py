"""The reader of each field of `POST /task`, with its error messages."""

from collections.abc import Mapping
from datetime import UTC, datetime

from slotgrid.core.errors import Violation
from slotgrid.core.fields import LOWEST_PRIORITY, Mode, Place, Webhook
from slotgrid.core.json_readers import (
    Reader,
    Wrong,
    read_members,
    read_number,
    read_object,
    read_pairs,
    read_string,
    read_text,
    read_whole,
)

SLOT_MOST = 9999
"""The number of the last slot that a worker can have."""


def _contract(value: object) -> int:
    contract = read_whole(value)
    if contract < 1:
        raise Wrong.because(f"must be 1 or more, got {contract}")
    return contract


def _priority(value: object) -> int:
    priority = read_whole(value)
    if priority < 1:
        raise Wrong.because(f"must be 1 (highest) or more, got {priority}")
    return min(priority, LOWEST_PRIORITY)


def _mode(value: object) -> Mode:
    text = read_text(value)
    try:
        return Mode(text)
    except ValueError:
        raise Wrong.because(f'must be one of {", ".join(Mode)}, got "{text}"') from None


def _timeout(value: object) -> float:
    seconds = read_number(value)
    if seconds <= 0:
        raise Wrong.because(f"must be above 0 seconds, got {seconds:g}")
    return seconds


def _wait(value: object) -> float:
    seconds = read_number(value)
    if seconds < 0:
        raise Wrong.because(f"must be 0 seconds or more, got {seconds:g}")
    return seconds


def _time(value: object) -> datetime:
    text = read_text(value)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Wrong.because(
            f'expected an ISO 8601 time such as "2030-01-31T08:00:00Z", got "{text}"'
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _url(value: object) -> str:
    url = read_string(value)
    if not url.startswith(("http://", "https://")):
        raise Wrong.because("expected an http or https URL")
    return url


def _webhook(value: object) -> Webhook:
    readers = {"url": _url, "headers": read_pairs, "secret": read_text}
    return Webhook(**read_members(value, readers, required="url"))


def _labels(value: object) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(read_pairs(value)))


def _slot(value: object) -> int:
    number = read_whole(value)
    if not 0 <= number <= SLOT_MOST:
        raise Wrong.because(f"expected an integer from 0 to {SLOT_MOST}, got {number}")
    return number


def _place(value: object) -> Place:
    readers = {"worker": read_text, "pool": read_text, "labels": _labels, "slot": _slot}
    place = Place(**read_members(value, readers))
    if place.slot is not None and place.pool is None:
        raise Wrong(Violation("/pool", "is required by slot, which numbers the slots of one pool"))
    return place


FIELDS: Mapping[str, Reader] = {
    "function": read_text,
    "input": read_object,
    "group": read_text,
    "contract": _contract,
    "priority": _priority,
    "mode": _mode,
    "webhook": _webhook,
    "timeout_s": _timeout,
    "wait_s": _wait,
    "not_before": _time,
    "expires_at": _time,
    "place": _place,
    "metadata": read_object,
}
