"""Several observers as one: who is told of what, and in which order."""

from slotgrid.core.observer import CALLBACKS, Observer, Observers
from slotgrid.core.task import Task
from tests.slotgrid.core.fakes import RecordingObserver, make_node


class Ends(Observer):
    """Hears of ends alone."""

    def __init__(self, told: list[str]) -> None:
        self._told = told

    def finished(self, task: Task) -> None:
        self._told.append("ends")


class Starts(Observer):
    """Hears of starts and of ends."""

    def __init__(self, told: list[str]) -> None:
        self._told = told

    def started(self, task: Task) -> None:
        self._told.append("starts")

    def finished(self, task: Task) -> None:
        self._told.append("starts, of an end")


def test_each_is_told_in_order_and_only_of_what_it_hears() -> None:
    told: list[str] = []
    all_of_them = Observers(Starts(told), Ends(told))
    task = make_node().task()
    all_of_them.accepted(task)
    all_of_them.finished(task)
    assert told == ["starts, of an end", "ends"]


def test_every_turn_reaches_who_hears_them_all() -> None:
    recording = RecordingObserver()
    both = Observers(recording, Observer())
    for turn in CALLBACKS:
        # It alone hears anything, so what is called is its own method.
        assert getattr(both, turn) == getattr(recording, turn)


def test_the_turns_are_those_of_an_observer() -> None:
    assert set(CALLBACKS) == {name for name in vars(Observer) if not name.startswith("_")}
