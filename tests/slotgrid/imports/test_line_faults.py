"""Lines of webtasks that cannot be read, each named by what is wrong with it."""

import pytest

from slotgrid.imports.webtask_bundle import import_webtasks
from tests.slotgrid.imports.test_webtask import imported, left_out


def faults(*lines: str) -> list[tuple[int, str]]:
    """What is left out of a task with these lines."""
    text = "\n".join(
        ['task "x"', *(f"  {line}" for line in lines), "  goto http://a.example/", "end"]
    )
    return left_out(imported(f"{text}\n", "tasks/a.webtask"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("timeout soon", "a timeout is a number of milliseconds"),
        ("pool", "expected a value"),
        ("input url", "expected `input NAME TYPE`"),
        ("input url string maybe", "`maybe` is no part of an input"),
        ("input url string default", "expected a value"),
        ("got http://x.example/", "`got` is no statement"),
        ("goto http://x.example/ quickly", "`quickly` is not understood"),
        ("js", "expected `js NAME SCRIPT`"),
        ("js n args [1, 2", "has no end"),
        ("status", "expected a text"),
        ("loop while js", "nothing stands behind `while`"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(line: str, said: str) -> None:
    found = faults(line)
    assert [number for number, message in found if said in message] == [2], found


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("title", "expected a field"),
        ('title picture ".t"', "`picture` is no kind of field"),
        ('title text ".t" trim "more"', "`more` is not understood"),
    ],
)
def test_a_field_that_cannot_be_read_is_named(field: str, said: str) -> None:
    rows = ['extract rows from ".row" repeat all', f"  {field}", "  n const 1", "end"]
    body = "\n".join(f"  {row}" for row in rows)
    text = f'task "x"\n{body}\nend\n'
    found = left_out(imported(text, "tasks/a.webtask"))
    assert [number for number, message in found if said in message] == [3], found


def test_an_end_too_many_and_one_too_few_are_named() -> None:
    text = 'goto http://a.example/\nend\ntask "x"\n  goto http://a.example/\ntask "y"\n  goto http://b.example/\n'
    result = import_webtasks({"tasks/a.webtask": text.encode()})
    said = " | ".join(note.message for note in result.notes)
    assert "stands outside of a task" in said
    assert "this `end` closes nothing" in said
    assert "has no `end`" in said


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("tasks/pool.yaml", "pools: {a: {size: none, colour: red}}", "has no valid `size`"),
        ("tasks/pool.yaml", "pools: {a: {size: 2, colour: red}}", "`colour` of the pool `a`"),
        ("tasks/pool.yaml", "pools: [a]", "`pools` is not as webtasks has it"),
        ("tasks/pool.yaml", "pools: {a: [", "not YAML"),
        ("static-mounts.yaml", "mounts: [{prefix: /x}]", "has no `prefix` or no `dir`"),
        ("static-mounts.yaml", "mounts: 7", "`mounts` is not as webtasks has it"),
        ("secrets.yaml", "secrets: [{name: 'a b'}]", "has no name of letters"),
        ("secrets.yaml", "secrets: [7]", "has no name of letters"),
    ],
)
def test_settings_that_cannot_be_read_are_named(path: str, text: str, said: str) -> None:
    result = import_webtasks({path: text.encode()})
    assert any(said in note.message and note.left_out for note in result.notes), result.notes


def test_a_placeholder_needs_no_quotes() -> None:
    text = """task "x"
  input site string required
  goto {{site}}/login
  js title script document.title
  return {{title}}
end
"""
    (file,) = imported(text, "tasks/a.webtask").files
    assert "{{ input.site }}/login" in file.text
    assert "{{ steps.title.output }}" in file.text
