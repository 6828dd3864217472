"""Workspaces of Strøm as flows, schedules and hooks, and what cannot be translated."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from slotgrid.cli.main import cli
from slotgrid.imports.notes import Imported
from slotgrid.imports.stroem_bundle import import_stroem, is_of_stroem
from slotgrid.imports.stroem_model import seconds
from slotgrid.imports.stroem_templates import Templates, Untranslatable

SHOP = """
secrets: {TOKEN: "{{ env.TOKEN }}"}
actions:
  fetch-prices:
    type: script
    script: echo
    input: {url: {type: string}}
  tell:
    type: script
    language: python
    script: print()
  part: {type: task, task: compare}
tasks:
  watch-prices:
    name: Watch
    description: >
      the prices of
      some shops
    folder: shop/daily
    timeout: 1h30m
    input:
      shops: {type: string, multiple: true, default: [a, b]}
      kind: {type: string, options: [new, used], required: true, description: Which}
      limit: {type: integer, default: 3}
      token: {type: string, secret: true}
    flow:
      Fetch:
        action: fetch-prices
        for_each: "{{ input.shops }}"
        sequential: true
        input: {url: "https://{{ each.item }}.x/{{ each.index + 1 }}", token: "{{ secret.X }}"}
        retry: {max_attempts: 4, delay: 10s, backoff: exponential, jitter: 0.1}
        timeout: 5m
      compare-all:
        action: part
        depends_on: [Fetch]
        when: "{{ Fetch.output | length > 1 and input.kind == 'new' }}"
        input: {rows: "{{ Fetch.output }}", first: "{{ Fetch.output.0.price | default(value=1) }}"}
        continue_on_failure: true
    on_error:
      - {action: tell, input: {text: "{{ hook.task_name }} {{ hook.error_message }}"}}
  compare:
    input: {rows: {type: json}, first: number}
    flow:
      one: {action: tell, input: {text: "{{ input.first }}"}}
    on_success:
      - {action: tell, input: {text: "{{ hook.status }} of {{ hook.job_id }}"}}
      - {action: tell, input: {text: "{{ hook.is_success }}"}}
triggers:
  nightly:
    type: scheduler
    cron: "0 30 2 * * MON-FRI"
    timezone: Europe/Oslo
    task: watch-prices
    input: {kind: new}
  pushed:
    type: webhook
    name: prices-pushed
    task: compare
    secret: whsec_never_to_be_written
    mode: sync
    timeout_secs: 60
    input: {first: 1, source: push}
