from balancer.fleet.contract_agreement import Agreement, difference, fingerprint
from slotgrid.core.schema import Schema
from tests.slotgrid.core.fakes import function

URL = Schema({"type": "object", "required": ["url"]})
A, B = function("a"), function("b")


def test_order_code_and_description_make_no_difference() -> None:
    rolled_out = function("a", revision="r2", description="Does it faster.")
    assert fingerprint([A, B]) == fingerprint([B, rolled_out])
    assert difference({"a": A}, {"a": rolled_out}) is None


def test_what_callers_rely_on_makes_one() -> None:
    for changed in (
        function("a", input=URL),
        function("a", output=URL),
        function("a", retries=1),
        function("a", rate=(1, 60.0)),
        function("a", timeout_s=1.0),
    ):
        assert fingerprint([changed]) != fingerprint([A])


def test_a_difference_is_told_in_words() -> None:
    ours = {"a": function("a", input=URL, retries=2), "c": function("c")}
    assert (
        difference(ours, {"a": A, "b": B})
        == "lacks b; has besides c; differs in a (input, retries)"
    )
    many = {name: function(name) for name in "abcdefg"}
    assert difference({}, many) == "lacks a, b, c, d, e and 2 more"


def test_the_majority_says_what_is_offered() -> None:
    agreement = Agreement()
    assert agreement.vote("w1", [A])
    assert not agreement.vote("w2", [A, B])
    assert agreement.functions == {"a": A}
    assert agreement.objection("w1") is None
    assert agreement.objection("w2") == "has besides b"
    assert agreement.vote("w3", [A, B])
    assert sorted(agreement.functions) == ["a", "b"]
    assert agreement.objection("w1") == "lacks b"
    assert agreement.objection("w2") is None


def test_of_two_equal_sides_the_one_connected_longest_wins() -> None:
    agreement = Agreement()
    for name, functions in (("w1", [A]), ("w2", [B]), ("w3", [B]), ("w4", [A])):
        agreement.vote(name, functions)
    assert sorted(agreement.functions) == ["a"]
    assert agreement.leave("w1")
    assert sorted(agreement.functions) == ["b"]
    agreement.vote("w1", [A])  # back, and so the youngest
    assert sorted(agreement.functions) == ["b"]


def test_changing_its_functions_does_not_make_a_worker_younger() -> None:
    agreement = Agreement()
    agreement.vote("w1", [A])
    agreement.vote("w2", [A])
    assert agreement.vote("w1", [B])
    assert agreement.objection("w2") == "lacks b; has besides a"


def test_without_any_voter_the_last_agreement_stands() -> None:
    agreement = Agreement()
    agreement.vote("w1", [A])
    assert not agreement.leave("w1")
    assert not agreement.leave("w1")
    assert agreement.functions == {"a": A}
    assert agreement.objection("w1") is None
    assert agreement.vote("w2", [B])


def test_what_is_shown_is_the_newest_word_of_the_side_that_won() -> None:
    agreement = Agreement()
    newer = function("a", revision="r2")
    agreement.vote("w1", [A])
    assert not agreement.vote("w2", [A])
    assert agreement.vote("w2", [newer])
    assert agreement.functions == {"a": newer}
    assert agreement.objection("w1") is None
