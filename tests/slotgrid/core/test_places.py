"""Where tasks ask to run, seen as what they wait for."""

from slotgrid.core.fields import ANYWHERE, Place


def test_a_place_without_a_slot_waits_for_none_of_its_own() -> None:
    assert Place(worker="one").slot_only() is ANYWHERE
    named = Place(worker="one", pool="accounts", slot=1)
    assert named.slot_only() == named
