"""A home to start from, and a worker that runs."""

from collections.abc import Iterator

import pytest

from tests.harness.processes.home import Home, home
from tests.harness.processes.worker import RunningWorker, running_worker

__all__ = ["home", "worker"]


@pytest.fixture
def worker(home: Home) -> Iterator[RunningWorker]:
    """A worker for one test; it ends well and leaves nothing."""
    with running_worker(home) as worker:
        yield worker
