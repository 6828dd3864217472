import textwrap

import pytest

from slotgrid.steps.model import Retry
from slotgrid.steps.reading import StepsFault, read_steps


def read(text: str):  # type: ignore[no-untyped-def]  # the tests read its attributes
    return read_steps(textwrap.dedent(text).encode())


def faults(text: str) -> list[tuple[int, str, str]]:
    with pytest.raises(StepsFault) as caught:
        read(text)
    return [(one.line, one.pointer, one.message) for one in caught.value.faults]


def step_fault(step: str, kind: str = "recipe") -> str:
    """The only fault of a step that is written on one line."""
    ((line, at, message),) = faults(f"kind: {kind}\nsteps:\n  - {step}\n")
    assert line == 3
    assert at.startswith("/steps/0")
    return f"{at.removeprefix('/steps/0')}: {message}"


def test_a_recipe_is_read() -> None:
    recipe = read("""
        description: |
          Prices of
          a shop
        input: {url: string, n: {type: integer, default: 3}}
        output: array
        modes: [sync, async]
        timeout_s: 90
        pool: logins
        isolation: persistent
        retries: 2
        secrets: [TOKEN]
        setup: shop/login
        browser: {locale: de-DE}
        steps:
          - {action: goto, with: {url: "{{ input.url }}"}, status: "open {{ input.url }}"}
          - name: rows
            action: extract
            with: {selector: .row}
            when: input.n > 0
            timeout_s: 5
            retry: {attempts: 2, delay_s: 0.5, backoff: fixed, jitter: 0.1}
            continue_on_error: true
            record: true
          - name: each
            for_each: "{{ steps.rows.output }}"
            steps:
              - {action: click, with: {text: "{{ item }}"}}
              - {action: goto, with: {url: "{{ input.url }}"}}
          - {action: click, with: {text: More}, repeat: {until: vars.done, max: 5, pause_s: 0.1}}
        return: "{{ steps.each.output }}"
    """)
    assert (recipe.kind, recipe.description) == ("recipe", "Prices of a shop")
    assert recipe.input.with_defaults({"url": "x"}) == {"url": "x", "n": 3}
    assert recipe.output.document == {"type": "array"}
    assert (recipe.modes, recipe.timeout_s, recipe.retries) == (("sync", "async"), 90.0, 2)
    assert (recipe.pool, recipe.isolation, recipe.setup) == ("logins", "persistent", "shop/login")
    assert (recipe.secrets, recipe.browser) == (("TOKEN",), {"locale": "de-DE"})
    assert recipe.result.paths == {("steps", "each", "output")}
    assert [step.name for step in recipe.walk()] == [
        "goto", "rows", "each", "click", "goto_2", "click_2",
    ]  # fmt: skip
    goto, rows, each, click = recipe.steps
    assert goto.given.render({"input": {"url": "u"}}) == {"url": "u"}
    assert goto.status.render({"input": {"url": "u"}}) == "open u"
    assert (goto.line, goto.at) == (16, "/steps/0")
    assert rows.when.holds({"input": {"n": 1}})
    assert (rows.timeout_s, rows.continue_on_error, rows.record) == (5.0, True, {})
    assert rows.retry == Retry(attempts=2, delay_s=0.5, exponential=False, jitter=0.1)
    assert each.for_each.render({"steps": {"rows": {"output": [1]}}}) == [1]
    assert [step.line for step in each.steps] == [28, 29]
    assert (click.repeat.until, click.repeat.most, click.repeat.pause_s) == (True, 5, 0.1)


def test_a_flow_is_read() -> None:
    flow = read("""
        kind: flow
        steps:
          - {name: fetch-list, function: shop/list, group: shops, with: {n: 1}}
          - name: each
            function: shop/price
            needs: [fetch-list]
            for_each: "{{ steps.fetch_list.output }}"
            sequential: true
            with: {url: "{{ item }}"}
          - {function: shop/report, needs: []}
        on_error: {function: mail/send, input: {text: "{{ error.message }}"}}
    """)
    assert flow.kind == "flow"
    fetch, each, report = flow.steps
    assert (fetch.name, fetch.function, fetch.group, fetch.needs) == (
        "fetch_list", "shop/list", "shops", None,
    )  # fmt: skip
    assert (each.needs, each.sequential) == (("fetch_list",), True)
    assert (report.name, report.needs) == ("report", ())
    assert (flow.on_error.function, flow.on_error.line) == ("mail/send", 12)
    assert flow.on_error.given.render({"error": {"message": "no"}}) == {"text": "no"}
    assert flow.on_success is None


