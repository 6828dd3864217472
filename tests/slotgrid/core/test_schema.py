from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slotgrid.core.errors import FAULTS_LIMIT
from slotgrid.core.schema import REDACTED, Schema, SchemaFault
from slotgrid.function import Secret
from slotgrid.url_credentials import SECRET_PART, URL_PASSWORD

SECRET = {"type": "string", "writeOnly": True, "minLength": 8}


def object_of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def pointers(schema: dict[str, Any], value: Any) -> list[str]:
    return [violation.pointer for violation in Schema(schema).violations(value)]


def test_every_violation_is_told_with_its_pointer() -> None:
    schema = object_of(
        url={"type": "string"}, depth={"type": "integer"}, tags={"items": {"type": "string"}}
    ) | {"required": ["url"], "additionalProperties": False}
    value = {"depth": "deep", "tags": ["a", 1, 2], "colour": "red"}
    assert pointers(schema, value) == ["", "", "/depth", "/tags/1", "/tags/2"]
    assert Schema(schema).violations({"url": "x"}) == []


def test_a_pointer_escapes_tilde_and_slash() -> None:
    schema = object_of(**{"a/b~c": {"type": "integer"}, "": {"type": "integer"}})
    assert pointers(schema, {"a/b~c": "x", "": "x"}) == ["/", "/a~1b~0c"]


def test_a_format_is_checked() -> None:
    assert pointers(object_of(day={"format": "date"}), {"day": "tomorrow"}) == ["/day"]


def test_the_number_of_violations_is_bounded() -> None:
    assert len(pointers({"items": {"type": "string"}}, [1] * 10_000)) == FAULTS_LIMIT


def test_a_long_message_keeps_its_beginning_and_its_end() -> None:
    (violation,) = Schema({"type": "integer"}).violations("x" * 10_000)
    assert len(violation.message) < 300
    assert violation.message.startswith("'xxx")
    assert violation.message.endswith("is not of type 'integer'")


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "texd"}, "/type: 'texd' is not valid"),
        ({"properties": {"a/b": {"minLength": -1}}}, "/properties/a~1b/minLength: -1 is less"),
        (object_of(a={"$ref": "#/$defs/nowhere"}), "leads nowhere"),
        (object_of(a={"$ref": "#/required/7"}) | {"required": ["a"]}, "leads nowhere"),
        (object_of(a={"$ref": "#/type/deeper"}), "leads nowhere"),
        (object_of(a={"$ref": "http://127.0.0.1:9/schema"}), "not a JSON pointer into"),
        (object_of(a={"$ref": "#anchor"}), "not a JSON pointer into"),
        ({"$schema": "http://127.0.0.1:9/draft"}, "is not a supported draft"),
        (object_of(a={"$id": "http://127.0.0.1:9/", "$ref": "#/x"}), "$id is not supported"),
        ({"$dynamicRef": "http://127.0.0.1:9/x"}, "$dynamicRef is not supported"),
        (object_of(a={"$recursiveRef": "#"}), "$recursiveRef is not supported"),
        ({"$ref": "#"}, "leads in a cycle"),
        ({"default": object()}, "the schema cannot be compiled"),
        ({"$schema": "http://json-schema.org/draft-03/schema#"}, "is not a supported draft"),
        (object_of(a={"pattern": "(?=x)y"}), "/properties/a/pattern: the pattern '(?=x)y' cannot"),
        ({"patternProperties": {"(a)\\1": True}}, "the pattern '(a)\\\\1' cannot be used"),
        (object_of(a={"pattern": "(?:a{900}){900}"}), "/properties/a/pattern: the pattern"),
        (
            object_of(a={"$ref": "#/$defs/b"})
            | {"$defs": {"b": {"$ref": "#/$defs/c"}, "c": {"$ref": "#/$defs/b"}}},
            "leads in a cycle",
        ),
    ],
)
def test_a_schema_that_is_not_one_is_refused_when_it_is_made(
    schema: dict[str, Any], message: str
) -> None:
    with pytest.raises(SchemaFault) as caught:
        Schema(schema)
    assert message in str(caught.value)


