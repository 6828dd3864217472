"""Reads the parts of a balancer into the pieces that its pages show. Changes nothing."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from balancer.api.workers import shown
from balancer.dashboard.board import Piece
from balancer.dashboard.cells import CellState, cells
from balancer.dashboard.display_text import (
    age,
    attention_to,
    badge_text,
    number,
    percent,
    seconds,
    urgency,
)
from balancer.dashboard.trend import Trend
from balancer.fleet.fleet import Fleet
from balancer.fleet.inventory import Inventory
from balancer.fleet.worker import Worker
from balancer.fleet.worker_states import WorkerState
from slotgrid.core.dispatcher import Dispatcher
from slotgrid.core.node_state import NodeStatus
from slotgrid.core.supervisor import Supervisor
from slotgrid.core.task import Task
from slotgrid.core.task_states import TaskState

ROWS = 25
"""Running tasks shown: the longest-running ones, which change least and matter most."""

Pieces = dict[Piece, object]


@dataclass(frozen=True, slots=True)
class Look:
    """The content of one kind of page for one kind of reader.

    `owner`: whose tasks it may show, None for all owners. `worker`: the worker that it is about,
    None for all. `operates`: whether it has switches.
    """

    owner: str | None
    operates: bool
    worker: str | None = None


@dataclass(frozen=True, slots=True)
class Fragment:
    """A part of a page that is replaced as a whole when its facts change."""

    template: str
    facts: Mapping[str, object]


class Snapshot:
    """Takes the pieces of a look from the balancer's parts, all at one moment."""

    def __init__(
        self,
        *,
        name: str,
        status: NodeStatus,
        fleet: Fleet,
        inventory: Inventory,
        dispatcher: Dispatcher,
        supervisor: Supervisor,
        trend: Trend,
    ) -> None:
        self._name = name
        self._status = status
        self._fleet = fleet
        self._inventory = inventory
        self._dispatcher = dispatcher
        self._supervisor = supervisor
        self._trend = trend

    def close_second(self) -> None:
        """Add the past second to the trend."""
        waits_s: Iterator[float] = iter(())
        if self._dispatcher.waiting:
            now = time.monotonic()
            waits_s = (
                now - task.queued_mono
                for task in self._supervisor.live
                if task.state is TaskState.QUEUED
            )
        self._trend.close_second(
            waiting=self._dispatcher.waiting, running=self._supervisor.running, waits_s=waits_s
        )

    def take(self, look: Look) -> Pieces:
        """The current pieces of the look. A page about an unknown worker has only the node's."""
        pieces: Pieces = {Piece("html", "node"): self._node(look)}
        if look.worker is None:
            return pieces | self._overview(look)
        worker = self._fleet.roster.worker(look.worker)
        return pieces if worker is None else pieces | self._worker(worker, look)

    def _node(self, look: Look) -> Fragment:
        facts = {"name": self._name, "state": self._status.state, "operates": look.operates}
        return Fragment("node.html", facts)

    def _overview(self, look: Look) -> Pieces:
        workers = sorted(
            self._fleet.roster.workers(), key=lambda one: (one.group, one.contract, one.name)
        )
        now = time.monotonic()
        pieces: Pieces = {Piece("html", "fleet"): _fleet(workers)}
        totals: dict[str, int] = dict.fromkeys(CellState, 0)
        for worker in workers:
            pieces[Piece("html", f"tile.{worker.name}")] = _tile(worker)
            pieces |= _vitals(worker)
            for pool in worker.pools:
                counted = cells(worker, pool, now)
                pieces[Piece("cells", f"{worker.name}/{pool}")] = counted
                for state, count in counted.items():
                    totals[state] += count
        states = self._fleet.roster.states()
        pieces |= self._summary(totals, states[WorkerState.READY], len(workers))
        pieces |= {Piece("text", f"legend.{state}"): number(totals[state]) for state in CellState}
        pieces[Piece("html", "attention")] = self._attention(workers)
        pieces[Piece("html", "running")] = self._running(look)
        return pieces

    def _summary(self, totals: Mapping[str, int], ready: int, known: int) -> Pieces:
        last = self._trend.points[-1] if self._trend.points else None
        running, slots = totals[CellState.RUNNING], sum(totals.values())
        texts = {
            "slots.running": number(running),
            "slots.total": number(slots),
            "slots.free": number(totals[CellState.FREE]),
            "queue.waiting": number(self._dispatcher.waiting),
            "queue.longest": seconds(last.longest_wait_s if last else None),
            "queue.started": number(last.started if last else 0),
            "workers.ready": number(ready),
            "workers.total": number(known),
        }
        return {Piece("text", target): text for target, text in texts.items()}

    def _attention(self, workers: list[Worker]) -> Fragment:
        notes = [
            (worker.name, badge_text(worker), why)
            for worker in sorted(workers, key=urgency)
            if (why := attention_to(worker)) is not None
        ]
        return Fragment(
            "attention.html",
            {
                "notes": notes,
                "unheard": sorted(self._fleet.expected.unheard),
                "file_fault": self._inventory.fault,
            },
        )

    def _running(self, look: Look) -> Fragment:
        running = sorted(
            (
                task
                for task in self._supervisor.live
                if task.state is TaskState.RUNNING and look.owner in {None, task.owner}
            ),
            key=lambda task: task.started_mono,
        )
        rows = [_row(task) for task in running[:ROWS]]
        return Fragment("running.html", {"rows": rows, "more": len(running) - len(rows)})

    def _worker(self, worker: Worker, look: Look) -> Pieces:
        facts = shown(worker)
        head = {
            name: facts[name]
            for name in ("name", "status", "group", "contract", "version", "address", "weight")
        }
        head |= {
            "objection": worker.objection,
            "note": None if worker.objection is not None else attention_to(worker),
            "pools": [(pool, pool in worker.persistent) for pool in worker.pools],
            "operates": look.operates,
            "away": worker.state is WorkerState.LOST,
        }
        about = {name: facts[name] for name in ("labels", "tags", "services", "versions")}
        functions = {
            "functions": [
                (spec.name, spec.description, spec.revision)
                for spec in sorted(worker.functions, key=lambda spec: spec.name)
            ]
        }
        now = time.monotonic()
        pieces: Pieces = {
            Piece("html", "worker.head"): Fragment("worker_head.html", head),
            Piece("html", "worker.about"): Fragment("worker_about.html", about),
            Piece("html", "worker.functions"): Fragment("worker_functions.html", functions),
        }
        for pool in worker.pools:
            pieces[Piece("cells", f"{worker.name}/{pool}")] = cells(worker, pool, now)
        free_slots = {
            f"worker.free.{pool}": ", ".join(map(str, sorted(numbers))) or "none"
            for pool, numbers in worker.free_slots.items()
        }
        texts = free_slots | {
            "worker.lag": f"{facts['system']['loop_lag_ms']:.0f} ms",
            "worker.memory_bytes": f"{worker.report.system.memory_bytes / 2**20:,.0f} MiB",
            "worker.browsers": "none"
            if worker.report.browsers is None
            else str(worker.report.browsers),
            "worker.queue": number(worker.report.queue),
            "worker.sent": number(worker.flights),
            "worker.link": age(facts["link_age_s"]),
        }
        return pieces | _vitals(worker) | {Piece("text", key): text for key, text in texts.items()}


