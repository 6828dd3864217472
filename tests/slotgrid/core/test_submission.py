from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotgrid.core.errors import FAULTS_LIMIT, InvalidSubmission
from slotgrid.core.fields import Mode, Place, Webhook
from slotgrid.core.json_readers import NESTING_LIMIT
from slotgrid.core.submission import Submission


def faults(body: object) -> dict[str, str]:
    """The faults of a body, by pointer."""
    with pytest.raises(InvalidSubmission) as caught:
        Submission.parse(body)
    found = {violation.pointer: violation.message for violation in caught.value.errors}
    assert len(found) == len(caught.value.errors)  # none is told twice
    return found


def fault(name: str, value: object, **beside: object) -> dict[str, str]:
    return faults({"function": "f", name: value} | beside)


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


WORDS = st.text("fab ", max_size=3)
NUMBERS = st.one_of(st.integers(-1, 12), st.floats(-1, 20), st.just(10**400), st.booleans())
ANYTHING = st.one_of(st.none(), WORDS, NUMBERS, st.dictionaries(WORDS, NUMBERS, max_size=2))
MODES = st.sampled_from(["sync", "stream", "async", "webhook", "soon"])
NEARLY_BODIES = st.fixed_dictionaries(
    {"function": st.one_of(WORDS, st.just("f"))},
    optional={
        "mode": st.one_of(MODES, ANYTHING),
        "input": st.one_of(st.dictionaries(WORDS, ANYTHING, max_size=2), ANYTHING),
        "metadata": st.one_of(st.dictionaries(WORDS, ANYTHING, max_size=2), ANYTHING),
        "webhook": st.one_of(st.just({"url": "http://h/"}), ANYTHING),
        "place": st.one_of(st.just({"pool": "p"}), ANYTHING),
        **{name: st.one_of(NUMBERS, ANYTHING) for name in ("timeout_s", "wait_s", "priority")},
        **dict.fromkeys(("contract", "group", "not_before", "trace", "body", "size"), ANYTHING),
    },
)


@given(body=NEARLY_BODIES)
def test_any_object_is_parsed_as_given_or_refused_with_pointers(body: dict[str, Any]) -> None:
    try:
        parsed = Submission.parse(body)
    except InvalidSubmission as refusal:
        assert {fault.pointer.split("/")[1] for fault in refusal.errors} <= {*body, "webhook"}
        return
    as_given = ("function", "input", "metadata", "mode", "group", "contract", "timeout_s", "wait_s")
    for name in (*as_given, "priority"):
        expected = body.get(name, getattr(Submission(function="f"), name))
        assert getattr(parsed, name) == (min(expected, 9) if name == "priority" else expected)
    assert isinstance(parsed.timeout_s, float | None)
    assert isinstance(parsed.wait_s, float | None)


def test_a_function_is_enough_and_the_rest_has_defaults() -> None:
    body = {"function": "f"}
    assert Submission.parse(body) == Submission(
        function="f",
        body=body,
        input={},
        group=None,
        contract=None,
        priority=5,
        mode=Mode.SYNC,
        webhook=None,
        timeout_s=None,
        wait_s=None,
        not_before=None,
        expires_at=None,
        place=Place(),
        metadata={},
        trace=(),
        size=0,
    )


def test_every_field_is_read() -> None:
    body = {
        "function": "shop/price",
        "input": {"url": "https://example.org"},
        "group": "shop",
        "contract": 2,
        "priority": 1,
        "mode": "webhook",
        "webhook": {"url": "https://example.org/done", "headers": {"a": "b"}, "secret": "s"},
        "timeout_s": 1.5,
        "wait_s": 0,
        "not_before": "2030-01-31T08:00:00Z",
        "expires_at": "2030-01-31T08:00:00+02:00",
        "place": {"worker": "w1", "pool": "p", "slot": 2, "labels": {"zone": "b", "arch": "a"}},
        "metadata": {"order": 7},
    }
    trace = (("traceparent", "00-1-2-01"),)
    assert Submission.parse(body, trace=trace, size=99) == Submission(
        function="shop/price",
        input={"url": "https://example.org"},
        group="shop",
        contract=2,
        priority=1,
        mode=Mode.WEBHOOK,
        webhook=Webhook("https://example.org/done", (("a", "b"),), "s"),
        timeout_s=1.5,
        wait_s=0.0,
        not_before=datetime(2030, 1, 31, 8, tzinfo=UTC),
        expires_at=datetime(2030, 1, 31, 8, tzinfo=timezone(timedelta(hours=2))),
        place=Place("w1", "p", (("arch", "a"), ("zone", "b")), 2),
        metadata={"order": 7},
        trace=trace,
        size=99,
        body=body,
    )


