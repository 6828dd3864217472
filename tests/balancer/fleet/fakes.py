"""A fleet on a clock of the test's, and workers as their links would describe them."""

from collections.abc import Mapping
from typing import Any

from balancer.fleet.expected_workers import RETURNING_S
from balancer.fleet.fleet import Fleet
from balancer.fleet.worker import Counts, Worker
from slotgrid.core.fields import Place
from slotgrid.core.priority_queue import TaskClass
from slotgrid.core.slots import Slot
from slotgrid.core.spec import FunctionSpec
from slotgrid.wire.message_parts import System
from slotgrid.wire.messages import PROTOCOL, Hello, Report, Started
from tests.slotgrid.core.fakes import PLAIN, ManualClock

DEFAULT = TaskClass("default", 1, "default")


class FakeFleet(Fleet):
    """A fleet with a clock that the test moves, in which the first that joined wins a draw.

    Its balancer has been up for a while, unless `fresh`.
    """

    def __init__(self, *, fresh: bool = False) -> None:
        self.clock = ManualClock()
        super().__init__(clock=self.clock, chance=lambda: 0.0)
        if not fresh:
            self.clock.advance(RETURNING_S)

    def join(
        self, name: str, *, boot: str = "b1", free: int | None = None, **fields: Any
    ) -> Worker:
        """A worker of four slots in one pool, unless the fields say otherwise."""
        keys = ("address", "weight", "added")
        listing: dict[str, Any] = {key: fields.pop(key) for key in keys if key in fields}
        if "added" in listing:
            listing["labels"] = listing.pop("added")
        pools = fields.pop("pools", {"default": 4})
        said = report(0, pools if free is None else {"default": free}, **fields.pop("report", {}))
        functions = fields.pop("functions", [PLAIN])
        return self.joined(
            hello(name, said, boot=boot, pools=pools, **fields), functions, **listing
        )

    def names(self, cls: TaskClass = DEFAULT) -> list[str]:
        """The workers that get the next tasks, for as long as there is room."""
        slots: list[Slot] = []
        while self.can_serve(cls):
            slots.append(self.take(cls))
        for slot in slots:
            self.give_back(slot)
        return [slot.worker for slot in slots]


def hello(name: str, report: Report, **fields: Any) -> Hello:
    facts: dict[str, Any] = {"boot": "b1", "group": "default", "contract": 1}
    facts["labels"] = dict(fields.pop("labels", ()))
    slots = sum(fields["pools"].values())
    facts |= {"protocol": PROTOCOL, "version": "1"}
    return Hello(name=name, slots=slots, report=report, **(facts | fields))


def report(seq: int, free: Mapping[str, int] | int, **fields: Any) -> Report:
    load = {name: fields.pop(name) for name in System.__struct_fields__ if name in fields}
    facts: dict[str, Any] = {"status": "ready", "used": 0, "system": System(**load)}
    return Report(seq=seq, free=by_pool(free), **(facts | fields))


def counts(seq: int, free: Mapping[str, int] | int) -> Counts:
    return Started(id="task", slot=0, seq=seq, free=by_pool(free))


def by_pool(free: Mapping[str, int] | int) -> Mapping[str, int]:
    return {"default": free} if isinstance(free, int) else free


def placed(cls: TaskClass = DEFAULT, **place: Any) -> TaskClass:
    return cls._replace(place=Place(**place), pool=place.get("pool", cls.pool))


def gated(spec: FunctionSpec) -> TaskClass:
    return TaskClass(spec.group, spec.contract, spec.pool, gate=spec.name)
