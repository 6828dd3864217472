"""Texts of webtasks become recipes that load, and what is left out is named by its line."""

import json
import os
from pathlib import PurePosixPath
from typing import Any

import pytest
import yaml

from slotgrid.imports.notes import Imported
from slotgrid.imports.webtask_bundle import import_webtasks
from slotgrid.imports.webtask_words import WORDS
from slotgrid.steps.checking import check
from slotgrid.steps.reading import read_steps
from tests.slotgrid.imports import examples
from worker.recipes.loader import ActionCatalog

ODD: list[Any] = [
    *(0, 1, -1, 1.5, 10**6, True, False, None),
    *("", "x", ".", "/", "{{a}}", "{{a.b}} z", "{{ITEM|or:x'\"}}", "{{", "}}{{", "{% x %}", "{#"),
    *("a\nb", "é\"'\\", "http://x.example/", "../x", "1_500", "1-0"),
    *([], [1], ["{{a}}"], {}, {"k": "v"}, {"k": {"kind": "text"}}, [{"name": "", "path": "/"}]),
]
"""Values that parameters can have."""


def imported(text: str, path: str = "tasks/a.yaml") -> Imported:
    """The import of one file, whose recipes all load."""
    result = import_webtasks({path: text.encode()})
    for file in result.files:
        if not PurePosixPath(file.path).name.startswith("_"):
            assert check(read_steps(file.text.encode()), ActionCatalog()) == []
    return result


def recipe(text: str, path: str = "tasks/a.yaml") -> Any:
    """The one recipe that a file becomes."""
    (file,) = imported(text, path).files
    return yaml.safe_load(file.text)


def steps(*lines: str) -> Any:
    """The steps of a task with these lines of a flow."""
    return recipe("name: a\nflow:\n" + "".join(f"  - {line}\n" for line in lines))["steps"]


def left_out(result: Imported) -> list[tuple[int, str]]:
    return [(note.line, note.message) for note in result.notes if note.left_out]


@pytest.mark.parametrize("name", [name for name in vars(examples) if name.isupper()])
def test_the_examples_load(name: str) -> None:
    text = getattr(examples, name).replace("SITE", "http://site.example")
    suffix = "webtask" if text.lstrip("\n# ").startswith(("task", "Log")) else "yaml"
    assert len(imported(text, f"tasks/{name}.{suffix}").files) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{q}}", "{{ input.q }}"),
        ("{{q|or: go }}", '{{ input.q|default("go", true) }}'),
        ("{{n|or:5}}", '{{ input.n|default("5") }}'),
        ("{{open}}", '{{ input.open|default("") }}'),
        ("a {{q}} {{ n }}", "a {{ input.q }} {{ input.n }}"),
        ("{{o.b.c-d}}", '{{ input.o.b["c-d"]|default("") }}'),
        ("{{o.list.length}}", "{{ input.o.list|length }}"),
        ("{{{q}}}", '{{ "{" }}{{ input.q }}}'),
        ("{{q}} {% {#", '{{ input.q }} {{ "{%" }} {{ "{#" }}'),
        ("{{KEY}}", "{{ secrets.KEY }}"),
        ("{{other}}", '{{ input.other|default("") }}'),
        ("plain {#", "plain {#"),
    ],
)
def test_placeholders(text: str, expected: str) -> None:
    made = recipe(
        "name: a\ninput: {q: {type: string}, n: {type: int, default: 1}, o: {type: map},"
        " open: {type: int}}\n"
        f"flow: [{{run: emit-event, params: {{data: {{v: {json.dumps(text)}}}}}}}]\n"
    )
    assert made["steps"][0]["with"]["data"]["v"] == expected


def test_times_and_numbers_become_ours() -> None:
    made = steps(
        '{run: wait, params: {duration: "1_500"}}',
        "{run: wait-for, params: {selector: h1, timeoutMs: 250}}",
        '{run: scroll-until-stable, params: {selector: html, stableMs: "{{ms}}"}}',
    )
    assert made[0] == {"action": "sleep", "with": {"seconds": 1.5}}
    assert made[1]["with"] == {"selector": "h1", "timeout_s": 0.25, "state": "attached"}
    assert made[2]["with"] == {
        "stable_s": '{{ input.ms|default("")|float(1500) / 1000 }}',
        "direction": "up",
        "max_rounds": 10_000,
        "limit_s": 60,
    }


def test_names_of_steps_are_renamed_everywhere() -> None:
    made = recipe(
        "name: a\nflow:\n"
        "  - {run: js, as: peerName, params: {script: return 1}}\n"
        "  - {run: js, as: peer-name, params: {script: return 2}}\n"
        "  - {run: js, as: 9lives, params: {script: return 3}}\n"
        '  - {run: return, params: {value: "{{peerName}} {{peer-name}} {{9lives}}"}}\n'
    )
    assert [step["name"] for step in made["steps"]] == ["peer_name", "peer_name_2", "step_9lives"]
    assert made["return"] == (
        "{{ steps.peer_name.output }} {{ steps.peer_name_2.output }} {{ steps.step_9lives.output }}"
    )