def test_secrets_and_input_are_not_in_what_is_printed_of_a_submission() -> None:
    webhook = {"url": "https://example.org", "secret": "hunter2"}
    body = {"function": "f", "input": {"k": "hunter2"}, "mode": "webhook", "webhook": webhook}
    assert "hunter2" not in repr(Submission.parse(body))


@pytest.mark.parametrize(("given", "counts_as"), [(1, 1), (9, 9), (10, 9), (10**12, 9)])
def test_a_priority_above_nine_counts_as_nine(given: int, counts_as: int) -> None:
    assert Submission.parse({"function": "f", "priority": given}).priority == counts_as


def test_a_time_without_a_zone_is_in_utc() -> None:
    body = {"function": "f", "mode": "async", "not_before": "2030-01-31T08:00:00"}
    assert Submission.parse(body).not_before == datetime(2030, 1, 31, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("function", "", "must not be empty"),
        ("function", None, "expected a string, got null"),
        ("input", [], "expected an object, got an array"),
        ("input", "x", "expected an object, got a string"),
        ("group", 1, "expected a string, got an integer"),
        ("contract", 0, "must be 1 or more, got 0"),
        ("contract", 1.0, "expected an integer, got a number"),
        ("contract", True, "expected an integer, got a boolean"),
        ("priority", 0, "must be 1 (highest) or more, got 0"),
        ("priority", -3, "must be 1 (highest) or more, got -3"),
        ("priority", "high", "expected an integer, got a string"),
        ("mode", "fast", 'must be one of sync, stream, webhook, async, got "fast"'),
        ("mode", 1, "expected a string, got an integer"),
        ("timeout_s", 0, "must be above 0 seconds, got 0"),
        ("timeout_s", -0.5, "must be above 0 seconds, got -0.5"),
        ("timeout_s", "10", "expected a number of seconds, got a string"),
        ("timeout_s", float("inf"), "expected a number of seconds, got a number"),
        ("wait_s", -1, "must be 0 seconds or more, got -1"),
        ("wait_s", False, "expected a number of seconds, got a boolean"),
        ("metadata", None, "expected an object, got null"),
        ("place", "w1", "expected an object, got a string"),
    ],
)
def test_a_value_that_its_field_cannot_take_is_a_fault_there(
    name: str, value: object, message: str
) -> None:
    assert fault(name, value) == {f"/{name}": message}


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ({"worker": 1}, {"/place/worker": "expected a string, got an integer"}),
        ({"pool": ""}, {"/place/pool": "must not be empty"}),
        ({"labels": []}, {"/place/labels": "expected an object, got an array"}),
        ({"labels": {"a/b": 1}}, {"/place/labels/a~1b": "expected a string, got an integer"}),
        ({"poll": "x"}, {"/place/poll": 'unknown field; did you mean "pool"?'}),
        ({"pool": "p", "slot": "1"}, {"/place/slot": "expected an integer, got a string"}),
        ({"pool": "p", "slot": True}, {"/place/slot": "expected an integer, got a boolean"}),
        ({"pool": "p", "slot": -1}, {"/place/slot": "expected an integer from 0 to 9999, got -1"}),
        (
            {"pool": "p", "slot": 10**30},
            {"/place/slot": f"expected an integer from 0 to 9999, got {10**30}"},
        ),
        (
            {"worker": "w", "slot": 0},
            {"/place/pool": "is required by slot, which numbers the slots of one pool"},
        ),
    ],
)
def test_a_fault_in_a_place_is_pointed_at(place: object, expected: dict[str, str]) -> None:
    assert fault("place", place) == expected


@pytest.mark.parametrize(
    ("webhook", "expected"),
    [
        ({}, {"/webhook/url": "is required"}),
        ({"url": 5}, {"/webhook/url": "expected a string, got an integer"}),
        ({"url": "ftp://example.org"}, {"/webhook/url": "expected an http or https URL"}),
        (
            {"url": "https://example.org", "headers": {"a": None}},
            {"/webhook/headers/a": "expected a string, got null"},
        ),
        (
            {"urk": "x", "secret": 5},
            {
                "/webhook/url": "is required",
                "/webhook/urk": 'unknown field; did you mean "url"?',
                "/webhook/secret": "expected a string, got an integer",
            },
        ),
        (7, {"/webhook": "expected an object, got an integer"}),
    ],
)
def test_a_fault_in_a_webhook_is_pointed_at_and_brings_no_other(
    webhook: object, expected: dict[str, str]
) -> None:
    assert fault("webhook", webhook, mode="webhook") == expected


def test_all_faults_are_told_at_once() -> None:
    body = {"priority": 0, "mod": "sync", "place": {"pool": 1, "labels": {"a": 1}}, "wait_s": "x"}
    assert set(faults(body)) == {
        "/function", "/priority", "/mod", "/place/pool", "/place/labels/a", "/wait_s",
    }  # fmt: skip


