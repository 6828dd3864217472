"""The bound on what the loops of a recipe keep: the outputs of all of their rounds."""

from typing import Any

import msgspec

from slotgrid.steps.model import Step
from worker.actions.errors import ActionFailed

KEPT_MOST = 128 * 1024 * 1024
"""Bytes of the outputs in loops, as JSON, with VALUE_BYTES for each."""
VALUE_BYTES = 500
"""What Python takes for an output or a round, however small it is."""


class LoopsKeepTooMuch(ActionFailed):
    """The outputs of a recipe's loops exceed KEPT_MOST. No further step could be kept either."""


class KeptOutputs:
    """Counts what the loops of one recipe keep."""

    def __init__(self) -> None:
        self._bytes = 0

    def add(self, step: Step, output: Any) -> None:
        """Count the output of one action in a loop. Raises LoopsKeepTooMuch."""
        self._spend(step, len(msgspec.json.encode(output)))

    def add_round(self, step: Step) -> None:
        """Count a round of the step itself. Raises LoopsKeepTooMuch."""
        self._spend(step, 0)

    def _spend(self, step: Step, size: int) -> None:
        self._bytes += size + VALUE_BYTES
        if self._bytes > KEPT_MOST:
            raise LoopsKeepTooMuch(
                f"step {step.name} (line {step.line}): "
                f"the outputs of all rounds of the loops take more than {KEPT_MOST:,} bytes; "
                "use fewer rounds, read less in each, do its work in a recipe of its own "
                "(`call`), of which only the result is kept, and do not let `set` grow a list: the "
                "output of the loop has the values of all rounds"
            )
