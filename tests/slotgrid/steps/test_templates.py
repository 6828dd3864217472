import json
import os
import subprocess
import sys
from typing import Any

import pytest

from slotgrid.steps.faults import NotDefined, TemplateFault
from slotgrid.steps.templates import SOURCE_MOST, compile_condition, compile_template, is_true

SCOPE: dict[str, Any] = {
    "input": {
        "q": "x",
        "n": 3,
        "nothing": None,
        "items": ["b", "a", "B"],
        "rows": [{"a": {"b": 1}, "p": "2"}, {"a": {"b": 5}, "p": "10"}],
        "numbers": list(range(200_000)),
        "text": "a" * 5_000_000,
    },
    "steps": {"title": {"output": {"text": "Hi"}, "status": "completed", "error": None}},
}


def render(value: Any) -> Any:
    return compile_template(value).render(SCOPE)


def fault(value: Any) -> TemplateFault:
    with pytest.raises(TemplateFault) as caught:
        render(value)
    return caught.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{ input.rows }}", SCOPE["input"]["rows"]),
        ("{{ input.n }}", 3),
        ("{{ input.n }}\n", 3),
        ("{{ input.nothing }}", None),
        ("{{ true }}", True),
        ("{{ null }}", None),
        ("{{ steps.title.output.text }}", "Hi"),
        ("{{ input['rows'][-1].a['b'] }}", 5),
        ("{{ input.rows[0].p }}", "2"),
        ("{{ input.items[1:] }}", ["a", "B"]),
        ("{{ [input.n, (1, 2), {'k': input.q}] }}", [3, [1, 2], {"k": "x"}]),
        ("{{ 7 // 2 + 2 ** 3 - 7 % 4 * 1.5 }}", 6.5),
        ("{{ -input.n }}", -3),
        ("{{ 'a' if input.n > 2 else 'b' }}", "a"),
        ("{{ 1 < input.n <= 3 and not false or 1 }}", True),
        ("{{ 'x' in input.q and 9 not in [1, 2] }}", True),
        ("{{ input.q ~ input.n ~ input.nothing ~ [1, true] }}", "x3null[1,true]"),
        ("{{ '-' * 3 }}", "---"),
    ],
)
def test_one_template_keeps_its_type(text: str, value: Any) -> None:
    rendered = render(text)
    assert (rendered, type(rendered)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("n={{ input.n }};", "n=3;"),
        ("{{ input.q }}{{ input.n }}", "x3"),
        (" {{ input.n }}", " 3"),
        ("{{ input.n }} \n", "3 \n"),
        ("{{ input.rows }}!", '[{"a":{"b":1},"p":"2"},{"a":{"b":5},"p":"10"}]!'),
        ("{{ input.nothing }} {{ false }} {{ 1.0 }}", "null false 1.0"),
        ("{{ 'é' }} ü\n", "é ü\n"),
        ("a {# b", "a {# b"),
        ("{{ '{%' }} {{ '{{' }}", "{% {{"),
    ],
)
def test_text_around_a_template_makes_text(text: str, value: str) -> None:
    assert render(text) == value


def test_strings_in_lists_and_objects_are_templates_and_keys_are_not() -> None:
    value = {"a": ["{{ input.n }}", {"b": "n={{ input.n }}"}], "c": {"d": [1, None, "text"]}}
    template = compile_template(value)
    assert template.render(SCOPE) == {"a": [3, {"b": "n=3"}], "c": {"d": [1, None, "text"]}}
    assert value["a"] == ["{{ input.n }}", {"b": "n={{ input.n }}"}]
    assert "a key cannot be a template" in fault({"{{ input.q }}": 1}).message


def test_a_constant_is_returned_as_it_is() -> None:
    value = {"a": ["text }}", 1, None], "b": {}}
    template = compile_template(value)
    assert template.is_constant
    assert template.render({}) is value


