"""`python -m balancer`: starts a balancer with the settings of `.env` and the environment."""

import sys

from balancer.app import Balancer
from slotgrid.runtime.settings import BALANCER_DEFAULTS
from slotgrid.starting import end, refuse, run_node


def main() -> int:
    """Run a balancer until it is stopped; returns the exit status of the process."""
    if sys.argv[1:]:
        return refuse("balancer", f"unknown arguments: {' '.join(sys.argv[1:])}; there are none")
    return run_node(Balancer, defaults=BALANCER_DEFAULTS)


if __name__ == "__main__":
    end(main())