def _fleet(workers: list[Worker]) -> Fragment:
    """The workers by group and contract: a tile for each."""
    groups: dict[tuple[str, int], list[str]] = {}
    for worker in workers:
        groups.setdefault((worker.group, worker.contract), []).append(worker.name)
    return Fragment("fleet.html", {"groups": [(*key, names) for key, names in groups.items()]})


def _tile(worker: Worker) -> Fragment:
    return Fragment(
        "tile.html",
        {
            "name": worker.name,
            "state": worker.state,
            "held": worker.report.held is not None,
            "pools": tuple(worker.pools),
            "down": tuple(sorted(worker.down)),
        },
    )


def _vitals(worker: Worker) -> Pieces:
    lost = worker.state is WorkerState.LOST
    report = worker.report
    return {
        Piece("text", f"{worker.name}/cpu"): percent(None if lost else report.system.cpu_percent),
        Piece("text", f"{worker.name}/memory"): percent(
            None if lost else report.system.memory_percent
        ),
    }


def _row(task: Task) -> tuple[object, ...]:
    started_ms = int((task.started_at or 0.0) * 1000)
    priority, at_worker = task.submission.priority, task.spec.needs_slot
    return (task.id, task.spec.name, task.worker, at_worker, task.owner, priority, started_ms)
