"""The specification of a function: what any node needs to check a task and to show it."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol

from slotgrid.core.errors import UnknownFunction
from slotgrid.core.fields import ANYWHERE
from slotgrid.core.priority_queue import TaskClass
from slotgrid.core.schema import Schema

FunctionKind = Literal["python", "recipe", "flow"]
"""What runs a function: a Python callable, or an interpreter of a recipe's or a flow's steps."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FunctionSpec:
    """One function as its node offers it. `timeout_s` is both default and ceiling.

    `needs_slot`: its tasks run on slots; only a node's own functions can do without.
    `isolation` is what its pool gives its tasks, `stated_isolation` what the function insists on.
    `revision` changes with the function's code; `rate` is (starts, in seconds).
    """

    name: str
    description: str
    kind: FunctionKind = "python"
    group: str
    contract: int
    revision: str
    input: Schema
    output: Schema | None
    modes: tuple[str, ...]
    timeout_s: float
    pool: str = "default"
    isolation: str = "context"
    stated_isolation: str | None = None
    retries: int = 0
    requires: tuple[str, ...] = ()
    concurrency: int | None = None
    rate: tuple[int, float] | None = None
    needs_slot: bool = True

    @property
    def always_durable(self) -> bool:
        """Whether its tasks are recorded in every mode, not only in the durable ones."""
        return self.kind == "flow"

    @property
    def gated(self) -> bool:
        """Whether a start needs more than a free slot."""
        return bool(self.requires) or self.concurrency is not None or self.rate is not None

    @cached_property
    def cls(self) -> TaskClass:
        """The class of its tasks that have no place."""
        gate = self.name if self.gated else None
        return TaskClass(self.group, self.contract, self.pool, ANYWHERE, gate)

    def to_json(self) -> dict[str, Any]:
        """The function as `GET /functions/{name}` shows it."""
        return {
            "name": self.name,
            "description": self.description,
            "kind": self.kind,
            "input": self.input.document,
            "output": self.output.document if self.output else None,
            "modes": self.modes,
            "timeout_s": self.timeout_s,
            "pool": self.pool,
            "isolation": self.isolation,
            "retries": self.retries,
            "requires": self.requires,
            "concurrency": self.concurrency,
            "rate": f"{self.rate[0]} per {self.rate[1]:g} s" if self.rate else None,
            "contract": self.contract,
            "group": self.group,
            "revision": self.revision,
        }


class Catalog(Protocol):
    """The functions that a node offers at this moment."""

    @property
    def version(self) -> int:
        """Grows with every change, so that callers can rebuild derived data."""

    def find(
        self, name: str, group: str | None = None, contract: int | None = None
    ) -> FunctionSpec | None:
        """The function of that name, or None; the node chooses an omitted group or contract."""

    def specs(self) -> Sequence[FunctionSpec]:
        """All functions, by name."""

    def fault_of(self, name: str) -> str:
        """Why the file of that function is not usable; empty if there is no such file."""


def unknown_function(name: str, catalog: Catalog, group: str | None = None) -> UnknownFunction:
    """The error for an unknown name, with the nearest known names, of `group` if given."""
    names = sorted({spec.name for spec in catalog.specs() if group in {None, spec.group}})
    # The comparison's cost grows with the length, and no typing error has megabytes.
    if elsewhere := sorted({spec.group for spec in catalog.specs() if spec.name == name}):
        groups = " and ".join(f'"{one}"' for one in elsewhere)
        where = "by default" if group is None else f'in the group "{group}"'
        detail = f"there is no function {name!r} {where}, but in {groups}: name the group"
        return UnknownFunction(detail, extra={"suggestions": [name]})
    near = difflib.get_close_matches(name[:200], names, n=3, cutoff=0.5)
    if not near:  # the path before the name is missing, or a part of the name
        near = [known for known in names if name and name.lower() in known.lower()][:3]
    if fault := catalog.fault_of(name):
        detail = f"the function {name!r} cannot be used, as its file has faults: {fault}"
        return UnknownFunction(detail, extra={"suggestions": near})
    hint = f"; did you mean {' or '.join(f'{n!r}' for n in near)}?" if near else ""
    return UnknownFunction(f"there is no function {name!r}{hint}", extra={"suggestions": near})