def test_another_draft_is_followed_when_the_schema_names_it() -> None:
    schema = {"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 1}
    assert pointers(schema | {"exclusiveMinimum": True}, 1) == [""]
    assert pointers(schema, 1) == []


def test_a_schema_may_have_an_id_of_its_own() -> None:
    named = {"$id": "https://example.org/f", "items": {"$ref": "#/$defs/n"}}
    assert pointers(named | {"$defs": {"n": {"type": "integer"}}}, [1, "x"]) == ["/1"]


scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", 1.0, 0.5])
values = st.recursive(
    scalars,
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.sampled_from("abx"), part),
    max_leaves=6,
)
types = ["null", "boolean", "integer", "number", "string", "array", "object"]
keywords = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(types),
        "enum": st.lists(scalars, min_size=1, max_size=3),
        "const": scalars,
        "minimum": st.integers(-2, 2),
        "multipleOf": st.sampled_from([1, 2, 0.5]),
        "maxLength": st.integers(0, 2),
        "pattern": st.sampled_from(["^a", "b$", "^[ab]*$"]),
        "format": st.sampled_from(["date", "email", "uuid", "unheard-of"]),
        "uniqueItems": st.booleans(),
        "minItems": st.integers(0, 2),
        "required": st.lists(st.sampled_from("abx"), unique=True, max_size=2),
        "additionalProperties": st.booleans(),
    },
)


def applied(part: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """The keywords that apply another schema."""
    return st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(st.sampled_from("abx"), part, max_size=2),
            "patternProperties": st.dictionaries(st.just("^x"), part, max_size=1),
            "items": part,
            "prefixItems": st.lists(part, min_size=1, max_size=2),
            "anyOf": st.lists(part, min_size=1, max_size=2),
            "not": part,
        },
    )