def test_a_later_value_of_a_name_counts_from_there_on() -> None:
    made = recipe(
        "name: a\ninput: {x: {type: string}}\nflow:\n"
        "  - {run: js, as: x, params: {script: \"return '{{x}}'\"}}\n"
        '  - {run: return, params: {value: "{{x}}"}}\n'
    )
    assert made["steps"][0]["with"]["script"] == "return '{{ input.x }}'"
    assert made["return"] == "{{ steps.x.output }}"


def test_names_of_an_outer_loop_are_kept_for_the_inner_one() -> None:
    made = steps(
        "{run: for-each, params: {over: [1], as: row}, do: [{run: for-each, params: {over: [2]},"
        ' do: [{run: emit-event, params: {text: "{{row}} {{row_index}} {{item}}"}}]}]}'
    )
    outer = made[0]["steps"]
    assert outer[0] == {
        "action": "set",
        "with": {"row": "{{ item }}", "row_index": "{{ index }}"},
    }
    assert outer[1]["steps"][0]["with"]["text"] == "{{ vars.row }} {{ vars.row_index }} {{ item }}"


def test_what_a_loop_binds_is_not_seen_after_it() -> None:
    result = imported(
        "name: a\nflow:\n"
        "  - {run: for-each, params: {over: [1]}, do: [{run: js, as: x, params: {script: '1'}}]}\n"
        '  - {run: emit-event, params: {text: "{{x}}"}}\n'
    )
    assert any("nothing here binds `x`" in note.message for note in result.notes)


def test_inputs_keep_their_types_and_defaults() -> None:
    made = recipe(
        'task "a"\n'
        'input q string required doc "What"\n'
        'input limit int default "10"\n'
        'input all bool default "false"\n'
        'input ratio float default "x"\n'
        "input odd thing\n"
        'goto "https://site.example/{{q}}"\n'
        "end\n",
        "a.webtask",
    )
    assert made["input"] == {
        "q": {"type": "string", "minLength": 1, "doc": "What"},
        "limit": {"type": "integer", "default": 10},
        "all": {"type": "boolean", "default": False},
        "ratio": {"type": "number", "required": False},
        "odd": {"type": "any", "default": ""},
    }


def test_a_click_by_text_is_a_part_of_the_selector() -> None:
    made = steps(
        "{run: action, params: {action: click, selector: '.a, .b', text: 'Say \"x\"'}}",
        "{run: action, params: {action: click, text: Go, match: contains, closest: li}}",
    )
    assert made[0]["with"]["selector"].startswith(':is(.a, .b):text-is("Say \\"x\\""), ')
    assert made[1]["with"] == {"text": "Go", "closest": "li"}


def test_secrets_with_defaults_prompts_and_pools() -> None:
    result = import_webtasks(
        {
            "secrets.yaml": b"secrets:\n"
            b"  - {name: greeting, default: Hi, sources: [env, prompt]}\n"
            b"  - {name: PASSWORD, required: true, description: The key}\n",
            "tasks/pool.yaml": b"pools: {logins: {size: 2, persistent: true, profile: x}}\n",
            "static-mounts.yaml": b"mounts: [{prefix: files, dir: out, list: true}]\n",
            "tasks/a.yaml": b"name: a\npoolTag: logins\nflow:\n"
            b'  - {run: return, params: {value: "{{greeting}} {{PASSWORD}}"}}\n',
        }
    )
    files = {file.path: yaml.safe_load(file.text) for file in result.files}
    assert files["_secrets.yaml"] == {
        "greeting": {"required": False, "source": {"env": "greeting"}},
        "PASSWORD": {"description": "The key", "source": {"env": "PASSWORD"}},
    }
    assert files["_pools.yaml"] == {
        "default": {"size": 1},
        "logins": {"size": 2, "isolation": "persistent"},
    }
    assert files["_mounts.yaml"] == [
        {"prefix": "/files", "dir": "out", "list": True, "serve": False, "recursive": False}
    ]
    assert files["a.yaml"]["secrets"] == ["greeting", "PASSWORD"]
    assert files["a.yaml"]["pool"] == "logins"
    assert files["a.yaml"]["return"] == (
        '{{ secrets.greeting|default("Hi", true) }} {{ secrets.PASSWORD }}'
    )
    assert left_out(result) == []
    assert any("not from prompt" in note.message for note in result.notes)


def test_what_is_left_out_is_named_by_line() -> None:
    result = imported(
        "name: a\nbundle: x\nflow:\n"
        "  - run: gotoo\n"
        "  - run: goto\n"
        "    params: {url: 'https://site.example', waitFor: x}\n"
        "  - run: goto\n"
        "    params: {url: 'file:///etc/passwd'}\n"
        "  - run: read-file\n"
        "    params: {path: /etc/hosts}\n"
    )
    assert [line for line, _ in left_out(result)] == [2, 4, 5, 7, 9]
    assert 'did you mean "goto"' in left_out(result)[1][1]


