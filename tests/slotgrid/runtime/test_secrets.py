import json
from urllib.parse import quote

import pytest

from slotgrid.runtime.secrets import HIDDEN, Redactor, SecretValues, is_secret_name


@pytest.mark.parametrize(
    "name",
    ["Authorization", "Set-Cookie", "auth_key", "AUTH_KEY", "password", "db_password", "X-Api-Key"],
)
def test_names_that_always_hide(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["key", "tokens_used", "author", "url", "passed"])
def test_names_that_do_not(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize("secret", ['a"b\\c d', "pä/ss&wörd", "line one\nline two", "it's"])
def test_a_secret_is_hidden_however_it_is_written(secret: str) -> None:
    known = SecretValues.of([secret])
    for written in (secret, json.dumps(secret), repr(secret), f"?p={quote(secret, safe='')}&"):
        hidden = known.hide_text(f"<{written}>")
        assert HIDDEN in hidden
        assert secret not in hidden


def test_the_search_in_a_rendered_line_finds_what_hiding_would_hide() -> None:
    known = SecretValues.of(['quo"ted\n', "ab", "1234"])
    for value in ['quo"ted\n', "ab", 1234, json.dumps('quo"ted\n')]:
        line = json.dumps({"x": value}, ensure_ascii=False, separators=(",", ":")).encode()
        assert known.occur_in(line)
    assert not known.occur_in(b'{"x":"cab"}')


def test_a_short_secret_is_hidden_only_where_it_is_the_whole_text() -> None:
    known = SecretValues.of(["ab"])
    assert known.hide({"given": "ab", "about": "cabbage"}) == {
        "given": HIDDEN,
        "about": "cabbage",
    }


def test_words_of_every_json_text_are_hidden_only_where_they_are_the_whole_text() -> None:
    values = SecretValues.of(["true", "null"])
    assert values.hide_text('{"open": true, "until": null}') == '{"open": true, "until": null}'
    assert values.hide_text("true") == HIDDEN


def test_the_longer_of_two_secrets_is_hidden_as_a_whole() -> None:
    assert SecretValues.of(["hunter", "hunter2-long"]).hide_text("hunter2-long") == HIDDEN
    assert SecretValues.of(["hunter", "hunter2-long"]).hide_text("x hunter2-long") == f"x {HIDDEN}"


def test_each_line_of_a_private_key_is_a_secret() -> None:
    known = SecretValues.of(["-----BEGIN-----\nMIIEvQIBADANBg\n-----END-----"])
    assert known.hide_text("  File x: MIIEvQIBADANBg") == f"  File x: {HIDDEN}"


def test_values_are_hidden_at_any_depth_and_under_any_name() -> None:
    known = SecretValues.of(["hunter2"])
    hidden = known.hide({"a": [{"b": ("say hunter2", 5, None, True)}], "hunter2": 1})
    assert hidden == {"a": [{"b": [f"say {HIDDEN}", 5, None, True]}], HIDDEN: 1}


def test_a_scope_hides_only_while_it_is_open() -> None:
    redactor = Redactor(["key-of-node"])
    with redactor.scope({"user": "maria", "pin": 4711, "on": True, "none": None}) as secrets:
        assert redactor.known.hide("maria 4711") == f"{HIDDEN} {HIDDEN}"
        assert secrets.hide(4711) == HIDDEN
        assert secrets.hide_text("key-of-node") == HIDDEN
        assert secrets.hide(True) is True
    assert redactor.known.hide("maria 4711") == "maria 4711"
    assert redactor.known.hide("key-of-node") == HIDDEN


def test_two_tasks_with_one_secret_each_hold_it() -> None:
    redactor = Redactor()
    with redactor.scope("same-secret"):
        with redactor.scope(["same-secret"]):
            pass
        assert redactor.known.hide_text("same-secret") == HIDDEN
    assert redactor.known.hide_text("same-secret") == "same-secret"


def test_the_events_of_one_task_are_not_garbled_by_the_secrets_of_another() -> None:
    redactor = Redactor()
    with redactor.scope("test"), redactor.scope("other") as secrets:
        assert secrets.hide_text("a test") == "a test"
        assert redactor.known.hide_text("a test") == f"a {HIDDEN}"


def test_a_task_without_secrets_changes_nothing() -> None:
    redactor = Redactor(["key-of-node"])
    before = redactor.known
    with redactor.scope({}):
        assert redactor.known is before
