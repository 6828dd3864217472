"""The state of a node: starting, ready, maintenance, draining."""

from collections.abc import Callable, Mapping
from enum import StrEnum

from slotgrid.core.errors import Conflict, Draining, InMaintenance, NoWorker


class NodeState(StrEnum):
    """The states of a node, as `/health` shows them."""

    STARTING = "starting"
    READY = "ready"
    MAINTENANCE = "maintenance"
    DRAINING = "draining"


READY = NodeState.READY
MOVES: Mapping[NodeState, frozenset[NodeState]] = {
    NodeState.STARTING: frozenset({NodeState.READY, NodeState.MAINTENANCE, NodeState.DRAINING}),
    NodeState.READY: frozenset({NodeState.MAINTENANCE, NodeState.DRAINING}),
    NodeState.MAINTENANCE: frozenset({NodeState.READY, NodeState.DRAINING}),
    NodeState.DRAINING: frozenset(),  # ends with the process
}


class NodeStatus:
    """The state of this node, and whether it accepts tasks.

    `on_change` is called after each change, for example to report to balancers.
    """

    def __init__(self, on_change: Callable[[NodeState], None] | None = None) -> None:
        self.state = NodeState.STARTING
        self._on_change = on_change

    def move_to(self, state: NodeState) -> bool:
        """Change the state; False if it is current. Raises Conflict for an illegal move."""
        if state is self.state:
            return False
        if state not in MOVES[self.state]:
            raise Conflict(f"the node is {self.state} and cannot become {state}")
        self.state = state
        if self._on_change is not None:
            self._on_change(state)
        return True

    def check_accepts(self) -> None:
        """Raise InMaintenance, Draining or NoWorker unless the node accepts new tasks."""
        if self.state is READY:
            return
        match self.state:
            case NodeState.MAINTENANCE:
                raise InMaintenance(
                    "the node is in maintenance and accepts no new tasks", retry_after_s=30
                )
            case NodeState.DRAINING:
                raise Draining("the node is draining and accepts no new tasks", retry_after_s=10)
        raise NoWorker("the node is still starting", retry_after_s=1, reason="starting")
