import textwrap
import time
from collections.abc import Sequence

import pytest

from slotgrid.core.schema import Schema
from slotgrid.steps.checking import check
from slotgrid.steps.reading import read_steps

OPEN = {"type": "object"}


def closed(*required: str, **properties: object) -> dict[str, object]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


class Actions:
    """The actions of the tests, which are also the functions of its flows."""

    def __init__(self) -> None:
        text, number = {"type": "string"}, {"type": "number", "minimum": 0}
        fields = {"type": "array", "items": closed("name", name=text, selector=text)}
        self._schemas = {
            "goto": Schema(closed("url", url=text, timeout_s=number)),
            "extract": Schema(closed("selector", selector=text, fields=fields)),
            "reload": Schema(closed()),
            "set": Schema(OPEN),
        }

    def names(self) -> Sequence[str]:
        return list(self._schemas)

    def schema(self, name: str) -> Schema | None:
        return self._schemas.get(name)


ACTIONS = Actions()


def faults(text: str) -> list[tuple[int, str, str]]:
    file = read_steps(textwrap.dedent(text).encode())
    return [(one.line, one.pointer, one.message) for one in check(file, ACTIONS, {"open": "goto"})]


def template_faults(template: str, *, more: str = "") -> list[str]:
    """The messages about a template in the last of a few steps."""
    text = f"""
        input: {{url: string, n: {{type: integer, default: 3}}}}
        secrets: [TOKEN]
        steps:
          - {{name: first, action: reload}}
          - {{action: set, with: {{count: 1}}}}
          - name: block
            steps: [{{name: inner, action: reload}}]
          - {{name: here, action: set, with: {{x: "{{{{ {template} }}}}"}}}}
          - {{name: later, action: set, with: {{other: 2}}}}
        {more}
    """
    found = faults(text)
    assert all((line, at) == (9, "/steps/3/with/x") for line, at, _ in found)
    return [message for _, _, message in found]


@pytest.mark.parametrize(
    "template",
    [
        "input.url ~ input.n",
        "input",
        "steps.first.output.anything[0].at.all",
        "steps.first.status ~ steps.first.error",
        "steps.block.output.inner",
        "steps",
        "secrets.TOKEN",
        "vars.count",
        "vars.x|default(0) + 1",
        "vars.other is defined",
        "task.id ~ task.attempt",
        "vars[input.url]",
    ],
)
def test_a_template_may_read_what_comes_before_it(template: str) -> None:
    assert template_faults(template) == []


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        ("inptu.url", '`inptu` is not defined; did you mean "input"?'),
        ("first.output", '`first` is not defined; did you mean "steps.first"?'),
        ("url", '`url` is not defined; did you mean "input.url"?'),
        ("input.ulr", 'there is no input "ulr"; did you mean "url"?'),
        ("input.ulr|default(1)", 'there is no input "ulr"; did you mean "url"?'),
        ("steps.firstt.output", 'there is no step "firstt"; did you mean "first"?'),
        ("steps.later.output", 'step "later" (line 10) does not come before this place'),
        ("steps.here.output", 'step "here" (line 9) does not come before this place'),
        ("steps.inner.output", 'step "inner" (line 8) is inside of the block "block", and does'),
        ("steps.first.text", 'a step has no "text", but output, status, error'),
        ("secrets.TOKN", 'there is no declared secret "TOKN"; did you mean "TOKEN"?'),
        ("secrets", "`secrets` cannot be read as a whole"),
        ("vars.cuont", 'there is no variable "cuont"; did you mean "count"?'),
        ("vars.other", "`vars.other` is set later; `default` gives it a first value"),
        ("task.name", 'there is no field of `task` "name"'),
        ("item", "`item` exists in the rounds of `for_each` and `repeat` only"),
        ("index", "`index` exists in the rounds"),
        ("env.HOME", "`env` is not defined"),
    ],
)
def test_what_a_template_cannot_read_is_named(template: str, fault: str) -> None:
    (message,) = template_faults(template)
    assert message.startswith(fault)


def test_an_open_input_may_have_more_members() -> None:
    text = """
        input: {type: object, properties: {a: {}}}
        steps: [{action: set, with: {x: "{{ input.b }}"}}]
    """
    assert faults(text) == []


