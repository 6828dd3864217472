import random

import pytest

from slotgrid.webhooks.deliveries import BACKOFF, retry_in_s


def test_the_pauses_are_those_of_the_table() -> None:
    pauses = [BACKOFF.full_s(failures) for failures in range(1, 9)]
    assert pauses == [5, 20, 80, 320, 1280, 5120, 20_480, 21_600]
    assert round(sum(pauses) / 3600, 1) == 13.6


def test_retry_after_is_a_lower_bound_up_to_the_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda _, most: most)  # no jitter
    assert retry_in_s(1, requested_pause_s=None) == 5
    assert retry_in_s(1, requested_pause_s=120) == 120
    assert retry_in_s(1, requested_pause_s=1) == 5
    assert retry_in_s(1, requested_pause_s=10**9) == 21_600
