"""`python -m balancer`: starts a balancer with the settings of `.env` and the environment."""

import sys

from balancer.app import Balancer
from slotgrid.node.starting import end, refuse, run_node
from slotgrid.runtime.settings import BALANCER_DEFAULTS


def main() -> int:
    """Run a balancer until it is stopped; returns the exit status of the process."""
    if sys.argv[1:]:
        return refuse("balancer", f"unknown arguments: {' '.join(sys.argv[1:])}; there are none")
    return run_node(Balancer, defaults=BALANCER_DEFAULTS)


if __name__ == "__main__":
    end(main())