@pytest.mark.parametrize(
    ("step", "at", "fault"),
    [
        ("{action: ex}", "/action", 'there is no action "ex"; did you mean extract?'),
        ("{action: open}", "/action", 'there is no action "open"; did you mean goto?'),
        ("{action: reload, with: {x: 1}}", "/with/x", 'unknown parameter "x"; reload has none'),
        ("{action: gto}", "/action", 'there is no action "gto"; did you mean "goto"?'),
        ("{action: goto}", "", 'the parameter "url" is missing'),
        ("{action: goto, with: {timeout_s: 1}}", "/with", 'the parameter "url" is missing'),
        ("{action: goto, with: {url: a, tiemout_s: 1}}", "/with/tiemout_s",
         'unknown parameter "tiemout_s"; did you mean "timeout_s"?'),
        ("{action: goto, with: {url: 3}}", "/with/url", "3 is not of type 'string'"),
        ("{action: goto, with: {url: a, timeout_s: -1}}", "/with/timeout_s", "-1 is less than"),
        ("{action: goto, with: {url: '{{ task.id }}', timeout_s: x}}", "/with/timeout_s",
         "'x' is not of type 'number'"),
        ("{action: extract, with: {selector: }}", "/with/selector",
         "None is not of type 'string'; a value that begins with # needs quotes"),
        ("{action: extract, with: {selector: a, fields: [{selector: '{{ task.id }}'}]}}",
         "/with/fields/0", "'name' is a required property"),
        ("{action: extract, with: {selector: a, fields: [{name: '{{ task.id }}', selector: 3}]}}",
         "/with/fields/0/selector", "3 is not of type 'string'"),
    ],
)  # fmt: skip
def test_parameters_are_checked_as_far_as_they_are_known(step: str, at: str, fault: str) -> None:
    ((line, where, message),) = faults(f"steps:\n  - {step}\n")
    assert (line, where) == (2, f"/steps/0{at}")
    assert message.startswith(fault)


def test_a_parameter_with_a_template_is_checked_when_it_runs() -> None:
    step = "{action: goto, with: {url: '{{ input.n }}', timeout_s: '{{ input.n }}'}}"
    assert faults(f"input: {{n: integer}}\nsteps: [{step}]") == []


def test_loops_bind_item_and_index_in_their_rounds() -> None:
    text = """
        steps:
          - {name: rows, action: reload}
          - name: each
            for_each: "{{ steps.rows.output }}"
            steps:
              - {name: one, action: goto, with: {url: "{{ item.url }}?{{ index }}"}}
              - {action: goto, with: {url: "{{ steps.one.output }}"}, when: item.more}
          - {action: goto, for_each: [1], with: {url: "{{ item }}"}}
          - {name: poll, action: reload, repeat: {until: steps.poll.output.done and index > 1}}
          - name: again
            repeat: {until: steps.last.output.done}
            steps: [{name: last, action: reload}]
          - {action: goto, with: {url: "{{ steps.each.output[0].one }}"}}
        return: "{{ steps.again.output }}"
    """
    assert faults(text) == []


def test_what_is_outside_of_the_rounds_has_no_item() -> None:
    text = """
        steps:
          - name: each
            for_each: "{{ item.rows }}"
            when: item
            status: "{{ index }}"
            steps: [{name: one, action: reload}]
          - {action: reload, repeat: {while: steps.two.output}}
          - {name: two, action: reload}
        return: ["{{ item }}", {a: "{{ steps.one.output }}"}]
    """
    assert [(line, at) for line, at, _ in faults(text)] == [
        (4, "/steps/0/for_each"),
        (5, "/steps/0/when"),
        (6, "/steps/0/status"),
        (8, "/steps/1/repeat/while"),
        (10, "/return/0"),
        (10, "/return/1/a"),
    ]


def test_a_step_of_a_flow_reads_the_steps_that_it_waits_for() -> None:
    text = """
        kind: flow
        steps:
          - {name: a-1, function: reload}
          - {name: b, function: reload, needs: []}
          - {name: c, function: goto, needs: [a-1], with: {url: "{{ steps.a_1.output }}"}}
          - {name: d, function: goto, with: {url: "{{ steps.a_1.output }}{{ steps.c.output }}"}}
          - {name: e, function: goto, needs: [d], with: {url: "{{ steps.b.output }}"}}
        return: "{{ steps.a_1.output }}{{ steps.b.output }}"
        on_success: {function: goto, input: {url: "{{ steps.e.output }}{{ result }}"}}
    """
    ((line, at, message),) = faults(text)
    assert (line, at) == (8, "/steps/4/with/url")
    assert message == 'step "b" (line 5) does not come before this place'


@pytest.mark.parametrize(
    ("needs", "fault"),
    [
        ("[b]", "a step cannot wait for itself"),
        ("[c]", 'step "c" comes later; put it before this one'),
        ("[bb]", 'there is no step "bb" beside this one; did you mean "b"?'),
    ],
)
def test_needs_name_steps_that_come_before(needs: str, fault: str) -> None:
    text = f"""
        kind: flow
        steps:
          - {{name: a_, function: reload}}
          - {{name: b, function: reload, needs: {needs}}}
          - {{name: c, function: reload, needs: [a_, b]}}
          - {{function: relod}}
    """
    (line, at, message), (_, _, unknown) = faults(text)
    assert (line, at) == (5, "/steps/1/needs/0")
    assert message.startswith(fault)
    assert unknown == 'there is no function "relod"; did you mean "reload"?'


def test_a_hundred_recipes_are_read_and_checked_at_once() -> None:
    def recipe(number: int) -> bytes:
        steps = "".join(
            f"  - {{action: goto, with: {{url: '{number}/{n}/{{{{ input.url }}}}'}}}}\n"
            for n in range(10)
        )
        return f"input: {{url: string}}\nsteps:\n{steps}".encode()

    began = time.process_time()
    for number in range(100):
        assert check(read_steps(recipe(number)), ACTIONS) == []
    assert time.process_time() - began < 2  # 0.15 s, and ten times that under a tracer
