"""The work that one rendering may do. It is counted, as a clock would depend on the machine."""

from typing import Any

from slotgrid.steps.faults import TemplateFault

WORK_MOST = 40_000_000
"""About nanoseconds: a rendering ends within some 40 ms, whatever its template."""
ITEM = 400
"""The cost of an item that a filter visits."""
PART = 100
"""The cost of a part of a value that is compared, written or ordered as a whole."""
CHARACTER = 1
"""The cost of a character of a new text, so that a rendering makes 40 MB of them at most."""
CALL = 2000
"""The cost of one call of a filter that Python runs, whatever its value."""


class Budget:
    """The remaining work of one rendering, of WORK_MOST."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = WORK_MOST

    def spend(self, cost: int) -> None:
        """Take from the budget, before the work. Raises TemplateFault if too little is left."""
        self.left -= cost
        if self.left < 0:
            raise TemplateFault("its work or its result is too large")

    def items(self, count: int) -> None:
        """Spend for visiting so many items."""
        self.spend(count * ITEM)

    def text(self, length: int) -> None:
        """Spend for a new text of this length."""
        self.spend(length * CHARACTER)

    def whole(self, value: Any) -> None:
        """Spend for a visit to every part of the value."""
        waiting = [value]
        while waiting:
            part = waiting.pop()
            if isinstance(part, str):
                self.spend(len(part) * CHARACTER + PART)
            elif isinstance(part, dict | list):
                self.spend((len(part) + 2) * PART)
                waiting += part.values() if isinstance(part, dict) else part