def test_what_is_left_out_is_the_default() -> None:
    recipe = read("steps: [{action: goto}]")
    assert (recipe.kind, recipe.description, recipe.result, recipe.output) == (
        "recipe",
        "",
        None,
        None,
    )
    assert (recipe.modes, recipe.timeout_s, recipe.pool, recipe.isolation) == (None,) * 4
    assert recipe.input.violations({"more": 1})
    assert recipe.steps[0].given.render({}) == {}


def test_names_that_are_given_are_not_given_again() -> None:
    recipe = read("""
        steps:
          - {action: goto}
          - steps:
              - {name: goto, action: reload}
              - {action: goto}
              - {name: goto_3, action: goto}
          - {action: goto}
          - steps: [{action: 3d_view}]
    """)
    assert [step.name for step in recipe.walk()] == [
        "goto_2", "block", "goto", "goto_4", "goto_3", "goto_5", "block_2", "step_3d_view",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "faults"),
    [
        ("{n: {type: number, default: '3'}}", ["/input/n/default"]),
        ("{o: {options: [a, b], default: c}}", ["/input/o/default"]),
        ("{o: {type: array, items: integer, default: [1, b]}}", ["/input/o/default/1"]),
        ("{o: {type: array, items: text}}", ["/input/o/items"]),
        ("{o: {type: array, items: string, default: [a]}, p: string}", []),
        (
            "{type: object, properties: {n: {type: number, default: a}}, required: [m]}",
            ["/input/properties/n/default"],
        ),
    ],
)
def test_a_default_that_its_input_refuses_is_a_fault(given: str, faults: list[str]) -> None:
    text = f"input: {given}\nsteps: [{{action: a}}]".encode()
    found: list[str] = []
    try:
        read_steps(text)
    except StepsFault as fault:
        found = [one.pointer for one in fault.faults]
    assert found == faults