def test_the_paths_that_a_template_reads_are_named() -> None:
    template = compile_template(
        [
            "{{ steps.rows.output[0].name }} {{ vars[input.key] }} {{ item['a-b'].c }}",
            "{{ input.x|default(input.y) }} {{ steps.a.output is defined }}",
        ]
    )
    assert template.paths == {
        ("steps", "rows", "output"),
        ("vars",),
        ("input", "key"),
        ("item", "a-b", "c"),
        ("input", "y"),
    }
    assert template.guarded == {("input", "x"), ("steps", "a", "output")}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ input.nn }}", '`{{ input.nn }}`: `input` has no key "nn"; did you mean "n'),
        ("{{ inptu.q }}", '`inptu` is not defined; did you mean "input"'),
        ("{{ steps.title.output.txt }}", '`steps.title.output` has no key "txt"; did you mean "te'),
        ("{{ input.q.upper }}", "`input.q` is a string, which has no key"),
        ("{{ input.nothing.x }}", "`input.nothing` is null"),
        ("{{ input.rows[2].p }}", "`input.rows` has 2 items, and none at 2"),
        ("{{ []|first }}", "the list is empty"),
        ("{{ input.rows|map(attribute='zz') }}", 'an item has no key "zz"'),
    ],
)
def test_what_is_missing_is_named_with_the_nearest_word(text: str, words: str) -> None:
    found = fault(text)
    assert isinstance(found, NotDefined)
    assert words in found.message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{ input.zz|default(1) }}", 1),
        ("{{ input.zz.y[3].x|default(input.n) }}", 3),
        ("{{ input.nothing|default(1) }}", None),
        ("{{ input.nothing|default(1, true) }}", 1),
        ("{{ input.nothing.x|default('') }}", ""),
        ("{{ input.zz|upper|default('none') }}", "none"),
        ("{{ []|first|default(0) }}", 0),
        ("{{ input.zz is defined }}", False),
        ("{{ input.q is defined and input.zz is undefined }}", True),
    ],
)
def test_default_and_defined_answer_what_is_missing(text: str, value: Any) -> None:
    assert render(text) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ input.q.__class__ }}", "begins with `_`"),
        ("{{ ''.__class__.__mro__ }}", "begins with `_`"),
        ("{{ _private }}", "begins with `_`"),
        ("{{ input['__class__'] }}", 'has no key "__class__"'),
        ("{{ input.q['upper'] }}", "is a string, which has no key"),
        ("{{ input.items.append }}", "is a list, which has no key"),
        ("{{ input.values }}", 'has no key "values"'),
        ("{{ input.q.upper() }}", "nothing can be called"),
        ("{{ range(10) }}", "nothing can be called"),
        ("{{ input|attr('q') }}", 'no filter "attr"'),
        ("{{ cycler }}", "not defined"),
        ("{{ self }}", "not defined"),
        ("{{ input.rows|map('attr', 'p') }}", 'no filter "attr"'),
        ("{{ input.rows|map(*input.items) }}", "no `*`"),
        ("{{ input.rows|map(attribute='__class__') }}", 'no key "__class__"'),
        ("{% set x = 1 %}", "statements and comments"),
        ("{% for x in y %}{{ x }}{% endfor %}", "statements and comments"),
        ("a {# note #} {{ input.q }}", "statements and comments"),
        ("{% raw %}{{ input.q }}{% endraw %}", "statements and comments"),
        ("{{ input.q }} {% include 'x' %}", "statements and comments"),
        ("{{ '%s'|format(1) }}", 'no filter "format"'),
        ("{{ '%d' % 1 }}", "does not work on a string and a number"),
        ("{{ '\\ud800' }}", "half of a character"),
    ],
)
def test_only_expressions_on_json_work(text: str, words: str) -> None:
    assert words in fault(text).message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ input.q", "it ends too early"),
        ("{{ }}", "Expected an expression"),
        ("{{ a b }}", "expected token 'end of template', got 'b'"),
        ("{{ 'a' if input.n }}", "needs an `else`"),
        ("{{ input.q|uppr }}", 'no filter "uppr"; did you mean "upper"?'),
        ("{{ input.rows|map('uppr') }}", 'no filter "uppr"; did you mean "upper"?'),
        ("{{ input.rows|select('evn') }}", 'no test "evn"; did you mean "even"?'),
        ("{{ input.n is evne }}", 'no test "evne"'),
        ("{{ input.q|replace('x') }}", "missing a required argument: 'new'"),
        ("{{ input.q|join(foo=1) }}", "unexpected keyword argument 'foo'"),
        ("{{ {1: 2} }}", "a key must be a string"),
        ("{{ input.q + 1 }}", "`~` joins texts"),
        ("{{ input.n > '2' }}", "have no order"),
        ("{{ 1 / 0 }}", "division by 0"),
        ("{{ (-1) ** 0.5 }}", "not a finite number"),
        ("{{ 2 ** 64 }}", "more than 64 bits"),
        ("{{ 1e308 * 10 }}", "not a finite number"),
        ("{{ 'abc'|int }}", '"abc" is not a whole number'),
        ("{{ input|sum }}", "expected a number, got a string"),
        ("{{ [1, 'a']|sort }}", "of several types"),
        ("{{ '[1'|from_json }}", "is not JSON"),
        ("{{ input.q[0:'a'] }}", "must be whole numbers"),
        ("x" * SOURCE_MOST + "{{ input.q }}", "at most 8,000 characters"),
    ],
)
def test_faults_say_what_is_wrong(text: str, words: str) -> None:
    assert words in fault(text).message