def test_the_sentence_names_the_first_fault_and_how_many_more_there_are() -> None:
    with pytest.raises(InvalidSubmission, match=r"^/function: is required \(and 1 more\)$"):
        Submission.parse({"priority": 0})
    with pytest.raises(InvalidSubmission, match=r"^/function: is required$"):
        Submission.parse({})


@pytest.mark.parametrize(
    ("body", "kind"), [([], "an array"), ("x", "a string"), (None, "null"), (b"", "bytes")]
)
def test_a_body_that_is_no_object_is_one_fault_at_its_root(body: object, kind: str) -> None:
    assert faults(body) == {"": f"expected an object, got {kind}"}


def test_an_unknown_field_is_pointed_at_with_the_nearest_known() -> None:
    assert fault("prioritee", 1) == {"/prioritee": 'unknown field; did you mean "priority"?'}
    assert fault("zzz", 1) == {"/zzz": "unknown field"}
    assert fault("a/b~c", 1) == {"/a~1b~0c": "unknown field"}


def test_a_name_too_long_to_be_a_typing_error_is_compared_with_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[str] = []

    def noted(name: str, known: object, n: int) -> list[str]:
        compared.append(name)
        return []

    monkeypatch.setattr("difflib.get_close_matches", noted)
    assert list(fault("priority" * 100, 1).values()) == ["unknown field"]
    assert list(fault("prioritee", 1).values()) == ["unknown field"]
    assert compared == ["prioritee"]


def test_the_number_of_faults_is_bounded() -> None:
    found = faults({f"field{n}": 1 for n in range(10 * FAULTS_LIMIT)})
    assert len(found) == FAULTS_LIMIT
    assert "/function" in found


@pytest.mark.parametrize("name", ["input", "metadata"])
def test_what_is_nested_too_deeply_to_be_written_again_is_refused(name: str) -> None:
    Submission.parse({"function": "f", name: nested(NESTING_LIMIT)})
    message = f"is nested deeper than {NESTING_LIMIT} levels"
    assert fault(name, nested(NESTING_LIMIT + 1)) == {f"/{name}": message}
    assert fault(name, {"a": [nested(NESTING_LIMIT)]}) == {f"/{name}": message}


# Fields that only make sense together.


def test_mode_webhook_needs_a_webhook_and_no_other_mode_takes_one() -> None:
    assert fault("mode", "webhook") == {"/webhook": "is required by mode webhook"}
    webhook = {"url": "https://example.org"}
    for mode in ("sync", "stream", "async"):
        assert fault("webhook", webhook, mode=mode) == {
            "/webhook": f"goes with mode webhook, not with mode {mode}"
        }


@pytest.mark.parametrize("name", ["not_before", "expires_at"])
def test_times_go_with_durable_modes(name: str) -> None:
    time = "2030-01-31T08:00:00Z"
    assert list(fault(name, time)) == [f"/{name}"]
    assert list(fault(name, "soon", mode="async")) == [f"/{name}"]
    assert Submission.parse({"function": "f", "mode": "async", name: time})


def test_a_mode_that_cannot_be_read_contradicts_nothing() -> None:
    webhook = {"url": "https://example.org"}
    assert list(fault("mode", "webhok", webhook=webhook)) == ["/mode"]


# The query form.


def test_the_query_gives_every_field_but_the_input() -> None:
    query = {
        "priority": "2",
        "timeout_s": "1.5",
        "wait_s": "0",
        "contract": "3",
        "group": "5",
        "mode": "stream",
        "place": '{"pool": "logins"}',
        "metadata": '{"order": 7}',
    }
    trace = (("traceparent", "00-1-2-01"),)
    got = Submission.from_query("a/b", {"x": 1}, query, trace=trace, size=9)
    assert got == Submission(
        function="a/b",
        input={"x": 1},
        priority=2,
        timeout_s=1.5,
        wait_s=0.0,
        contract=3,
        group="5",
        mode=Mode.STREAM,
        place=Place(pool="logins"),
        metadata={"order": 7},
        trace=trace,
        size=9,
        body=got.body,
    )
    # What is recorded of it reads the same as a body of `POST /task`.
    assert Submission.parse(got.body, trace=trace, size=9) == got


@pytest.mark.parametrize(
    ("query", "input_", "expected"),
    [
        ({"priority": "high"}, {}, {"/priority"}),
        ({"place": "{"}, {}, {"/place"}),
        ({"timeout_s": "nan"}, {}, {"/timeout_s"}),
        ({"color": "red", "wait_s": "-1"}, [], {"/color", "/wait_s", "/input"}),
        ({"function": "g", "input": "{}"}, {}, {"/function", "/input"}),
    ],
)
def test_faults_of_the_query_form_are_told_at_once(
    query: dict[str, str], input_: object, expected: set[str]
) -> None:
    with pytest.raises(InvalidSubmission) as caught:
        Submission.from_query("f", input_, query)
    assert {violation.pointer for violation in caught.value.errors} == expected
