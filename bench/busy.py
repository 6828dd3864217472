"""`python -m bench.busy PER_S CPU_MS`: a process that only uses CPU, until it is ended.

It uses CPU_MS at random moments (a Poisson process). That is the minimum that an equal load costs
its neighbours on a machine with few cores.
"""

import random
import sys
import time


def burn(per_s: float, cpu_s: float) -> None:
    """Use `cpu_s` seconds of CPU, `per_s` times a second, for as long as the process lives."""
    chance = random.Random(1)  # the same moments in each run
    due = time.monotonic()
    while True:
        due += chance.expovariate(per_s)
        time.sleep(max(0.0, due - time.monotonic()))
        until = time.thread_time() + cpu_s
        while time.thread_time() < until:
            pass


if __name__ == "__main__":
    burn(float(sys.argv[1]), float(sys.argv[2]) / 1000)