def test_a_fault_in_a_part_has_its_pointer() -> None:
    with pytest.raises(TemplateFault) as caught:
        compile_template({"a": [{"b/c": "{{ x y }}"}]})
    assert caught.value.pointer == "/a/0/b~1c"


def test_a_long_value_is_not_shown() -> None:
    scope = {"secrets": {"T": "s3cret" * 20}}
    with pytest.raises(TemplateFault, match="a string is not a whole number"):
        compile_template("{{ secrets.T|int }}").render(scope)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{ input.items|sort|join(', ') }}", "a, b, B"),
        ("{{ input.items|unique }}", ["b", "a"]),
        ("{{ input.items|unique(case_sensitive=true)|length }}", 3),
        ("{{ input.rows|map(attribute='a.b')|sum }}", 6),
        ("{{ input.rows|sum(attribute='a.b', start=1) }}", 7),
        ("{{ input.rows|map(attribute='p')|map('int')|max }}", 10),
        ("{{ input.rows|sort(attribute='a.b', reverse=true)|first }}", SCOPE["input"]["rows"][1]),
        ("{{ input.rows|selectattr('a.b', 'gt', 2)|map(attribute='p')|list }}", ["10"]),
        ("{{ input.rows|rejectattr('zz', 'defined')|length }}", 2),
        ("{{ input.rows|map(attribute='zz', default=0)|list }}", [0, 0]),
        ("{{ [0, 1, 2]|select|list }}", [1, 2]),
        ("{{ [1, 2, 3]|reject('odd')|list }}", [2]),
        ("{{ '7'|int + ' 1.5 '|float }}", 8.5),
        ("{{ '7.9'|int }}", 7),
        ("{{ 'x'|int(0) }}", 0),
        ("{{ 2.567|round(1) }}", 2.6),
        ("{{ 2.1|round(0, 'ceil')|int }}", 3),
        ("{{ -2|abs }}", 2),
        ("{{ 'a b'|urlencode }}", "a%20b"),
        ("{{ {'q': 'a b', 'n': 1}|urlencode }}", "q=a+b&n=1"),
        ("{{ '<é>'|tojson }}", '"<é>"'),
        ("{{ {'a': 1}|tojson(indent=1) }}", '{\n "a": 1\n}'),
        ("{{ '{\"a\": [1]}'|from_json }}", {"a": [1]}),
        ("{{ 'a,b,,c'|split(',') }}", ["a", "b", "", "c"]),
        ("{{ ' a  b '|split }}", ["a", "b"]),
        ("{{ 'a-b-c'|split('-', 1)|last }}", "b-c"),
        ("{{ 'aXbX'|replace('X', 1) }}", "a1b1"),
        ("{{ 'aXbX'|replace('X', '-', 1) }}", "a-bX"),
        ("{{ ' Ab c '|trim|title }}", "Ab C"),
        ("{{ '<a href=\"x\">' | escape }}", "&lt;a href=&quot;x&quot;&gt;"),
        ("{{ 7 | fixed }} {{ 2.345 | fixed(1) }} {{ 7.5 | fixed(0) }}", "7.00 2.3 8"),
        ("{{ [[1, [2]], 3, []] | flatten }}", [1, [2], 3]),
        ("{{ [[1, [2]], 3] | flatten(2) }}", [1, 2, 3]),
        ("{{ 'one two three'|truncate(10, leeway=0) }}", "one..."),
        ("{{ {'b': 1, 'a': 2}|items|list }}", [["b", 1], ["a", 2]]),
        ("{{ 'abc'|reverse }}", "cba"),
        ("{{ [1, 'b']|reverse }}", ["b", 1]),
        ("{{ 'ab'|list }}", ["a", "b"]),
        ("{{ [[1], [2, 3]]|map('join', '+')|join(';') }}", "1;2+3"),
        ("{{ 1|string ~ 'a' }}", "1a"),
        ("{{ 6 is divisibleby 3 and 'a' is string and 1 is not mapping }}", True),
        ("{{ ['b', 'C', 'a']|min }}", "a"),
    ],
)
def test_filters_do_what_jinja_documents(text: str, value: Any) -> None:
    assert render(text) == value


