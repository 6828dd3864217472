"""The functions of a balancer: those of its fleet, and its own."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from balancer.fleet.roster import DEFAULT_GROUP, Roster
from slotgrid.core.spec import FunctionSpec


class BalancerCatalog:
    """Joins the functions of the fleet with the balancer's own. Implements core's `Catalog`.

    An own function hides the fleet's functions of its name in its group: a call must not depend
    on which workers are connected. A contract that the caller names still selects the fleet's.
    """

    def __init__(self, fleet: Roster) -> None:
        self._fleet = fleet
        self._own: Mapping[tuple[str, str], FunctionSpec] = {}
        self._own_version = 0
        self.own_fault_of: Callable[[str], str] = lambda _: ""

    @property
    def version(self) -> int:
        """As `Catalog.version`."""
        return self._fleet.version + self._own_version

    def find(
        self, name: str, group: str | None = None, contract: int | None = None
    ) -> FunctionSpec | None:
        """As `Roster.find`, but an own function comes first."""
        return self.find_own(name, group, contract) or self._fleet.find(name, group, contract)

    def find_own(
        self, name: str, group: str | None = None, contract: int | None = None
    ) -> FunctionSpec | None:
        """The balancer's own function of that name; group None means `default`."""
        spec = self._own.get((group or DEFAULT_GROUP, name))
        if spec is None or contract in {None, spec.contract}:
            return spec
        if self._fleet.find(name, spec.group, contract) is not None:
            return None
        # The steps of a flow run in the contract that the caller names.
        return spec if contract in self._fleet.groups().get(spec.group, ()) else None

    def specs(self) -> Sequence[FunctionSpec]:
        """As `Roster.specs`; of functions with one name and group, the own one is last."""
        fleet = (
            spec
            for spec in self._fleet.specs()
            if self.find_own(spec.name, spec.group, spec.contract) is None
        )
        return sorted(
            [*fleet, *self._own.values()],
            key=lambda spec: (spec.name, spec.group == DEFAULT_GROUP, spec.group),
        )

    def fault_of(self, name: str) -> str:
        """As `Roster.fault_of`; of an own function, why its file is not usable."""
        return self.own_fault_of(name) or self._fleet.fault_of(name)

    def groups(self) -> Mapping[str, Sequence[int]]:
        """Each group with its contracts, those of own functions included."""
        contracts = {group: set(there) for group, there in self._fleet.groups().items()}
        for spec in self._own.values():
            contracts.setdefault(spec.group, set()).add(spec.contract)
        return {group: sorted(there) for group, there in sorted(contracts.items())}

    def replace_own(self, specs: Iterable[FunctionSpec]) -> None:
        """Replace the balancer's own functions."""
        self._own = {(spec.group, spec.name): spec for spec in specs}
        self._own_version += 1
