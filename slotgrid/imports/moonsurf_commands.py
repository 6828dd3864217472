"""A command list of Moonsurf's browser-control as input of the function `commands`."""

import json
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from slotgrid.imports.counterparts import Counterpart
from slotgrid.imports.function_names import function_name
from slotgrid.imports.moonsurf_tools import ALWAYS, OLD_TOOLS, OTHER_SPELLINGS, TOOLS
from slotgrid.imports.notes import Imported, NewFile, Notes
from slotgrid.steps.faults import nearest
from slotgrid.steps.yaml_text import YamlFault, parse

COMMANDS_MOST = 1000
_WPM = 150
"""Between the 100 and 200 words per minute at which Moonsurf types."""
_KINDS = {"localStorage": "local", "sessionStorage": "session"}
_KEYS = ("ctrl", "alt", "shift", "meta")
Ours = dict[str, Any]


class NoCommand(ValueError):
    """A command that has no counterpart; the text says why."""


def import_commands(path: str, data: bytes) -> Imported:
    """The list in a file: a task with `commands`, or the list alone."""
    notes = Notes(path)
    try:
        document = parse(data)  # JSON is YAML, and so has lines
    except YamlFault as fault:
        notes.left_out(fault.line, fault.message)
        return Imported((), tuple(notes.all()))
    value = document.value
    task: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
    commands = task.get("commands") if task else value
    at = "/commands" if task else ""
    if not isinstance(commands, list) or not commands:
        notes.left_out(1, "there are no commands: expected a list, or an object with `commands`")
        return Imported((), tuple(notes.all()))
    for name in task:
        if name not in {"task_name", "task_intention", "commands", "instanceId", "metadata"}:
            notes.left_out(document.line(f"/{name}"), f"`{name}` was left out")
    if task.get("metadata") is not None:
        notes.differs(document.line("/metadata"), "`metadata` is a field of the request")
    ours: list[Ours] = []
    for index, command in enumerate(commands):
        line = document.line(f"{at}/{index}")
        try:
            ours.append(_command(command, line, notes))
        except NoCommand as cause:
            notes.left_out(line, f"command {index} was left out: {cause}")
    if not ours:
        return Imported((), tuple(notes.all()))
    if len(ours) > COMMANDS_MOST:
        notes.left_out(1, f"there are {len(ours):,} commands; a list has {COMMANDS_MOST:,} at most")
        ours = ours[:COMMANDS_MOST]
    written: Ours = {}
    if task.get("task_name"):
        written["name"] = str(task["task_name"])[:200]
    if task.get("task_intention"):
        written["intention"] = str(task["task_intention"])[:2000]
    written["commands"] = ours
    stem = function_name(PurePosixPath(path).stem) or "commands"
    text = json.dumps(written, ensure_ascii=False, indent=2) + "\n"
    return Imported((NewFile(f"{stem}.json", text, path),), tuple(notes.all()))


def translated_command(tool: str, given: Mapping[str, Any], line: int, notes: Notes) -> Ours:
    """The action and its parameters for a tool with arguments. Raises NoCommand."""
    tool, deed = _deed_of(tool, given)
    counterpart = TOOLS[tool][deed]
    rest = {name: value for name, value in given.items() if value is not None}
    if tool == "browser_content" and given.get("action") == "get_text":
        rest["format"] = "text"
    special = _SPECIAL.get((tool, deed))
    if not counterpart.actions:
        raise NoCommand(f"`{tool}` {deed}: {counterpart.note}")
    action = counterpart.actions[0]
    ours: Ours = {}
    if special is not None:
        chosen, ours, done = special(rest)
        action = chosen or action
        rest = {name: value for name, value in rest.items() if name not in done}
    if action == "dialogs":
        notes.differs(line, "the answer counts from here on: it stands before what opens a dialog")
    if action == "upload":
        notes.left_out(line, "the files were not copied: put them into the functions folder")
    ours |= _by_table(counterpart, rest, action, f"{tool} {deed}".strip(), line, notes)
    return {"action": action, **({"with": ours} if ours else {})}