BOMBS = [
    "{{ 'a' * 300000000 }}",
    "{{ 'a' * 100000000000 }}",
    "{{ 'a'|center(10**9) }}",
    "{{ 10**10**10 }}",
    "{{ 9**(9**9) }}",
    "{{ 2.0**100000 }}",
    "{{ [0]*10**9 }}",
    "{{ range(10**9) }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ '%1000000000d'|format(1) }}",
    "{{ '{:1000000000}'.format(1) }}",
    "{{ ('a'*10000000)|list|join }}",
    "{{ ('a'*90000)|list|join('b'*1000) }}",
    "{{ ('a'*10000000)|replace('a','b'*100) }}",
    "{{ ('a'*10000000)|replace('','b') }}",
    "{{ 'a'|indent(10**9) }}",
    "{{ [1]|batch(10**9) }}",
    "{{ [1]|slice(10**9) }}",
    "{{ 1|round(10**9, 'ceil') }}",
    "{{ " + " ~ ".join(["('a'*10000000)"] * 20) + " }}",
    "{{ [" + ", ".join(["'a'*1000000"] * 500) + "] }}",
    "{{ " + "(" * 3990 + ")" * 3990 + " }}",
    "{{ " + "[" * 3990 + "]" * 3990 + " }}",
    "{{ 1" + "+1" * 3500 + " }}",
    "{{ " + "9" * 7000 + " }}",
    "{{ " + "not " * 1900 + "1 }}",
    "{{ " + "-" * 7000 + "1 }}",
    "{{ input" + ".q" * 3500 + " }}",
    "{{ input.numbers" + "|sort" * 90 + " }}",
    "{{ input.numbers|map('string')|join }}",
    "{{ input.numbers == input.numbers == input.numbers == input.numbers }}",
    "{{ input.text|title }}",
    "{{ input.text|urlencode }}",
    "{{ input.text|split('a') }}",
    "{{ input.text|tojson|from_json }}",
    "{{ (" + "['ab']*20000)|map('urlencode')|map('title') }}",
    "{{ ([[0]*300]*300)|tojson(indent=8) }}",
    "{{ input.numbers }} {{ input.numbers }} {{ input.numbers }} {{ input.numbers }}",
    ["{{ input.text|upper }}"] * 50,
]


