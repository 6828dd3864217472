"""`python -m tests.slotgrid.steps.bombs`: the seconds of CPU that each bomb takes, as JSON."""

import gc
import json
import time
from typing import Any

from tests.slotgrid.steps.test_templates import BOMBS, fault


def spent_s(bomb: Any) -> float:
    gc.collect()
    began = time.process_time()
    fault(bomb)
    return time.process_time() - began


if __name__ == "__main__":
    print(json.dumps([min(spent_s(bomb) for _ in range(3)) for bomb in BOMBS]))
