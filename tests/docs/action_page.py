"""The page of the actions, `docs/actions.md`, made from the actions themselves.

`python -m tests.docs.action_page` (`make docs`) writes it.
"""

import inspect
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from slotgrid.imports.counterparts import Counterpart, Parameter
from slotgrid.imports.moonsurf_tools import ALWAYS, OLD_TOOLS, OTHER_SPELLINGS, TOOLS
from slotgrid.imports.webtask_words import STEP_KEYS, TASK_KEYS, WORDS
from tests.docs.pages import DOCS, ROOT
from tests.docs.schema_tables import SchemaTables, lines
from tests.docs.tables import table
from worker.actions.action import Action
from worker.actions.catalog import actions

PAGE = DOCS / "actions.md"
TESTS = ROOT / "tests" / "worker" / "actions"
SHARED_TARGET = ("selector", "text", "exact", "closest", "role", "name", "ref", "frame")
"""Parameters of every action that takes an element."""
TARGET_TITLE = "Elements"

_RUN = re.compile(r"\.(?:result_of_)?example\(\s*\"(\w+)\"")
_TEST = re.compile(r"^async def (test_\w+)\(", re.MULTILINE)
_SECTION = re.compile(r"\n\n(?:Example|Limits):\n.*", re.DOTALL)
_CONVERSIONS = {
    "ms_to_s": "in seconds",
    "whole": "a whole number",
    "file_name": "the name without folders",
    "script": "`arguments` are `args`",
    "pattern": "as a pattern",
}

INTRODUCTION = """\
An action is one deed of a recipe's step, or of a command: `action` names it, and `with` has its
parameters. [Recipes](recipes.md) are files of steps, [commands](commands.md) a list in a request.

`make docs` writes this page from the actions. Each example is a recipe's steps, which a test runs
on a real page; `{{ input.site }}` is the address of the tests' site."""

ELEMENTS = """\
Actions on an element take the same parameters, marked *element* below. Exactly one of `selector`,
`text`, `role` and `ref` names it. The first *visible* match counts, and is waited for."""


@cache
def tests_by_action() -> Mapping[str, str]:
    """The test that runs the example of each action, as `file::test`."""
    found: dict[str, str] = {}
    for file in sorted(TESTS.glob("test_*.py")):
        text = file.read_text(encoding="utf-8")
        starts = [(match.start(), match[1]) for match in _TEST.finditer(text)]
        for run in _RUN.finditer(text):
            test = [name for start, name in starts if start < run.start()][-1:]
            if test:
                found.setdefault(run[1], f"{file.name}::{test[0]}")
    return found


def faults() -> list[str]:
    """What an action lacks: a description, an example, or the test that runs it."""
    tested = tests_by_action()
    found = []
    for name, one in actions().items():
        if not one.description:
            found.append(f"{name}: its docstring has no description")
        if not one.example:
            found.append(f"{name}: its docstring has no example")
        if name not in tested:
            found.append(f'{name}: no test in tests/worker/actions runs world.example("{name}")')
    return found


def page() -> str:
    """The whole page."""
    themes: dict[str, list[Action]] = {}
    for one in actions().values():
        themes.setdefault(one.theme, []).append(one)
    parts: list[list[str]] = [
        ["# Actions"],
        ["<!-- Written by `make docs` from worker/actions/: change that, not this. -->"],
        [INTRODUCTION],
        _contents(themes),
        [f"## {TARGET_TITLE}"],
        [ELEMENTS],
        _target_table(),
    ]
    for theme, members in themes.items():
        parts.append([f"## {theme_title(theme)}"])
        for one in members:
            parts += _section(one)
    parts += [*_webtasks(), *_moonsurf()]
    return lines(parts) + "\n"


def theme_title(theme: str) -> str:
    """The heading of a theme."""
    return {"http": "HTTP"}.get(theme, theme.replace("_", " ").capitalize())


def _contents(themes: Mapping[str, list[Action]]) -> list[str]:
    rows = [
        (
            f"[{theme_title(theme)}](#{_anchor(theme_title(theme))})",
            ", ".join(f"[`{one.name}`](#{_anchor(one.name)})" for one in members),
        )
        for theme, members in themes.items()
    ]
    return table(("Theme", "Actions"), rows)


def _section(one: Action) -> Iterator[list[str]]:
    yield [f"### {one.name}"]
    yield _description(one)
    yield from _parameters(one)
    yield ["```yaml", one.example.rstrip("\n"), "```"]
    yield from _result(one)
    if one.limits:
        yield ["Limits:"]
        yield one.limits.splitlines()
    yield [f"Run by `{tests_by_action().get(one.name, 'no test')}`."]