"""


def brought(*texts: str) -> Imported:
    return import_stroem({f".workflows/{n}.yaml": text.encode() for n, text in enumerate(texts)})


def files(imported: Imported) -> dict[str, Any]:
    return {file.path: yaml.safe_load(file.text) for file in imported.files}


def left_out(imported: Imported) -> list[str]:
    return [note.message for note in imported.notes if note.left_out]


def test_a_workspace_becomes_flows_schedules_and_hooks() -> None:
    made = files(brought(SHOP))
    assert list(made) == [
        "shop/daily/watch-prices.yaml",
        "compare.yaml",
        "compare-on-success.yaml",
        "_schedules.yaml",
        "_hooks.yaml",
    ]
    assert made["shop/daily/watch-prices.yaml"] == {
        "kind": "flow",
        "description": "Watch: the prices of some shops",
        "timeout_s": 5400,
        "input": {
            "shops": {"type": "array", "default": ["a", "b"]},
            "kind": {"type": "string", "options": ["new", "used"], "doc": "Which"},
            "limit": {"type": "integer", "default": 3},
            "token": {"type": "string", "required": False, "secret": True},
        },
        "steps": [
            {
                "name": "fetch",
                "needs": [],
                "for_each": "{{ input.shops }}",
                "sequential": True,
                "function": "fetch-prices",
                "with": {"url": "https://{{ item }}.x/{{ index + 1 }}"},
                "retry": {
                    "attempts": 4,
                    "delay_s": 10,
                    "backoff": "exponential",
                    "jitter": 0.1,
                    "max_delay_s": 640,
                },
                "timeout_s": 300,
            },
            {
                "name": "compare-all",
                "needs": ["fetch"],
                "when": "{{ steps.fetch.output |length > 1 and input.kind == 'new' }}",
                "function": "compare",
                "with": {
                    "rows": "{{ steps.fetch.output }}",
                    "first": "{{ steps.fetch.output[0].price |default(1) }}",
                },
                "continue_on_error": True,
            },
        ],
        "on_error": {
            "function": "tell",
            "input": {
                "text": '{{ "shop/daily/watch-prices" }} {{ (error.message if error else none) }}'
            },
        },
    }
    assert made["_schedules.yaml"] == [
        {
            "name": "nightly",
            "cron": "0 30 2 * * MON-FRI",
            "timezone": "Europe/Oslo",
            "function": "shop/daily/watch-prices",
            "input": {"kind": "new"},
            "overlap": "allow",
            "missed": "run_once",
        }
    ]
    assert made["_hooks.yaml"] == [
        {
            "name": "prices-pushed",
            "function": "compare",
            "verify": "bearer",
            "secret": "${HOOK_PRICES_PUSHED_SECRET}",
            "input": "request",
            "mode": "sync",
            "defaults": {"first": 1, "source": "push"},
        }
    ]
    assert made["compare.yaml"]["input"]["body"] == {"type": "any", "required": False}
    assert made["compare.yaml"]["input"]["source"] == {"type": "any", "required": False}
    assert made["compare.yaml"]["on_success"]["function"] == "compare-on-success"
    assert [step["with"]["text"] for step in made["compare-on-success.yaml"]["steps"]] == [
        "{{ input.status }} of {{ input.task_id }}",
        '{{ input.status == "completed" }}',
    ]


def test_what_has_no_counterpart_is_named_with_its_line() -> None:
    imported = brought(SHOP)
    assert left_out(imported) == [
        "secrets are not imported: declare them in `secrets.yaml` of the workers, whose functions "
        "read them",
        "write a function `fetch-prices` (docs/functions.md): its action is a script",
        "`token` was left out: secrets are no part of templates: the function reads them",
        "write a function `tell` (docs/functions.md): its action is a script",
    ]
    assert "never_to_be_written" not in str(imported)
    lines = {note.message.split(":")[0]: note.line for note in imported.notes}
    assert SHOP.splitlines()[lines["`token` was left out"] - 1].strip().startswith("input: {url:")
    differs = [note.message for note in imported.notes if not note.left_out]
    assert any("HOOK_PRICES_PUSHED_SECRET" in one for one in differs)
    assert "the step `Fetch` is called `fetch` here" in differs
    assert "a sender waits for a result for 30 s" in differs


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tasks: {a: {flow: {b: {action: x, when: '{{ now() }}'}}}}", "the function `now`"),
        ("tasks: {a: {flow: {b: {action: x, when: '{% if x %}'}}}}", "statements"),
        ("tasks: {a: {flow: {b: {action: x, for_each: '{{ secret.X }}'}}}}", "secrets are no"),
        ("tasks: {a: {flow: {b: {action: x, when: '{{ c.output }}'}}}}", "`c.output`"),
        ("tasks: {a: {flow: {}}}", "it has no steps"),
        ("tasks: {a: {}}", "it has no steps"),
        ("tasks: {a: {flow: {b: 7}}}", "its step `b` is no mapping"),
        ("tasks: {a: {flow: {b: {}}}}", "its step `b` has no action"),
        ("tasks: {a: {flow: {b: {action: x, depends_on: [c]}}}}", "waits for `c`"),
        ("tasks: {a: {flow: {b: {action: x, depends_on: [{step: c}]}}}}", "has conditions"),
        ("tasks: {a: {flow: {b: {type: task, task: z}}}}", "there is no task `z`"),
        ("actions: {x: {type: task}}\ntasks: {a: {flow: {b: {action: x}}}}", "no task `None`"),
        ("tasks: {a: {flow: {b: {action: '..'}}}}", "has no name that a file can have"),
        (
            "tasks: {a: {flow: {b: {action: x, depends_on: c}, c: {action: x, depends_on: b}}}}",
            "it is no valid flow",
        ),
        (
            "tasks: {a: {flow: {b: {action: x}, c: {action: x, when: '{{ b.output }}'}}}}",
            "it is no valid flow",
        ),
    ],
)
def test_a_task_that_would_do_something_else_is_left_out(text: str, message: str) -> None:
    imported = brought(text)
    (note,) = [one for one in left_out(imported) if "was left out" in one]
    assert message in note
    assert files(imported) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tasks: [", "not YAML"),
        ("- 7", "it is no mapping"),
        ("flows: {}", "`flows` is no key of a workspace"),
        ("tasks: 7", "`tasks` is no mapping"),
        ("tasks: {a: 7}", "`a` is no mapping"),
        ("tasks: {'..': {flow: {b: {action: x}}}}", "has no name that a file can have"),
        ("connections: {db: {}}", "`connections` have no counterpart"),
        ("on_error: [{action: x}]\non_success: 7\ntasks: {a: {flow: {b: {action: x}}}}", "list"),
        ("triggers: {t: {type: event_source}}", "of the type `event_source`"),
        ("triggers: {t: {type: scheduler, task: z, cron: '* * * * *'}}", "starts `z`"),
        ("triggers: {t: {type: webhook, task: z}}", "starts `z`"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, message: str) -> None:
    assert any(message in note for note in left_out(brought(text)))


ONE = "tasks: {a: {flow: {b: {action: x}}}}\n"


@pytest.mark.parametrize(
    ("trigger", "message"),
    [
        ("type: scheduler, task: a", "it has no `cron`"),
        ("type: scheduler, task: a, cron: often", "is no cron expression"),
        ("type: scheduler, task: a, cron: '0 0 15W * *'", "nearest working day"),
        ("type: scheduler, task: a, cron: '* * * * *', concurrency: some", "`concurrency: some`"),
        ("type: scheduler, task: a, cron: '* * * * *', input: 7", "`input` is no mapping"),
        ("type: scheduler, task: a, cron: '* * * * *', input: {x: '{{ y }}'}", "template"),
        ("type: scheduler, task: a, cron: '* * * * *', every: 5m", "`every` is no key"),
        ("type: webhook, task: a", "takes requests without a secret"),
    ],
)
def test_triggers_are_named_for_what_they_lack(trigger: str, message: str) -> None:
    assert any(
        message in note for note in left_out(brought(f"{ONE}triggers: {{t: {{{trigger}}}}}"))
    )


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("colour: red", "`colour` is no key of a step"),
        ("input: 7", "`input` is no mapping"),
        ("timeout: long", "`long` is no duration"),
        ("retry: 7", "`retry` is no mapping"),
        ("retry: {max_attempts: 99}", "`max_attempts: 99` of `retry`"),
        ("input: {x: '{{ input.y | vals }}'}", "the filter `vals`"),
        ("input: {x: '{{ input.y | join(by=1) }}'}", "the argument `by`"),
        ("input: {x: '{{ input.y | join(1) }}'}", "the arguments of the filter `join`"),
        ("input: {x: '{{ input.y | join(sep=1 }}'}", "not closed"),
        ("input: {x: '{{ input.y[1 }}'}", "a bracket is not closed"),
        ("input: {x: '{{ input.y + }}'}", "is no template here"),
        ("input: {x: '{{ other }}'}", "`other`"),
    ],
)
def test_a_part_of_a_step_is_left_out_by_itself(step: str, message: str) -> None:
    imported = brought(f"tasks: {{a: {{flow: {{b: {{action: x, {step}}}}}}}}}")
    assert any(message in note for note in left_out(imported)), left_out(imported)
    (flow,) = files(imported).values()
    assert flow["steps"][0]["function"] == "x"
    assert "with" not in flow["steps"][0]


def test_kinds_of_actions_are_told_apart() -> None:
    kinds = ("docker", "pod", "agent", "approval", "odd")
    actions = "".join(f"  {kind}: {{type: {kind}}}\n" for kind in kinds)
    steps = "".join(f"      {kind}: {{action: {kind}}}\n" for kind in kinds)
    imported = brought(f"actions:\n{actions}tasks:\n  a:\n    flow:\n{steps}")
    words = ("a container", "a pod", "language model", "approval", "of the type `odd`")
    assert [any(word in note for word in words) for note in left_out(imported)] == [True] * 5


def test_inline_actions_and_names_that_meet() -> None:
    text = """
    tasks:
      build:
        flow:
          a-b: {type: script, script: make, input: {x: {type: string}, y: "{{ input.z }}"}}
          a_b: {action: build}
          "9": {action: gone}
        on_cancel: {action: gone}
      Build: {flow: {b: {action: x}}}
      call: {flow: {b: {type: task, task: build, input: {z: 1}}}}
    """
    imported = brought(text)
    made = files(imported)
    assert set(made) == {"build.yaml", "call.yaml"}
    assert made["build.yaml"]["input"] == {"z": {"type": "any", "required": False}}
    steps = made["build.yaml"]["steps"]
    assert [(step["name"], step["function"]) for step in steps] == [
        ("a-b", "build-a-b"),
        ("a_b-2", "build-action"),
        ("step-9", "gone"),
    ]
    assert made["call.yaml"]["steps"][0]["function"] == "build"
    assert made["build.yaml"]["on_cancel"] == {"function": "gone"}
    assert any("`Build.yaml` is made of `build`" in note for note in left_out(imported))


def test_hooks_of_the_workspace_are_those_of_tasks_without_their_own() -> None:
    text = """
    on_error: [{action: tell, input: {why: "{{ hook.error_message }}", at: "{{ hook.workspace }}"}}]
    tasks:
      a: {flow: {b: {action: x}}}
      c: {flow: {b: {action: x}}, on_error: [{action: mine}]}
    """
    imported = brought(text, "on_error: [{action: other}]")
    made = files(imported)
    assert made["a.yaml"]["on_error"] == {
        "function": "tell",
        "input": {"why": "{{ (error.message if error else none) }}"},
    }
    assert made["c.yaml"]["on_error"] == {"function": "mine"}
    assert any("`on_error` is in another file too" in note for note in left_out(imported))
    assert any("`at` of `on_error` was left out" in note for note in left_out(imported))


def test_inputs_of_all_kinds() -> None:
    text = """
    tasks:
      a:
        retry: {max_attempts: 2}
        colour: red
        input:
          db: {type: postgres}
          open: {type: string, options: [x], allow_custom: true}
          late: {type: date, default: "{{ secret.X }}"}
          odd: 7
          more: {type: text, pattern: x}
        flow: {b: {action: x}}
    """
    imported = brought(text)
    made = files(imported)["a.yaml"]["input"]
    assert made == {
        "db": {"type": "any", "required": False},
        "open": {"type": "string", "required": False},
        "late": {"type": "string", "required": False},
        "odd": {"type": "any", "required": False},
        "more": {"type": "string", "required": False},
    }
    assert len(left_out(imported)) == 7
    assert any(
        "`input` is no mapping" in n
        for n in left_out(brought(ONE.replace("{flow", "{input: 7, flow")))
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("30s", 30),
        ("1h30m", 5400),
        ("7d", 604800),
        (90, 90),
        ("45", 45),
        ("", None),
        (True, None),
        ("soon", None),
        (0, None),
        ([], None),
        ("0s", None),
    ],
)
def test_durations(given: Any, expected: float | None) -> None:
    assert seconds(given) == expected


def test_templates_keep_what_they_mean() -> None:
    templates = Templates(lambda name, members: f"{name}{''.join(members)}")
    for given, expected in (
        ("plain", "plain"),
        ("{{ a.b.0.1.c }}", "{{ a.b[0][1].c }}"),
        ("{{ a[b.c] }}", "{{ a[b.c] }}"),
        ("{{ a | safe }}", "{{ a }}"),
        ('{{ `it "is"` }}', '{{ "it \\"is\\"" }}'),
        ("{{ a is not defined }}", "{{ a is not defined }}"),
        ("{{ a | replace(from='x', to=b) }}", "{{ a |replace('x', b) }}"),
        ("{{ a != null }}", "{{ a != none }}"),
    ):
        assert templates.text(given) == expected
    assert templates.value([{"a": "{{ b }}"}, 7]) == [{"a": "{{ b }}"}, 7]
    assert templates.condition(["{{ a }}", True]) == ["{{ a }}", True]
    with pytest.raises(Untranslatable, match="no condition"):
        templates.condition([])
    with pytest.raises(Untranslatable, match="arguments"):
        templates.text("{{ a | replace(to=b, from=c) }}")


def test_which_files_are_of_a_workspace() -> None:
    assert is_of_stroem(".workflows/a.yaml")
    assert is_of_stroem("a.yml")
    assert not is_of_stroem(".git/a.yaml")
    assert not is_of_stroem(".workflows/a.sh")


def test_the_command_writes_the_files_and_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "in" / ".workflows").mkdir(parents=True)
    (tmp_path / "in" / ".workflows" / "shop.yaml").write_text(SHOP)
    words = ["import", "stroem", str(tmp_path / "in"), "--to", str(tmp_path / "out")]
    ran = CliRunner().invoke(cli, words, env={"COLUMNS": "200"})
    assert ran.exit_code == 1, ran.output
    assert "write a function `tell`" in ran.output
    assert (tmp_path / "out" / "shop" / "daily" / "watch-prices.yaml").is_file()
    again = CliRunner().invoke(cli, words, env={"COLUMNS": "200"})
    assert "5 already there" in again.output
    one = ["import", "stroem", str(tmp_path / "in" / ".workflows" / "shop.yaml"), "--dry-run"]
    assert "5 files would be written" in CliRunner().invoke(cli, one).output
    (tmp_path / "none").mkdir()
    empty = CliRunner().invoke(cli, ["import", "stroem", str(tmp_path / "none")])
    assert "no workflow files of Strøm" in empty.output
