"""`python -m worker`: starts a worker with the settings of `.env` and the environment.

`--check` starts no worker: it prints the checks of this machine as JSON.
"""

import os
import resource
import sys

from slotgrid.node.starting import end, refuse, run_node
from worker.app import Worker
from worker.check import print_checks

DESCRIPTORS = 65_536


def main() -> int:
    """Run a worker until it is stopped; returns the exit status of the process."""
    if sys.argv[1:] == ["--check"]:
        return print_checks()
    if sys.argv[1:]:
        return refuse(
            "worker", f"unknown arguments: {' '.join(sys.argv[1:])}; there is only --check"
        )
    # Each connection of a page takes two descriptors, and many systems allow 1,024 by default.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < (wanted := min(DESCRIPTORS, hard)) and soft != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    # uvloop resolves names in libuv's threads, 4 by default: a few slow names would hold up all.
    os.environ.setdefault("UV_THREADPOOL_SIZE", "64")
    return run_node(Worker)


if __name__ == "__main__":
    end(main())
