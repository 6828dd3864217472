"""What flows do when tasks end; a node without flows does nothing."""

from typing import Protocol

from slotgrid.core.task import Task


class FlowEnds(Protocol):
    """The flows of a node, as the records of its tasks inform them."""

    def after(self, flow: Task) -> str | None:
        """What follows the end of a flow, a submission as JSON: recorded together with it."""

    def child_ended(self, flow_id: str) -> None:
        """The end of a step's task is recorded."""

    def flow_ended(self, flow_id: str) -> None:
        """The end of a flow is recorded: its tasks that are left end, what follows it starts."""


class NoFlows:
    """Fulfils `FlowEnds` for a node that runs no flows."""

    def after(self, flow: Task) -> str | None:
        """Nothing."""
        return None

    def child_ended(self, flow_id: str) -> None:
        """Another node runs the flow."""

    def flow_ended(self, flow_id: str) -> None:
        """Another node ran the flow."""