@pytest.fixture(scope="module")
def cpu_s() -> list[float]:
    """The seconds of CPU of each bomb, the best of three, in a process that nothing measures."""
    environment = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
    ran = subprocess.run(
        [sys.executable, "-m", "tests.slotgrid.steps.bombs"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    spent: list[float] = json.loads(ran.stdout)
    return spent


@pytest.mark.parametrize("number", range(len(BOMBS)), ids=lambda number: str(BOMBS[number])[:40])
def test_a_bomb_ends_in_a_fault_within_50_ms_of_work(number: int, cpu_s: list[float]) -> None:
    fault(BOMBS[number])
    assert cpu_s[number] < 0.05


def test_a_value_that_nests_too_deeply_is_a_fault() -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(TemplateFault, match=r"no text as JSON|too large"):
        compile_template("a {{ x }}").render({"x": nested})
    with pytest.raises(TemplateFault, match=r"nested too deeply|too large"):
        compile_template("{{ x|tojson(indent=1) }}").render({"x": nested[0][0]})
    while nested:  # or its end would recurse
        nested = nested.pop()


def test_ten_thousand_rows_are_within_the_bounds() -> None:
    rows = [{"name": f"row {n}", "price": str(n)} for n in range(10_000)]
    text = "{{ rows|selectattr('price', 'ne', '7')|map(attribute='price')|map('int')|sum }}"
    assert compile_template(text).render({"rows": rows}) == sum(range(10_000)) - 7
    text = "{{ rows|sort(attribute='name')|tojson }}"
    assert len(compile_template(text).render({"rows": rows})) > 300_000


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (True, True),
        (False, False),
        ("input.n > 2", True),
        ("{{ input.n > 2 }}", True),
        ("  {{ input.n > 5 }}\n", False),
        ("input.zz is defined", False),
        ("input.nothing", False),
        ("false", False),
        ("'false'", False),
        (["input.n > 2", "{{ input.q == 'x' }}", True], True),
        (["input.n > 2", "input.q == 'y'"], False),
    ],
)
def test_a_condition_is_an_expression_or_a_list_of_them(condition: Any, holds: bool) -> None:
    assert compile_condition(condition).holds(SCOPE) is holds


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("{{ input.n }} > 2", "one expression, with all of it in the braces"),
        ("{{ input.n }} == {{ 3 }}", "one expression"),
        ("input.n >", "unexpected 'end of template'"),
        ("input.n 3", 'unexpected "3"'),
        ("", "is empty"),
        ([], "is empty"),
        (3, "an expression or a boolean"),
        (None, "an expression or a boolean"),
        ([["input.n"]], "an expression or a boolean"),
    ],
)
def test_a_condition_that_would_always_hold_is_a_fault(condition: Any, words: str) -> None:
    with pytest.raises(TemplateFault) as caught:
        compile_condition(condition)
    assert words in caught.value.message


def test_conditions_name_the_paths_that_they_read() -> None:
    condition = compile_condition(["steps.a.output > 1", "input.b is defined"])
    assert condition.paths == {("steps", "a", "output")}
    assert condition.guarded == {("input", "b")}


@pytest.mark.parametrize("value", [None, False, 0, 0.0, "", "false", "0", [], {}])
def test_false_values(value: Any) -> None:
    assert is_true(value) is False


@pytest.mark.parametrize("value", [True, 1, -1, " ", "False", "no", "null", [0], {"a": None}])
def test_true_values(value: Any) -> None:
    assert is_true(value) is True