def joined(part: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(lambda own, others: own | others, keywords, applied(part))


@settings(max_examples=60)
@given(st.recursive(keywords, joined, max_leaves=4), values)
def test_what_is_quickly_found_valid_is_valid_by_the_slow_word_too(
    schema: dict[str, Any], value: Any
) -> None:
    draft = jsonschema.Draft202012Validator
    slow = draft(schema, format_checker=draft.FORMAT_CHECKER)
    assert (Schema(schema).violations(value) == []) == slow.is_valid(value)


@pytest.mark.parametrize("value", [object(), b"bytes", {1: 2}, (1, 2)])
def test_what_no_json_can_be_is_a_violation_like_any_other(value: object) -> None:
    assert pointers({"type": "string"}, value) == [""]


def test_the_given_document_is_copied() -> None:
    document = object_of(a={"default": 1})
    schema = Schema(document)
    document["properties"]["a"]["default"] = 2
    assert schema.with_defaults({}) == {"a": 1}


# Defaults.


def test_defaults_are_filled_in_where_nothing_was_given() -> None:
    schema = Schema(object_of(a={"default": 1}, b={"default": None}, c={"type": "string"}))
    assert schema.with_defaults({}) == {"a": 1, "b": None}
    assert schema.with_defaults({"a": None, "c": "x"}) == {"a": None, "b": None, "c": "x"}


def test_filling_in_changes_neither_what_was_given_nor_the_schema() -> None:
    schema = Schema(object_of(a={"default": []}, b=object_of(c={"default": 1})))
    given: dict[str, Any] = {"b": {}}
    filled = schema.with_defaults(given)
    filled["a"].append("mine")
    assert given == {"b": {}}
    assert schema.with_defaults({}) == {"a": []}


@pytest.mark.parametrize(
    ("schema", "given", "filled"),
    [
        (object_of(a=object_of(b={"default": 1})), {"a": {}}, {"a": {"b": 1}}),
        ({"items": object_of(b={"default": 1})}, [{}, {"b": 2}, 3], [{"b": 1}, {"b": 2}, 3]),
        ({"prefixItems": [{}, object_of(b={"default": 1})]}, [{}, {}, {}], [{}, {"b": 1}, {}]),
        ({"additionalProperties": object_of(b={"default": 1})}, {"x": {}}, {"x": {"b": 1}}),
        (
            {"patternProperties": {"^z": True, "^x": object_of(b={"default": 1})}},
            {"xy": {}, "y": {}},
            {"xy": {"b": 1}, "y": {}},
        ),
        (object_of(a={"$ref": "#/$defs/d"}) | {"$defs": {"d": {"default": 1}}}, {}, {"a": 1}),
        (
            object_of(a={"$ref": "#/$defs/d", "default": 2}) | {"$defs": {"d": {"default": 1}}},
            {},
            {"a": 2},
        ),
        (
            object_of(a={"$ref": "#/$defs/x~1y~0%20z/anyOf/1"})
            | {"$defs": {"x/y~ z": {"anyOf": [{}, {"default": 0}]}}},
            {},
            {"a": 0},
        ),
        (object_of(next={"$ref": "#"}, n={"default": 0}), {"next": {}}, {"next": {"n": 0}, "n": 0}),
        (
            object_of(a=True, b={"$ref": "#/$defs/t", "default": 1}) | {"$defs": {"t": True}},
            {},
            {"b": 1},
        ),
        (object_of(a={"default": 1}), "not an object", "not an object"),
    ],
)
def test_defaults_are_found_wherever_a_schema_stands(
    schema: dict[str, Any], given: Any, filled: Any
) -> None:
    assert Schema(schema).with_defaults(given) == filled


def test_without_defaults_the_value_goes_through_as_it_is() -> None:
    value = {"a": 1}
    assert Schema(object_of(a={"type": "integer"})).with_defaults(value) is value


# Secrets.


PLACES = [
    (object_of(key=SECRET), {"key": "hunter2"}),
    (object_of(a=object_of(key=SECRET)), {"a": {"key": "hunter2"}}),
    ({"items": SECRET}, ["hunter2"]),
    ({"prefixItems": [{}, SECRET]}, [1, "hunter2"]),
    ({"prefixItems": [{}], "items": SECRET}, [1, "hunter2"]),
    ({"additionalProperties": SECRET}, {"any": "hunter2"}),
    ({"patternProperties": {"^x": SECRET}}, {"xy": "hunter2"}),
    (object_of(key={"$ref": "#/$defs/s"}) | {"$defs": {"s": SECRET}}, {"key": "hunter2"}),
    (
        object_of(key={"$ref": "#/$defs/s", "writeOnly": True})
        | {"$defs": {"s": {"minLength": 8}}},
        {"key": "hunter2"},
    ),
    (object_of(key={"anyOf": [SECRET, {"type": "null"}]}), {"key": "hunter2"}),
    (object_of(key={"oneOf": [SECRET, {"type": "null"}]}), {"key": "hunter2"}),
    (object_of(key={"allOf": [SECRET]}), {"key": "hunter2"}),
    ({"if": {}, "then": object_of(key=SECRET)}, {"key": "hunter2"}),
    ({"if": False, "else": object_of(key=SECRET)}, {"key": "hunter2"}),
    (
        object_of(login=object_of(user={"minLength": 8}) | {"writeOnly": True}),
        {"login": {"user": "hunter2"}},
    ),
    (object_of(key=SECRET) | {"minProperties": 2}, {"key": "hunter2"}),
    (object_of(keys={"items": SECRET, "uniqueItems": True}), {"keys": ["hunter2", "hunter2"]}),
    (object_of(key=SECRET) | {"not": {}}, {"key": "hunter2"}),
    (
        {"items": object_of(key=SECRET) | {"additionalProperties": False}},
        [{"key": "hunter2"}],
    ),
    (
        object_of(block={"anyOf": [{"$ref": "#/$defs/block"}, {"type": "null"}], "default": None})
        | {"$defs": {
            "block": object_of(
                headers={"type": "object", "additionalProperties": SECRET},
                cookies={"type": "array", "items": {"$ref": "#/$defs/cookie"}},
            ),
            "cookie": object_of(value={"anyOf": [SECRET, {"type": "null"}]}),
        }},
        {"block": {"headers": {"X-Key": "hunter2"}, "cookies": [{"value": "hunter2"}]}},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "value"), PLACES)
def test_a_secret_is_found_hidden_and_never_in_a_message(
    schema: dict[str, Any], value: Any
) -> None:
    compiled = Schema(schema)
    assert set(compiled.secrets(value)) == {"hunter2"}
    assert "hunter2" not in str(compiled.redacted(value))
    assert REDACTED in str(compiled.redacted(value))
    violations = compiled.violations(value)
    assert violations
    assert "hunter2" not in str(violations)
    assert "hunter2" in str(value)  # only the shown copy is changed


def test_what_is_no_secret_stays_to_be_seen() -> None:
    schema = Schema(object_of(key=SECRET, user={"type": "string"}, age={"type": "integer"}))
    value = {"key": "long enough", "user": "ann", "age": "old", "more": [1]}
    assert schema.redacted(value) == value | {"key": REDACTED}
    assert [violation.message for violation in schema.violations(value)] == [
        "'old' is not of type 'integer'"
    ]


def test_every_scalar_below_a_secret_is_one_and_true_false_and_null_are_not() -> None:
    schema = Schema(object_of(login={"writeOnly": True}))
    value = {"login": {"user": "ann", "pins": [12, 3.5], "on": True, "off": None}, "else": "x"}
    assert schema.secrets(value) == ["ann", "12", "3.5"]
    assert schema.redacted(value) == {"login": REDACTED, "else": "x"}


URL = {"type": "string", "pattern": "^https?://", SECRET_PART: URL_PASSWORD}


def test_of_a_url_only_the_password_is_secret() -> None:
    schema = Schema(
        object_of(url={"$ref": "#/$defs/url"}, more={"items": {"anyOf": [URL, {"type": "null"}]}})
        | {"$defs": {"url": URL}}
    )
    given = {
        "url": "https://ann:hunter2@x.org/a",
        "more": [None, "http://b:p%40@y.org", "http://z"],
    }
    assert schema.redacted(given) == {
        "url": f"https://ann:{REDACTED}@x.org/a",
        "more": [None, f"http://b:{REDACTED}@y.org", "http://z"],
    }
    assert {"hunter2", "p%40", "p@", "//b:p%40@"} < set(schema.secrets(given))
    assert schema.secrets({"url": "https://x.org/@", "more": [3]}) == []


def test_a_fault_of_a_url_is_quoted_unless_it_has_a_password() -> None:
    schema = Schema(object_of(url=URL))
    (shown,) = schema.violations({"url": "ftp://x.org"})
    assert shown.message == "'ftp://x.org' does not match '^https?://'"
    (hidden,) = schema.violations({"url": "ftp://ann:hunter2@x.org"})
    assert hidden.message == "does not fulfil `pattern: '^https?://'`"


def test_a_secret_that_was_not_given_is_none() -> None:
    schema = Schema(object_of(key=SECRET))
    assert schema.secrets({}) == []
    assert schema.redacted({}) == {}


def test_without_secrets_the_value_goes_through_as_it_is() -> None:
    value = {"a": 1}
    schema = Schema(object_of(a={"type": "integer"}))
    assert schema.redacted(value) is value
    assert schema.secrets(value) == []


def test_secrets_of_a_signature_are_found_wherever_the_author_put_them() -> None:
    class Login(msgspec.Struct):
        key: Secret
        maybe: Secret | None = None
        headers: dict[str, Secret] = {}
        pair: tuple[Secret, int] | None = None

    schema = Schema(msgspec.json.schema(Login))
    value = {"key": "one", "maybe": "two", "headers": {"x": "three"}, "pair": ["four", 5]}
    assert schema.violations(value) == []
    assert sorted(schema.secrets(value)) == ["four", "one", "three", "two"]
    assert schema.redacted(value) == {
        "key": REDACTED,
        "maybe": REDACTED,
        "headers": {"x": REDACTED},
        "pair": [REDACTED, 5],
    }
