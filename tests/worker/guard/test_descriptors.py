"""Contexts share the guard's part of the process's descriptors fairly."""

import pytest

from worker.guard import descriptors
from worker.guard.descriptors import DescriptorShare


def fill(share: DescriptorShare, held: int = 0) -> int:
    """How many clients a context with `held` has when it is refused another."""
    while share.allows_one_more(held):
        share.add()
        held += 1
    return held


@pytest.fixture
def share(monkeypatch: pytest.MonkeyPatch) -> DescriptorShare:
    monkeypatch.setattr(descriptors, "descriptor_limit", lambda: 1200)
    return DescriptorShare()


def test_a_greedy_context_leaves_as_many_clients_to_the_others(share: DescriptorShare) -> None:
    assert fill(share) == 150
    assert fill(share) == 75
    assert fill(share) > 0


def test_what_a_context_returns_is_free_for_the_next(share: DescriptorShare) -> None:
    for _ in range(fill(share)):
        share.remove()
    assert fill(share) == 150


def test_a_process_with_too_many_open_descriptors_takes_no_client(share: DescriptorShare) -> None:
    assert not share.exceeded_by(1029)
    assert share.exceeded_by(1030)


def test_without_a_limit_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "descriptor_limit", lambda: None)
    share = DescriptorShare()
    assert share.allows_one_more(100_000)
    assert not share.exceeded_by(100_000)
