"""What a run of a flow needs of its node."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from slotgrid.core.admission import Admission
from slotgrid.durable.durable_tasks import DurableTasks
from slotgrid.records.database import Database
from slotgrid.steps.model import StepsFile


class FlowFile(Protocol):
    """A flow as its file says it."""

    @property
    def file(self) -> StepsFile:
        """The flow."""

    @property
    def text(self) -> bytes:
        """The file's bytes."""


class FlowFiles(Protocol):
    """The flows of the node's folder."""

    def find(self, group: str, name: str) -> FlowFile | None:
        """The flow of that name; None if there is none now."""


@dataclass(frozen=True, slots=True)
class FlowParts:
    """The parts of a node that its flows use."""

    database: Database
    durable: DurableTasks
    admission: Admission
    files: FlowFiles
    newest_contract: Callable[[str], int | None]
