"""Fixtures of the core: a clock, and a node of one slot."""

import pytest

from tests.slotgrid.core.fakes import TWICE_IS_SAFE, FakeNode, ManualClock, make_node


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def node() -> FakeNode:
    return make_node(TWICE_IS_SAFE)