def _description(one: Action) -> list[str]:
    return _SECTION.sub("", inspect.getdoc(one.function) or "").splitlines()


def _takes_element(one: Action) -> bool:
    return set(SHARED_TARGET) <= set(one.input.document.get("properties", {}))


def _parameters(one: Action) -> Iterator[list[str]]:
    document = dict(one.input.document)
    fields = dict(document.get("properties", {}))
    if _takes_element(one):
        yield [f"Parameters: [*element*](#{_anchor(TARGET_TITLE)}), and"]
        fields = {name: field for name, field in fields.items() if name not in SHARED_TARGET}
    elif not fields:
        more = document.get("additionalProperties")
        yield ["Parameters: any names." if more else "No parameters."]
        return
    yield from _tables(SchemaTables({**document, "properties": fields}, {}, is_input=True))


def _result(one: Action) -> Iterator[list[str]]:
    if one.output is None or one.output.document.get("type") == "null":
        yield ["Result: none." if one.output is not None else "Result: any JSON."]
        return
    result = SchemaTables(one.output.document, {})
    if result.has_fields:
        yield [f"Result: {_lower(result.description)}"]
    else:
        yield [f"Result: {_unlinked(result.kind)}."]
    yield from _tables(result)


def _tables(given: SchemaTables) -> Iterator[list[str]]:
    """The fields, and those of the objects inside them."""
    if given.has_fields:
        yield [_unlinked(line) for line in given.fields()]
    for name, description, inner in given.blocks():
        yield [f"*{name}*: {_lower(description)}" if description else f"*{name}*:"]
        yield [_unlinked(line) for line in inner]


def _unlinked(line: str) -> str:
    """A line whose objects are named only: many actions have an object of the same name."""
    return re.sub(r"\[(\w+)\]\(#\w+\)", r"*\1*", line)


def _target_table() -> list[str]:
    one = next(one for one in actions().values() if _takes_element(one))
    document = dict(one.input.document)
    fields = {name: document["properties"][name] for name in (*SHARED_TARGET, "timeout_s")}
    given = {**document, "properties": fields, "required": []}
    return SchemaTables(given, {}, is_input=True).fields()


def _webtasks() -> Iterator[list[str]]:
    yield ["## Words of webtasks"]
    yield ["What does the work of each word of `run`. Times in milliseconds become seconds."]
    rows = [(f"`{word}`", _ours(row), _arguments(row)) for word, row in WORDS.items()]
    yield table(("Word", "Ours", "Parameters"), rows)
    yield ["Keys of a step, and of a task:"]
    keys = [("step", STEP_KEYS), ("task", TASK_KEYS)]
    named = [(where, f"`{key}`", to) for where, ours in keys for key, to in ours.items()]
    yield table(("Of", "Key", "Ours"), named)


def _moonsurf() -> Iterator[list[str]]:
    yield ["## Tools of Moonsurf"]
    yield ["What does the work of each tool and `action`. Every tool has these arguments too:"]
    yield table(
        ("Argument", "Ours"), [(f"`{name}`", _parameter(one)) for name, one in ALWAYS.items()]
    )
    rows = [
        (f"`{tool}`", f"`{deed}`" if deed else "", _ours(row), _arguments(row))
        for tool, deeds in TOOLS.items()
        for deed, row in deeds.items()
    ]
    yield table(("Tool", "Action", "Ours", "Arguments"), rows)
    yield ["Names of earlier versions, and spellings of its pages:"]
    old = [(f"`{name}`", f"`{tool}` {deed}".strip()) for name, (tool, deed) in OLD_TOOLS.items()]
    spelled = [
        (f"`{tool}` {deed}", f"`{tool}` {to}".strip())
        for (tool, deed), to in OTHER_SPELLINGS.items()
    ]
    yield table(("Name", "Now"), [*old, *spelled])


def _ours(row: Counterpart) -> str:
    parts = [f"[`{name}`](#{_anchor(name)})" for name in row.actions]
    parts += [f"key `{key}`" for key in row.keys]
    named = ", ".join(parts)
    return "; ".join(part for part in (named, row.note) if part)


def _arguments(row: Counterpart) -> str:
    return "<br>".join(f"`{name}`: {_parameter(one)}" for name, one in row.parameters.items())


def _parameter(one: Parameter) -> str:
    to = f"`{one.to}`" if one.to else ""
    notes = (_CONVERSIONS.get(one.conversion, ""), one.note)
    return ", ".join(part for part in (to, *notes) if part)


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def write(path: Path = PAGE) -> None:
    """Write the page, if it has changed."""
    text = page()
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
        print(f"written: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    write()
