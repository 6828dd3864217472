"""Same group and contract means the same functions: finds the workers that deviate."""

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

import orjson

from slotgrid.core.spec import FunctionSpec

NAMED_LIMIT = 5
"""Functions named in a difference, at most; people read it."""


def promised(spec: FunctionSpec) -> dict[str, Any]:
    """The properties of a function that callers and queues rely on.

    Not its description or revision: code may roll out one worker at a time.
    """
    facts = spec.to_json()
    for member in ("description", "revision", "group", "contract"):
        del facts[member]
    return facts


def fingerprint(functions: Collection[FunctionSpec]) -> str:
    """A digest, equal for sets of functions with equal promises."""
    facts = sorted((promised(spec) for spec in functions), key=lambda fact: str(fact["name"]))
    written = orjson.dumps(facts, option=orjson.OPT_SORT_KEYS, default=list)
    return hashlib.sha256(written).hexdigest()[:16]


def difference(
    functions: Mapping[str, FunctionSpec], agreed: Mapping[str, FunctionSpec]
) -> str | None:
    """How a worker's functions differ from the agreed ones, in words; None if they do not."""
    changed = [
        f"{name} ({', '.join(members)})"
        for name in sorted(functions.keys() & agreed.keys())
        if (members := _changed(functions[name], agreed[name]))
    ]
    parts = [
        f"{what} {_named(names)}"
        for what, names in (
            ("lacks", sorted(agreed.keys() - functions.keys())),
            ("has besides", sorted(functions.keys() - agreed.keys())),
            ("differs in", changed),
        )
        if names
    ]
    return "; ".join(parts) or None


def _changed(one: FunctionSpec, other: FunctionSpec) -> list[str]:
    mine, theirs = promised(one), promised(other)
    return [member for member in mine if mine[member] != theirs[member]]


def _named(names: list[str]) -> str:
    more = len(names) - NAMED_LIMIT
    shown = ", ".join(names[:NAMED_LIMIT])
    return f"{shown} and {more} more" if more > 0 else shown


def _shown(functions: Mapping[str, FunctionSpec]) -> dict[str, tuple[str, str]]:
    return {name: (spec.revision, spec.description) for name, spec in functions.items()}


class Agreement:
    """The functions of one group and contract, by majority vote of its workers.

    In a tie the side with the longest-connected worker wins. Without voters the last agreement
    remains: a function of an absent fleet must be distinguished from an unknown function.
    """

    def __init__(self) -> None:
        self.functions: Mapping[str, FunctionSpec] = {}
        self._side: str | None = None
        self._sides: dict[str, dict[str, Mapping[str, FunctionSpec]]] = {}
        self._joined: dict[str, int] = {}
        self._votes = 0

    def vote(self, worker: str, functions: Collection[FunctionSpec]) -> bool:
        """Record the worker's functions; returns whether the agreement changed."""
        side = fingerprint(functions)
        self._withdraw_vote(worker)
        if worker not in self._joined:
            self._votes += 1
            self._joined[worker] = self._votes
        mine = {spec.name: spec for spec in functions}
        self._sides.setdefault(side, {})[worker] = mine
        changed = self._elect()
        # Same promises: description and revision are those that the winning side sent last.
        if side == self._side and _shown(mine) != _shown(self.functions):
            self.functions, changed = mine, True
        return changed

    def leave(self, worker: str) -> bool:
        """Remove the worker's vote; returns whether the agreement changed."""
        self._withdraw_vote(worker)
        self._joined.pop(worker, None)
        return self._elect()

    def objection(self, worker: str) -> str | None:
        """How the worker's functions differ from the agreed ones; None if they do not."""
        for side, members in self._sides.items():
            if worker in members and side != self._side:
                return difference(members[worker], self.functions)
        return None

    def _withdraw_vote(self, worker: str) -> None:
        for side, members in list(self._sides.items()):
            if members.pop(worker, None) is not None and not members:
                del self._sides[side]

    def _elect(self) -> bool:
        if not self._sides:
            return False
        # Only a tie needs the search for the longest-connected worker.
        most = max(len(members) for members in self._sides.values())
        largest = [side for side, members in self._sides.items() if len(members) == most]
        side = largest[0]
        if len(largest) > 1:
            side = min(
                largest, key=lambda each: min(map(self._joined.__getitem__, self._sides[each]))
            )
        changed = side != self._side
        self._side = side
        if changed:
            self.functions = next(iter(self._sides[side].values()))
        return changed
