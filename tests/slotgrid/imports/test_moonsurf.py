"""Command lists of Moonsurf become input of `commands`; what is left out is named by its line."""

import json
from typing import Any

import pytest

from slotgrid.core.schema import Schema
from slotgrid.imports.moonsurf_commands import import_commands
from slotgrid.imports.moonsurf_tools import OLD_TOOLS, TOOLS
from slotgrid.imports.notes import Imported
from worker.recipes.commands import input_document


def imported(given: Any) -> Imported:
    """The import of a list; what it gives is valid input of `commands`."""
    result = import_commands("list.json", json.dumps(given, indent=1).encode())
    for file in result.files:
        assert Schema(input_document()).violations(json.loads(file.text)) == []
    return result


def one(tool: str, **args: Any) -> Any:
    """The command that a tool with these arguments becomes."""
    (file,) = imported([{"tool_name": tool, "intention": "x", "args": args}]).files
    (command,) = json.loads(file.text)["commands"]
    assert command.pop("intention") == "x"
    return command


def left_out(result: Imported) -> list[tuple[int, str]]:
    return [(note.line, note.message) for note in result.notes if note.left_out]


@pytest.mark.parametrize(
    ("tool", "args", "expected"),
    [
        ("browser_navigate", {"action": "wait", "selector": "h1", "timeout": 500},
         {"action": "wait_for_selector",
          "with": {"state": "attached", "selector": "h1", "timeout_s": 0.5}}),
        ("browser_navigate", {"action": "wait", "expression": "window.x"},
         {"action": "wait_for_expression", "with": {"expression": "window.x", "timeout_s": 30}}),
        ("browser_navigate", {"url": "http://site.example"},
         {"action": "goto", "with": {"url": "http://site.example"}}),
        ("browser_interact", {"action": "type", "selector": "#a", "text": "b"},
         {"action": "type", "with": {"wpm": 150, "selector": "#a", "text": "b"}}),
        ("browser_interact", {"action": "type", "selector": "#a", "text": "b", "delay": 0},
         {"action": "type", "with": {"selector": "#a", "text": "b", "delay_s": 0}}),
        ("browser_interact", {"action": "press", "key": "a", "ctrl": True, "shift": False},
         {"action": "press", "with": {"modifiers": ["ctrl"], "key": "a"}}),
        ("browser_interact", {"action": "scroll", "direction": "up", "amount": 300},
         {"action": "scroll", "with": {"dy": -300}}),
        ("browser_interact", {"action": "move", "selector": "#a"},
         {"action": "hover", "with": {"selector": "#a"}}),
        ("browser_hover", {"x": 1, "y": 2}, {"action": "move", "with": {"x": 1, "y": 2}}),
        ("browser_content", {"action": "get", "format": "text"}, {"action": "get_text"}),
        ("browser_content", {"action": "get", "selector": "b"},
         {"action": "get_html", "with": {"selector": "b"}}),
        ("browser_content", {"action": "screenshot", "quality": 90}, {"action": "screenshot"}),
        ("browser_content", {"action": "pdf", "paperWidth": 8.5, "paperHeight": 11},
         {"action": "pdf", "with": {"width": "8.5in", "height": "11in"}}),
        ("browser_network", {"action": "set_storage", "key": "a", "value": "b"},
         {"action": "set_storage", "with": {"items": {"a": "b"}}}),
        ("browser_network", {"action": "clear_storage", "storageType": "localStorage"},
         {"action": "clear_storage", "with": {"kinds": ["local"]}}),
        ("browser_intercept_requests", {"enabled": True, "patterns": [{"urlPattern": "*ads*"}]},
         {"action": "block_urls", "with": {"patterns": ["*ads*"]}}),
        ("browser_emulate", {"action": "throttle", "preset": "slow-3g", "latency": 20},
         {"action": "throttle", "with": {"preset": "slow-3g", "latency_ms": 20}}),
        ("browser_debug", {"action": "dialog", "dialogAction": "accept", "promptText": "x"},
         {"action": "dialogs", "with": {"answer": "accept", "prompt_text": "x"}}),
        ("sleep", {"duration": 1500}, {"action": "sleep", "with": {"seconds": 1.5}}),
    ],
)  # fmt: skip
def test_tools(tool: str, args: dict[str, Any], expected: dict[str, Any]) -> None:
    assert one(tool, **args) == expected


