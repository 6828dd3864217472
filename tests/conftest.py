import signal
from collections.abc import Iterator

import pytest
from coverage import Coverage
from hypothesis import settings

# A deadline for each example would be one for the machine's other work.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_is_heard() -> Iterator[None]:
    """Processes that tests start inherit that Ctrl-C is ignored, as what a script puts behind does.

    `.ci/run &` in a script has it so; then those that are to end by it would not.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def pytest_sessionfinish() -> None:
    """Save what was measured: coverage itself does so at the exit of the process.

    xdist kills a process of tests whose exit takes more than ten seconds, as that of one with a
    thread that still waits.
    """
    if (measuring := Coverage.current()) is not None:
        measuring.save()