def _command(command: Any, line: int, notes: Notes) -> Ours:
    if not isinstance(command, Mapping) or not isinstance(command.get("tool_name"), str):
        raise NoCommand("it has no `tool_name`")
    given = command.get("args")
    if given is None:
        given = {}
    if not isinstance(given, Mapping):
        raise NoCommand("its `args` are no object")
    for name in command:
        if name not in {"tool_name", "intention", "args"}:
            notes.left_out(line, f"`{name}` was left out")
    ours = translated_command(command["tool_name"], given, line, notes)
    if isinstance(command.get("intention"), str) and command["intention"]:
        ours["intention"] = command["intention"][:2000]
    return ours


def _deed_of(tool: str, given: Mapping[str, Any]) -> tuple[str, str]:
    """The tool of today and its deed. Raises NoCommand."""
    if tool in OLD_TOOLS:
        return OLD_TOOLS[tool]
    if tool not in TOOLS:
        raise NoCommand(f"there is no tool `{tool[:60]}`{nearest(tool, [*TOOLS, *OLD_TOOLS])}")
    deed = str(given.get("action") or "")
    if "" in TOOLS[tool]:
        return tool, ""
    if tool == "browser_navigate" and not deed:
        return tool, "goto"
    deed = OTHER_SPELLINGS.get((tool, deed), deed)
    if deed not in TOOLS[tool]:
        near = nearest(deed, TOOLS[tool])
        raise NoCommand(f"`{tool}` has no action `{deed[:60]}`{near}")
    return tool, deed


def _by_table(  # noqa: PLR0917  the parts of one command
    counterpart: Counterpart,
    given: Mapping[str, Any],
    action: str,
    words: str,
    line: int,
    notes: Notes,
) -> Ours:
    ours: Ours = {}
    for name, value in given.items():
        known = counterpart.parameters.get(name) or ALWAYS.get(name)
        if known is None:
            near = nearest(name, counterpart.parameters)
            notes.left_out(line, f"`{words}` has no argument `{name[:60]}`{near}")
            continue
        owner, _, inner = known.to.rpartition(".")
        if not inner or (owner or counterpart.actions[0]) != action:
            if name == "tabId":
                notes.left_out(line, f"`tabId` was left out: {known.note}")
            continue
        if known.conversion == "ms_to_s":
            if isinstance(value, bool) or not isinstance(value, int | float):
                notes.left_out(line, f"`{name}` is no number of milliseconds")
                continue
            seconds = value / 1000
            ours[inner] = int(seconds) if seconds == int(seconds) else seconds
        elif known.conversion == "whole" and isinstance(value, float):
            ours[inner] = round(value)
        elif known.conversion == "by_value":
            notes.left_out(line, f"`{name}` of `{words}` was left out: {known.note}")
        else:
            ours[inner] = value
    return ours


Special = Callable[[Mapping[str, Any]], tuple[str, Ours, frozenset[str]]]
"""Of the arguments: another action or an empty text, parameters, the arguments that are done."""


def _held(given: Mapping[str, Any]) -> Ours:
    held = [key for key in _KEYS if given.get(key) is True]
    return {"modifiers": held} if held else {}


def _click(given: Mapping[str, Any]) -> tuple[str, Ours, frozenset[str]]:
    done = set(_KEYS)
    if given.get("selector"):
        done |= {"x", "y"}  # there, the element is meant
    return "", _held(given), frozenset(done)


def _press(given: Mapping[str, Any]) -> tuple[str, Ours, frozenset[str]]:
    return "", _held(given), frozenset(_KEYS)


def _move(given: Mapping[str, Any]) -> tuple[str, Ours, frozenset[str]]:
    if given.get("selector"):
        return "hover", {"selector": given["selector"]}, frozenset({"selector", "x", "y"})
    if "x" not in given or "y" not in given:
        raise NoCommand("it has neither `selector` nor `x` and `y`")
    return "move", {"x": given["x"], "y": given["y"]}, frozenset({"x", "y"})


def _type(given: Mapping[str, Any]) -> tuple[str, Ours, frozenset[str]]:
    return "", {} if "delay" in given else {"wpm": _WPM}, frozenset()