def test_every_tool_becomes_an_action_or_is_named() -> None:
    calls = [(tool, {"action": deed}) for tool, deeds in TOOLS.items() for deed in deeds]
    calls += [(tool, {}) for tool in OLD_TOOLS]
    for tool, args in calls:
        result = import_commands("x.json", json.dumps([{"tool_name": tool, "args": args}]).encode())
        assert bool(result.files) is not bool(left_out(result)), (tool, args)


@pytest.mark.parametrize("value", [0, True, None, "x", [], ["x"], {}, {"a": 1}])
def test_odd_arguments_are_no_crash(value: Any) -> None:
    for tool, deeds in TOOLS.items():
        for deed, counterpart in deeds.items():
            args = {**dict.fromkeys(counterpart.parameters, value), "action": deed}
            import_commands("x.json", json.dumps([{"tool_name": tool, "args": args}]).encode())


def test_what_is_left_out_is_named_by_line() -> None:
    result = imported({
        "task_name": "n",
        "commands": [
            {"tool_name": "sleep", "args": {"duration": 1}},
            {"tool_name": "browser_navigat", "args": {}},
            {"tool_name": "browser_tab", "args": {"action": "activate", "tabId": 3}},
            {"tool_name": "sleep", "args": {"duration": 1, "speed": 2}},
            {"tool_name": "browser_instance", "args": {"action": "list"}},
            "sleep",
        ],
    })  # fmt: skip
    assert [line for line, _ in left_out(result)] == [10, 14, 21, 28, 34]
    assert 'did you mean "browser_navigate"' in left_out(result)[0][1]
    assert len(json.loads(result.files[0].text)["commands"]) == 2


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b"[1]", b'{"commands": 1}', b"\xff", b"[" * 100, b" " * 10_000_000, b"{"],
)
def test_a_file_that_is_no_list_is_named(data: bytes) -> None:
    result = import_commands("../../x y.json", data)
    assert result.files == ()
    assert left_out(result)


def test_more_commands_than_a_list_takes_are_named() -> None:
    given = [{"tool_name": "sleep", "args": {"duration": 0}}] * 1001
    result = imported(given)
    assert len(json.loads(result.files[0].text)["commands"]) == 1000
    assert left_out(result)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"task_name": "x"}, "there are no commands"),
        ({"commands": [{"tool_name": "sleep", "args": {"duration": 1}}], "colour": 1}, "`colour`"),
        ([{"tool_name": "sleep", "args": [1]}], "its `args` are no object"),
        ([{"tool_name": "sleep", "args": {"duration": 1}, "when": "now"}], "`when` was left out"),
        ([{"tool_name": "browser_tab", "args": {"action": "juggle"}}], "has no action `juggle`"),
        ([{"tool_name": "sleep", "args": {"duration": "long"}}], "no number of milliseconds"),
        ([{"tool_name": "browser_interact", "args": {"action": "scroll"}}], "neither how far"),
        (
            [{"tool_name": "browser_interact", "args": {"action": "scroll", "direction": "away"}}],
            "`direction` is up, down, left or right",
        ),
        ([{"tool_name": "browser_interact", "args": {"action": "upload"}}], "it has no `files`"),
    ],
)
def test_what_is_not_as_moonsurf_has_it_is_left_out_by_name(given: Any, said: str) -> None:
    found = left_out(import_commands("list.json", json.dumps(given).encode()))
    assert any(said in message for _, message in found), found