@pytest.mark.parametrize(
    ("step", "fault"),
    [
        ("{actoin: goto}", '/actoin: unknown field; did you mean "action"?'),
        ("{action: goto, wixth: {}}", '/wixth: unknown field; did you mean "with"?'),
        ("{action: goto, steps: [{action: goto}]}", ": has `action` and `steps`; a step has one"),
        ("{name: a}", ": has no `action`; a step has one of `action` and `steps`"),
        ("{function: a}", "/function: works in flows only"),
        ("{action: goto, needs: [a]}", "/needs: works in flows only"),
        ("goto", ": expected a step, an object with `name`, got a string"),
        ("{action: 3}", "/action: expected a string, got an integer"),
        ("{action: goto, name: Rows}", '/name: "Rows" is no name of a step'),
        ("{action: goto, name: a-b}", '/name: "a-b" is no name of a step'),
        ("{action: goto, name: _a}", '/name: "_a" is no name of a step'),
        ("{action: goto, with: [1]}", "/with: expected an object: the parameters by name"),
        ('{action: goto, with: {a: [{b: "{{ x y }}"}]}}', "/with/a/0/b: `{{ x y }}`: expected to"),
        ("{action: goto, when: input.n >}", "/when: `input.n >`: unexpected"),
        ("{action: goto, when: [true, 3]}", "/when/1: a condition is an expression"),
        ("{action: goto, when: }", "/when: a condition is an expression"),
        ("{action: goto, for_each: input.rows}", "/for_each: expected a list, or one template"),
        ('{action: goto, for_each: "a {{ x }}"}', "/for_each: expected a list, or one template"),
        ("{action: goto, for_each: 3}", "/for_each: expected a list, or one template"),
        ("{action: goto, for_each: [1], repeat: {max: 2}}", "/repeat: cannot stand beside"),
        ("{action: goto, repeat: {}}", "/repeat: needs `while`, `until` or `max`"),
        ("{action: goto, repeat: {while: a, until: b}}", "/repeat: has `while` and `until`"),
        ("{action: goto, repeat: {max: 10001}}", "/repeat/max: must be 1 to 10,000, got 10,001"),
        ("{action: goto, repeat: {utnil: a, max: 1}}", "/repeat/utnil: unknown field; did you mea"),
        ("{action: goto, repeat: 3}", "/repeat: expected an object with `while`"),
        ("{action: goto, retry: 11}", "/retry/attempts: must be 1 to 10, got 11"),
        ("{action: goto, retry: {delay_s: -1}}", "/retry/delay_s: must be 0 to 3600, got -1"),
        ("{action: goto, retry: {backoff: x}}", "/retry/backoff: must be one of fixed, exponenti"),
        ("{action: goto, retry: yes}", "/retry: expected an object with `attempts`"),
        ("{action: goto, timeout_s: 0}", "/timeout_s: must be above 0"),
        ("{action: goto, timeout_s: 5s}", "/timeout_s: expected a number of seconds"),
        ("{action: goto, continue_on_error: yes}", "/continue_on_error: expected true or false"),
        ("{action: goto, record: 3}", "/record: expected true or false"),
        ("{steps: []}", "/steps: expected a list of steps, got an empty one"),
        ("{steps: {}}", "/steps: expected a list of steps, got an object"),
        ("{steps: [{action: a}], with: {}}", "/with: is for a step with `action`"),
        ("{steps: [{action: a, x: 1}]}", "/steps/0/x: unknown field; parameters are given under"),
        ("{action: a, if: input.n}", "/if: unknown field; a condition is `when`"),
        ("{action: a, while: input.n}", "/while: unknown field; `while` and `until` are given un"),
        ("{goto: a}", "/goto: unknown field; the step's work is named by `action`"),
    ],
)
def test_a_fault_of_a_step_has_its_place(step: str, fault: str) -> None:
    assert step_fault(step).startswith(fault), step_fault(step)


@pytest.mark.parametrize(
    ("step", "fault"),
    [
        ("{action: goto}", "/action: works in recipes only"),
        ("{function: a, record: true}", "/record: works in recipes only"),
        ("{name: a}", ": has no `function`; each step of a flow has one"),
        ("{steps: [{function: a}]}", "/steps: works in recipes only; a part of a flow is a flow"),
        ("{function: a, repeat: {max: 2}}", "/repeat: works in recipes only; a part of a flow"),
        ("{function: a, timeout_s: 0}", "/timeout_s: "),
        ("{function: a, needs: b}", "/needs: expected a list, got a string"),
        ("{function: a, needs: [b, b]}", '/needs/1: "b" is here twice'),
        ("{function: a, sequential: true}", "/sequential: is for a step with `for_each`"),
    ],
)
def test_a_fault_of_a_step_of_a_flow_has_its_place(step: str, fault: str) -> None:
    assert step_fault(step, "flow").startswith(fault), step_fault(step, "flow")


def test_twins_are_refused_wherever_they_are() -> None:
    ((line, at, message),) = faults("""
        steps:
          - {name: a, action: goto}
          - steps: [{name: a, action: goto}]
    """)
    assert (line, at) == (4, "/steps/1/steps/0/name")
    assert message == 'another step, in line 3, has the name "a"'
    text = "kind: flow\nsteps: [{name: a-b, function: x}, {name: a_b, function: x}]"
    assert "has the name" in faults(text)[0][2]


