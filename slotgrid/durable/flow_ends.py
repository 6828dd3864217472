"""What flows do when tasks end; a node without flows does nothing."""

from collections.abc import Sequence
from typing import Protocol

from slotgrid.core.task import Task


class FlowEnds(Protocol):
    """The flows of a node, as the records of its tasks inform them."""

    def followers(self, flow: Task) -> Sequence[Task]:
        """The tasks that the end of a flow starts: they are recorded together with it."""

    def child_ended(self, flow_id: str) -> None:
        """The end of a step's task is recorded."""

    def flow_ended(self, flow_id: str) -> None:
        """The end of a flow is recorded: its tasks that are left have to end."""


class NoFlows:
    """Fulfils `FlowEnds` for a node that runs no flows."""

    def followers(self, flow: Task) -> Sequence[Task]:
        """None."""
        return ()

    def child_ended(self, flow_id: str) -> None:
        """Another node runs the flow."""

    def flow_ended(self, flow_id: str) -> None:
        """Another node ran the flow."""