def _wait(given: Mapping[str, Any]) -> tuple[str, Ours, frozenset[str]]:
    if given.get("expression"):
        timeout = given.get("timeout", 30_000)
        limit = {"timeout_s": timeout / 1000} if isinstance(timeout, int | float) else {}
        done = frozenset({"expression", "timeout", "selector"})
        return "wait_for_expression", {"expression": given["expression"], **limit}, done
    if not given.get("selector"):
        raise NoCommand("it has neither `selector` nor `expression`")
    return "", {"state": "attached"}, frozenset({"expression"})


def _goto(given: Mapping[str, Any]) -> tuple[str, Ours, frozenset[str]]:
    url = given.get("url")
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise NoCommand(f"{str(url)[:80]!r} is no address that a task may open")
    return "", {}, frozenset()


def _new_instance(given: Mapping[str, Any]) -> tuple[str, Ours, frozenset[str]]:
    if not given.get("url"):
        raise NoCommand("not needed: a task has its own browser context")
    return _goto(given)


def _get(given: Mapping[str, Any]) -> tuple[str, Ours, frozenset[str]]:
    action = "get_text" if given.get("format") == "text" else "get_html"
    ours = {"selector": given["selector"]} if given.get("selector") else {}
    return action, ours, frozenset({"selector", "format"})


def _screenshot(given: Mapping[str, Any]) -> tuple[str, Ours, frozenset[str]]:
    quality = given.get("quality")
    lossy = str(given.get("format")) in {"jpeg", "webp"}
    if not lossy or not isinstance(quality, int | float) or quality < 1:
        return "", {}, frozenset({"quality"})
    return "", {}, frozenset()


def _pdf(given: Mapping[str, Any]) -> tuple[str, Ours, frozenset[str]]:
    ours = {
        to: f"{given[name]:g}in"
        for name, to in (("paperWidth", "width"), ("paperHeight", "height"))
        if isinstance(given.get(name), int | float)
    }
    return "", ours or {"format": "Letter"}, frozenset({"paperWidth", "paperHeight"})


def _scroll(given: Mapping[str, Any]) -> tuple[str, Ours, frozenset[str]]:
    done = frozenset({"direction", "amount"})
    amount, direction = given.get("amount", 500), str(given.get("direction", ""))
    if not direction:
        if not given.get("deltaX") and not given.get("deltaY") and not given.get("selector"):
            raise NoCommand("it says neither how far nor where to")
        return "", {}, done
    ways = {"down": ("dy", 1), "up": ("dy", -1), "right": ("dx", 1), "left": ("dx", -1)}
    if direction not in ways or isinstance(amount, bool) or not isinstance(amount, int | float):
        raise NoCommand("`direction` is up, down, left or right, `amount` a number of pixels")
    axis, sign = ways[direction]
    return "", {axis: sign * amount}, done


def _upload(given: Mapping[str, Any]) -> tuple[str, Ours, frozenset[str]]:
    files = given.get("files")
    if not isinstance(files, list) or not files:
        raise NoCommand("it has no `files`")
    return (
        "",
        {"files": [str(one).replace("\\", "/").rpartition("/")[2] for one in files]},
        (frozenset({"files"})),
    )


def _execute(given: Mapping[str, Any]) -> tuple[str, Ours, frozenset[str]]:
    source = given.get("expression") or given.get("script")
    if not isinstance(source, str) or not source.strip():
        raise NoCommand("it has no `expression`")
    return "", {"script": source}, frozenset({"expression", "script"})


def _get_cookies(given: Mapping[str, Any]) -> tuple[str, Ours, frozenset[str]]:
    ours = {"urls": [given["url"]]} if given.get("url") and not given.get("urls") else {}
    return "", ours, frozenset({"url"})


def _set_cookie(given: Mapping[str, Any]) -> tuple[str, Ours, frozenset[str]]:
    names = (
        *("name", "value", "url", "domain", "path", "secure", "httpOnly", "sameSite", "expires"),
    )
    cookie = {name: given[name] for name in names if name in given}
    if not cookie.get("name"):
        raise NoCommand("the cookie has no `name`")
    return "", {"cookies": [{"value": "", **cookie}]}, frozenset(names)


