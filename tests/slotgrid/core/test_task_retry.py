from dataclasses import replace

import pytest

from slotgrid.core.task_retry import may_retry
from tests.slotgrid.core.fakes import PLAIN


@pytest.mark.parametrize(
    ("retries", "attempts", "allowed"), [(0, 1, False), (2, 1, True), (2, 2, True), (2, 3, False)]
)
def test_retries_are_the_attempts_after_the_first(
    retries: int, attempts: int, allowed: bool
) -> None:
    assert may_retry(replace(PLAIN, retries=retries), attempts) is allowed


def test_a_task_of_an_unknown_function_may_not_run_again() -> None:
    assert not may_retry(None, 1)