@pytest.mark.parametrize(
    ("text", "line", "fault"),
    [
        ("", 1, ": expected an object with `steps`, got nothing"),
        ("[1]", 1, ": expected an object with `steps`, got an array"),
        ("a: [", 2, ": not YAML"),
        ("description: x", 1, "/steps: is required"),
        ("steps: []", 1, "/steps: expected a list of steps, got an empty one"),
        ("steps: [{action: a}]\nstesp: 1", 2, '/stesp: unknown field; did you mean "steps"?'),
        ("kind: flwo\nsteps: [{action: a}]", 1, '/kind: must be one of recipe, flow, got "flwo"'),
        ("kind: flow\npool: x\nsteps: [{function: a}]", 2, "/pool: works in recipes only: a flow"),
        ("kind: flow\nretries: 1\nsteps: [{function: a}]", 2, "/retries: works in recipes only"),
        ("kind: flow\nsecrets: [A]\nsteps: [{function: a}]", 2, "/secrets: works in recipes only"),
        ("kind: flow\ncontract: 0\nsteps: [{function: a}]", 2, "/contract: "),
        (
            "kind: flow\nsteps: [{function: a}]\non_error: [{function: a}]",
            3,
            "/on_error: expected an object with `function` and `input`, got an array",
        ),
        (
            "kind: flow\nsteps: [{function: a}]\non_error: {function: a, with: {}}",
            3,
            "/on_error/with: unknown field",
        ),
        ("steps: [{action: a}]\non_error: [{action: a}]", 2, "/on_error: unknown field"),
        ("steps: [{action: a}]\ninput:\n  a: xstring", 3, '/input/a: "xstring" is not a type; did'),
        ("steps: [{action: a}]\ninput: {a: {minimum: x}}", 2, "/input: is not a valid JSON Schema"),
        ("steps: [{action: a}]\noutput: {type: x}", 2, "/output: is not a valid JSON Schema"),
        ("steps: [{action: a}]\noutput: [1]", 2, "/output: expected a JSON Schema, got an array"),
        ("steps: [{action: a}]\nmodes: [sync, rest]", 2, "/modes/1: must be one of sync, stream"),
        ("steps: [{action: a}]\nisolation: none", 2, "/isolation: must be one of context, reset"),
        ("steps: [{action: a}]\nsecrets: [A-B]", 2, "/secrets/0: a secret's name has only"),
        ("steps: [{action: a}]\nretries: -1", 2, "/retries: must be 0 to 100"),
        ("steps: [{action: a}]\nreturn: '{{ a b }}'", 2, "/return: `{{ a b }}`"),
        ("steps: [{action: a}]\nbrowser: x", 2, "/browser: expected an object"),
    ],
)
def test_a_fault_of_a_file_has_its_place(text: str, line: int, fault: str) -> None:
    ((found, at, message),) = faults(text)
    assert found == line
    assert f"{at}: {message}".startswith(fault)


def test_all_faults_are_reported_in_the_order_of_the_file() -> None:
    found = faults("""
        inptu: {}
        steps:
          - {action: goto, wixth: {}}
          - {when: true}
        retries: x
    """)
    assert [(line, at) for line, at, _ in found] == [
        (2, "/inptu"), (4, "/steps/0/wixth"), (5, "/steps/1"), (6, "/retries"),
    ]  # fmt: skip


def test_a_file_has_a_thousand_steps_at_most() -> None:
    steps = "steps:\n" + "- {action: a}\n" * 1000
    assert len(read(steps).steps) == 1000
    ((line, _, message),) = faults(steps + "- {action: a}\n" * 500)
    assert (line, message) == (1002, "the file has more than 1,000 steps")


def test_a_literal_for_each_has_ten_thousand_items_at_most() -> None:
    text = "steps: [{action: a, for_each: [" + "1, " * 10_001 + "]}]"
    assert "has 10,001 items, more than 10,000" in faults(text)[0][2]


def test_pauses_of_a_retry_grow_to_their_ceiling() -> None:
    retry = Retry(attempts=10, delay_s=1, factor=3, max_delay_s=20)
    assert [retry.pause_s(attempt, 0.9) for attempt in (1, 2, 3, 4)] == [1, 3, 9, 20]
    fixed = Retry(delay_s=2, exponential=False, jitter=0.5)
    assert [fixed.pause_s(3, spread) for spread in (0, 0.5, 1)] == [1, 2, 3]
