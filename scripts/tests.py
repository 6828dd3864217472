"""`python -m scripts.tests [arguments]`: runs every test; a few failed ones once more, alone.

Tests of real processes run in parallel on two cores, so now and then a test with a time limit
gets too little CPU. So up to FEW failed tests are named and run again, alone: a test that fails
alone is broken, and a test that passes alone is printed as dependent on the load, to be fixed.

`--gate` as the first argument measures the coverage too, and fails if it has sunk.
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import orjson

from scripts import debian, gate
from scripts.progress import StepFailed, failures_told, step

GATE = "--gate"
FAILED = 1
"""pytest's exit status when the run is complete and tests failed."""
FEW = 5
"""More failures than that are not due to load."""
FLAGS = ("-p", "tests.failed_tests", "--durations=25")
ALONE = ("-v", "--no-header", "-m", "")
"""`-m ""`: a named test is run whether it is long or not."""
LAST_FAILED = Path(".pytest_cache/v/cache/lastfailed")


def have_curl() -> None:
    """Install curl, as tests run the commands of README and docs unchanged. Raises StepFailed."""
    with step("curl") as line:
        if shutil.which("curl") is None:
            if not debian.can_install():
                raise StepFailed("curl is not here.", remedy="install curl in any way you like.")
            line.detail = "none found, installing the distribution's"
            debian.install("curl")
        line.detail = shutil.which("curl") or ""


def main(arguments: Sequence[str]) -> int:
    """Run the tests; returns the exit status."""
    with failures_told():
        have_curl()
    if arguments[:1] != [GATE]:
        return run(("pytest",), arguments)
    gate.begin()
    return run(gate.RUN, arguments[1:]) or gate.judge()


def run(pytest: Sequence[str], arguments: Sequence[str]) -> int:
    """Run the tests, a few failed ones again alone; returns the exit status.

    `pytest`: the module that runs them, with the words before pytest's own arguments.
    """
    LAST_FAILED.unlink(missing_ok=True)
    status = started(*pytest, *FLAGS, *arguments)
    if status != FAILED:
        return status
    failed = sorted(orjson.loads(LAST_FAILED.read_bytes()))
    if not failed or len(failed) > FEW:
        return status
    print(f"\n{len(failed)} failed beside others; alone:\n", flush=True)
    status = started(*pytest, *ALONE, *failed)
    verdict = "failed alone too" if status else "passed alone, and depend on the load: mend them"
    print("\n".join([f"\nThese {verdict}:", *(f"  {test}" for test in failed)]))
    return status


def started(*words: str) -> int:
    """The exit status of `python -m words...`."""
    return subprocess.run([sys.executable, "-m", *words], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