def _clear_cookies(given: Mapping[str, Any]) -> tuple[str, Ours, frozenset[str]]:
    host = urlsplit(str(given.get("url") or "")).hostname
    ours = {"domain": host} if host and not given.get("domain") else {}
    return "", ours, frozenset({"url"})


def _intercept(given: Mapping[str, Any]) -> tuple[str, Ours, frozenset[str]]:
    done = frozenset({"enabled", "patterns"})
    if given.get("enabled") is False:
        return "unblock_urls", {}, done
    patterns = given.get("patterns")
    urls = [
        str(one["urlPattern"])
        for one in (patterns if isinstance(patterns, list) else [])
        if isinstance(one, Mapping) and one.get("urlPattern") and not one.get("resourceType")
    ]
    if not urls or len(urls) != len(patterns or []):
        raise NoCommand("only patterns of addresses, `urlPattern`, can be blocked")
    return "", {"patterns": urls}, done


def _get_storage(given: Mapping[str, Any]) -> tuple[str, Ours, frozenset[str]]:
    ours: Ours = {"keys": [str(given["key"])]} if given.get("key") else {}
    return "", ours | _kind(given), frozenset({"key", "storageType"})


def _set_storage(given: Mapping[str, Any]) -> tuple[str, Ours, frozenset[str]]:
    if not given.get("key"):
        raise NoCommand("it has no `key`")
    ours: Ours = {"items": {str(given["key"]): str(given.get("value", ""))}}
    return "", ours | _kind(given), frozenset({"key", "value", "storageType"})


def _clear_storage(given: Mapping[str, Any]) -> tuple[str, Ours, frozenset[str]]:
    kind = _KINDS.get(str(given.get("storageType") or given.get("type") or "all"))
    return (
        "",
        {"kinds": [kind] if kind else ["local", "session"]},
        (frozenset({"storageType", "type"})),
    )


def _kind(given: Mapping[str, Any]) -> Ours:
    kind = _KINDS.get(str(given.get("storageType", "")))
    return {"kind": kind} if kind else {}


def _console(given: Mapping[str, Any]) -> tuple[str, Ours, frozenset[str]]:
    level = given.get("level", "all")
    return "", {} if level == "all" else {"levels": [level]}, frozenset({"level"})


def _by_tab(name: str) -> Special:
    def tab(given: Mapping[str, Any]) -> tuple[str, Ours, frozenset[str]]:
        if given.get(name) is not None:
            raise NoCommand(f"`{name}` is a number of another browser: name the tab's place or id")
        return "", {}, frozenset()

    return tab


_SPECIAL: Mapping[tuple[str, str], Special] = {
    ("browser_instance", "new"): _new_instance,
    ("browser_tab", "close"): _by_tab("tabId"),
    ("browser_tab", "close_others"): _by_tab("keepTabId"),
    ("browser_tab", "activate"): _by_tab("tabId"),
    ("browser_navigate", "goto"): _goto,
    ("browser_navigate", "wait"): _wait,
    ("browser_content", "get"): _get,
    ("browser_content", "screenshot"): _screenshot,
    ("browser_content", "pdf"): _pdf,
    ("browser_interact", "click"): _click,
    ("browser_interact", "press"): _press,
    ("browser_interact", "move"): _move,
    ("browser_interact", "hover"): _move,
    ("browser_interact", "type"): _type,
    ("browser_interact", "scroll"): _scroll,
    ("browser_interact", "upload"): _upload,
    ("browser_execute", ""): _execute,
    ("browser_network", "get_cookies"): _get_cookies,
    ("browser_network", "set_cookie"): _set_cookie,
    ("browser_network", "clear_cookies"): _clear_cookies,
    ("browser_network", "intercept"): _intercept,
    ("browser_network", "get_storage"): _get_storage,
    ("browser_network", "set_storage"): _set_storage,
    ("browser_network", "clear_storage"): _clear_storage,
    ("browser_debug", "console"): _console,
}
"""The tools for which the table alone is not enough."""