def test_spaced_and_hyphened_statements_are_the_same() -> None:
    def made(line: str) -> Any:
        return recipe(f'task "a"\n{line}\nend\n', "a.webtask")["steps"]

    for spaced, hyphened in (
        ('wait until "h1" timeout 5', 'wait-for "h1" timeout 5'),
        ("wait network idle 800 timeout 900", "wait-network-idle 800ms timeout 900"),
        ('save html path "x.html"', 'save-html path "x.html"'),
        ("get cookies jar", "get-cookies jar"),
        (
            'http post a url "http://site.example" body {b: 1}',
            'http-post a url "http://site.example" body {b: 1}',
        ),
        ('let a "b"', 'bind a "b"'),
    ):
        assert made(spaced) == made(hyphened)


def test_blocks_scripts_and_status_lines() -> None:
    made = recipe(
        'task "a"\n'
        "set rows []\n"
        'status "Now"\n'
        'for-each row in "{{rows}}" continueOnError true\n'
        '  do emit progress "{{row}}" data {\n'
        "    part: 0.5\n"
        "  }\n"
        '  js n args ["{{row}}"] return arguments[0] // #1\n'
        "end\n"
        'loop until js "done()" pause 0 max 3\n'
        "  wait 1\n"
        "end\n"
        "end\n",
        "a.webtask",
    )["steps"]
    each = made[1]
    assert each["status"] == "Now"
    assert each["for_each"] == "{{ vars.rows }}"
    assert each["continue_on_error"] is True
    assert each["steps"][0]["with"] == {
        "text": "{{ item|string }}",
        "data": {"part": 0.5},
        "kind": "progress",
    }
    assert "return arguments[0] // #1\n" in each["steps"][1]["with"]["script"]
    assert made[-1]["repeat"] == {"while": "vars.goes_on", "max": 3}


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_every_word_takes_any_value_or_names_it(value: Any) -> None:
    for word, counterpart in WORDS.items():
        step = {"run": word, "as": "x", "status": "{{x}}", "params": {}, "do": []}
        step["params"] = dict.fromkeys(counterpart.parameters, value)
        flow = [step, {"run": "emit-event", "params": {"text": value}}]
        imported(json.dumps({"name": "a", "input": {"a": {"default": value}}, "flow": flow}))


@pytest.mark.parametrize("suffix", ["yaml", "webtask"])
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe\x00",
        b"x" * 10_000_000,
        b"\x00\x01\x02",
        b"task",
        b'task "',
        b'task "a"\njs\nend\nend\nend',
        b"flow: 1",
        b"flow: [1, [], {}, {run: 2}]",
        b"&a [*a]",
        b"flow: [{run: for-each, params: {over: '{{x}} y'}}]",
        b'task "a"\nextract\nextract a from\nhttp\nclick\nfor-each\nloop\nrecord x\nexport [\n',
        os.urandom(5000),
    ],
)
def test_a_file_that_is_no_task_is_named_and_nothing_else_happens(suffix: str, data: bytes) -> None:
    result = import_webtasks({f"tasks/a.{suffix}": data})
    assert left_out(result)
    for file in result.files:
        read_steps(file.text.encode())


def test_deep_nesting_is_named() -> None:
    text = "name: a\nflow:\n" + "[{run: for-each, params: {over: [1]}, do: " * 100
    assert left_out(import_webtasks({"a.yaml": text.encode()}))
    lines = ['task "a"', *['for-each x in "{{y}}"'] * 100, 'goto "http://site.example"']
    result = import_webtasks({"a.webtask": "\n".join(lines + ["end"] * 101).encode()})
    assert any("nested deeper" in message for _, message in left_out(result))


def test_two_tasks_of_one_file_become_two_recipes_and_a_twin_is_named() -> None:
    text = "\n".join(f'task "{name}"\nwait 1\nend' for name in ("a", "b", "A"))
    result = import_webtasks({"x.webtask": text.encode()})
    assert [file.path for file in result.files] == ["a.yaml", "b.yaml"]
    assert left_out(result)[0][0] == 7


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("../../etc/x", "etc/x.yaml"),
        ("/abs/x", "abs/x.yaml"),
        ("a b/c.d", "a-b/c-d.yaml"),
        ("C:\\x\\..\\y", "C/x/y.yaml"),
        ("_hidden/__x", "hidden/x.yaml"),
        ("..", "file.yaml"),
        ("\u0000a\nb", "a-b.yaml"),
        ("x" * 300, f"{'x' * 80}.yaml"),
    ],
)
def test_names_stay_below_the_target(name: str, path: str) -> None:
    text = yaml.safe_dump({"name": name, "flow": [{"run": "wait", "params": {"duration": 1}}]})
    result = import_webtasks({"tasks/file.yaml": text.encode()})
    assert [file.path for file in result.files] == [path]


def test_scripts_outside_of_their_folder_are_left_out() -> None:
    result = imported("name: a\nflow: [{run: js, params: {fn: ../../secret}}]\n")
    assert result.files == ()
    assert len(left_out(result)) >= 2
