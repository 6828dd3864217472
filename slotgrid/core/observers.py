"""Several observers as one."""

from collections.abc import Callable

from slotgrid.core.supervisor import Observer

TURNS = ("accepted", "leased", "will_retry", "finished", "defect")


class Observers(Observer):
    """Tells each of them, in their order; whoever has no method for a turn is not even called."""

    def __init__(self, *observers: Observer) -> None:
        for turn in TURNS:
            unheard = getattr(Observer, turn)
            hearing = [one for one in observers if getattr(type(one), turn) is not unheard]
            setattr(self, turn, _all([getattr(one, turn) for one in hearing]))


def _all(methods: list[Callable[..., None]]) -> Callable[..., None]:
    if len(methods) == 1:
        return methods[0]

    def tell(*what: object) -> None:
        for method in methods:
            method(*what)

    return tell
