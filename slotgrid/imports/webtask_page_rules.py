"""Words of webtasks about pages: addresses, clicks, records, pictures, documents, recordings."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from slotgrid.imports.webtask_model import WebtaskStep
from slotgrid.imports.webtask_scope import WebtaskScope
from slotgrid.imports.webtask_steps import Ours, Rule, Writing
from slotgrid.imports.webtask_templates import Bound, has_tokens, single, translated, value_of
from slotgrid.imports.webtask_values import (
    ARGUMENTS,
    NotTranslated,
    file_name,
    text,
    whole,
)

_HTML_URL = "data:text/html,"
_FORMATS = {"a4": "A4", "a3": "A3", "letter": "Letter", "legal": "Legal"}
_MARGINS = {
    "marginTop": "top",
    "marginRight": "right",
    "marginBottom": "bottom",
    "marginLeft": "left",
}
_WINDOW = frozenset({"", ".", "html"})
"""Selectors that mean the whole page."""
_SCROLL_MOST_S = 3600
_INCHES_MOST = 200
_ROUNDS_MOST = 10_000
_KEYS = {"\r\n": "\n", "\r": "\n"}


def _goto(writing: Writing, step: WebtaskStep, scope: WebtaskScope) -> list[Ours]:
    url = step.parameters.get("url")
    if not isinstance(url, str) or not url.strip():
        raise NotTranslated("it has no `url`")
    if url.startswith(_HTML_URL):
        writing.given(step, scope, "url")
        html = text(unquote(url.removeprefix(_HTML_URL)), scope.resolve)
        return [writing.action(step, scope, {"html": html}, action="set_content")]
    if not url.startswith(("http://", "https://")) and not has_tokens(url):
        raise NotTranslated(f"{url[:80]!r} is no address that a task may open")
    return writing.plain(step, scope)


def _wait(writing: Writing, step: WebtaskStep, scope: WebtaskScope) -> list[Ours]:
    if "duration" not in step.parameters:
        raise NotTranslated("it has no `duration`")
    given = writing.given(step, scope)
    if "seconds" not in given:
        raise NotTranslated("its `duration` is no number of milliseconds")
    return [writing.action(step, scope, given)]


def _wait_for(writing: Writing, step: WebtaskStep, scope: WebtaskScope) -> list[Ours]:
    _needs(step, "selector")
    return writing.plain(step, scope, state="attached")


def _sendkeys(writing: Writing, step: WebtaskStep, scope: WebtaskScope) -> list[Ours]:
    _needs(step, "selector")
    if step.parameters.get("keys") is None:
        step.parameters["keys"] = ""
    written = writing.plain(step, scope)
    for key, ours in _KEYS.items():
        written[0]["with"]["text"] = written[0]["with"]["text"].replace(key, ours)
    return written


def _click(writing: Writing, step: WebtaskStep, scope: WebtaskScope) -> list[Ours]:
    given = step.parameters
    if given.get("action", "click") != "click":
        raise NotTranslated(f"`action: {str(given['action'])[:40]}` is not one that it has")
    ours = writing.given(step, scope, "selector", "text", "match")
    if not ours.get("closest"):
        ours.pop("closest", None)
    selector = str(given.get("selector") or "")
    if not given.get("text"):
        _needs(step, "selector")
        ours.pop("closest", None)
        return [writing.action(step, scope, {"selector": text(selector, scope.resolve), **ours})]
    exact = given.get("match", "exact") != "contains"
    wanted = text(given["text"], scope.resolve)
    if selector in {"", "*"}:
        named = {"text": wanted, **({"exact": True} if exact else {})}
    else:
        named = {"selector": _with_text(text(selector, scope.resolve), given["text"], scope, exact)}
    return [writing.action(step, scope, {**named, **ours})]


def _with_text(selector: str, wanted: Any, scope: WebtaskScope, exact: bool) -> str:
    """The selector of the elements that have this text, as Playwright reads it."""
    if (one := single(str(wanted), scope.resolve)) is not None:
        quoted = f"{{{{ {one.code}|string|tojson }}}}"
    elif has_tokens(wanted):
        quoted = translated(f'"{wanted}"', scope.resolve)
    else:
        escaped = str(wanted).replace("\\", "\\\\").replace('"', '\\"')
        quoted = translated(f'"{escaped}"', scope.resolve)
    if not exact:
        return f":is({selector}):has-text({quoted})"
    return f":is({selector}):text-is({quoted}), :is({selector}):has(:text-is({quoted}))"


def _scroll(writing: Writing, step: WebtaskStep, scope: WebtaskScope) -> list[Ours]:
    most = whole(step.parameters.get("maxIterations", 0), scope.resolve)
    given = writing.given(step, scope, "selector", "direction", "maxIterations")
    selector = str(step.parameters.get("selector") or "")
    if selector not in {*_WINDOW, "body"}:
        given = {"selector": text(selector, scope.resolve), **given}
    direction = text(step.parameters.get("direction") or "up", scope.resolve)
    # Any word but `up` means down to webtasks.
    given["direction"] = direction if direction == "up" or "{{" in direction else "down"
    if isinstance(most, str):
        given["max_rounds"] = f"{most[:-3]} or {_ROUNDS_MOST} }}}}"
    else:
        given["max_rounds"] = min(most, _ROUNDS_MOST) if most > 0 else _ROUNDS_MOST
    limit = min(writing.task.time_s, _SCROLL_MOST_S)
    given["limit_s"] = int(limit) if limit == int(limit) else limit
    return [writing.action(step, scope, given)]


def _js(writing: Writing, step: WebtaskStep, scope: WebtaskScope) -> list[Ours]:
    given = writing.given(step, scope, "fn", "file", "script")
    module = step.parameters.get("fn") or step.parameters.get("file")
    source = step.parameters.get("script")
    if module:
        given = {"file": writing.module(step, module), **given}
    elif isinstance(source, str) and source.strip():
        given = {"script": writing.given(step, scope, "fn", "file", "args")["script"], **given}
        if not ARGUMENTS.search(source):
            given.pop("args", None)
    else:
        raise NotTranslated("it has neither `fn` nor `script`")
    if (limit := writing.task.time_s) > 30:
        given["limit_s"] = min(int(limit), 86_400)
    return [writing.action(step, scope, given)]


def _extract(writing: Writing, step: WebtaskStep, scope: WebtaskScope) -> list[Ours]:
    given = step.parameters
    resolve = scope.resolve
    writing.given(step, scope, "from", "selector", "repeat", "fields")
    rows = str(given.get("selector") or ".")
    around = str(given.get("from") or ".")
    ours: Ours = {}
    if given.get("repeat") is True:
        if rows == ".":
            raise NotTranslated("with `repeat` it needs the `selector` of the rows")
        ours = {"selector": text(rows, resolve)}
        if around not in _WINDOW:
            ours["scope"] = text(around, resolve)
    else:
        parts = [one for one in (around, rows) if one not in _WINDOW]
        if parts:
            ours["scope"] = text(
                " ".join(f":is({one})" if "," in one else one for one in parts), resolve
            )
    fields = given.get("fields")
    if not isinstance(fields, dict) or not fields:
        raise NotTranslated("it has no `fields`")
    ours["fields"] = {
        str(name): rule
        for name, field in fields.items()
        if "{{" not in str(name)
        and (rule := _field(writing, step, str(name), field, scope)) is not None
    }
    if not ours["fields"]:
        raise NotTranslated("it has no `fields`")
    return [writing.action(step, scope, ours)]


def _field(writing: Writing, step: WebtaskStep, name: str, field: Any, scope: WebtaskScope) -> Any:
    """The rule of a field; None with a note if it has none."""
    rule = field[0] if isinstance(field, list) and field else field
    if not isinstance(rule, Mapping):
        writing.notes.left_out(step.line, f"the field `{name}` is no object")
        return None
    kind, selector = rule.get("kind") or "text", str(rule.get("selector") or ".")
    ours: Ours = {} if selector == "." else {"selector": text(selector, scope.resolve)}
    if kind == "const":
        return {"const": value_of(rule.get("value"), scope.resolve)}
    if kind == "attr":
        if not rule.get("name"):
            writing.notes.left_out(step.line, f"the field `{name}` does not name its attribute")
            return None
        ours["attribute"] = text(rule["name"], scope.resolve)
    elif kind == "html":
        ours["kind"] = "html"
    elif kind != "text":
        writing.notes.left_out(step.line, f"the field `{name}` is of an unknown kind")
        return None
    transform = rule.get("transform")
    if transform and transform not in {"trim", "lower", "upper", "int", "long"}:
        writing.notes.left_out(
            step.line, f"`transform: {str(transform)[:40]}` of the field `{name}` was left out"
        )
    elif transform and not (transform == "trim" and kind == "text"):
        ours["transform"] = transform
    return ours["selector"] if set(ours) == {"selector"} else ours or {"kind": "text"}


def _screenshot(writing: Writing, step: WebtaskStep, scope: WebtaskScope) -> list[Ours]:
    selector = str(step.parameters.get("selector") or "")
    given = writing.given(step, scope, "selector", "format", "quality")
    picture = str(step.parameters.get("format") or "png").lower()
    if has_tokens(picture):
        given["format"] = text(step.parameters["format"], scope.resolve)
    elif picture in {"jpeg", "jpg"}:
        given["format"] = "jpeg"
        quality = whole(step.parameters.get("quality", 0), scope.resolve)
        if isinstance(quality, str) or 1 <= quality <= 100:
            given["quality"] = quality
    elif picture != "png":
        writing.notes.left_out(step.line, f"`format: {picture[:40]}` was left out: it is PNG")
    if selector not in {"", "."}:
        given = {"selector": text(selector, scope.resolve), **given}
    return [writing.saved(step, scope, given)]


def _pdf(writing: Writing, step: WebtaskStep, scope: WebtaskScope) -> list[Ours]:
    return [writing.saved(step, scope, _paper(writing, step, scope))]


def _html_to_pdf(writing: Writing, step: WebtaskStep, scope: WebtaskScope) -> list[Ours]:
    paper = _paper(writing, step, scope)
    given: Ours = {}
    if step.parameters.get("html"):
        given["html"] = text(step.parameters["html"], scope.resolve)
    elif step.parameters.get("file"):
        given["file"] = file_name(step.parameters["file"], scope.resolve)
        if not given["file"]:
            raise NotTranslated("its `file` names no file")
        _beside(writing, step, step.parameters["file"])
    else:
        raise NotTranslated("it has neither `html` nor `file`")
    if step.parameters.get("css"):
        given["css"] = text(step.parameters["css"], scope.resolve)
    path = paper.pop("path", None)
    if paper:
        given["paper"] = paper
    return [writing.saved(step, scope, {**given, **({"path": path} if path else {})})]


def _paper(writing: Writing, step: WebtaskStep, scope: WebtaskScope) -> Ours:
    """The parameters of a PDF's paper, and its path."""
    given = step.parameters
    own = ("format", "paperWidth", "paperHeight", *_MARGINS, "scale", "html", "file", "css")
    converted = writing.given(step, scope, *own)
    ours: Ours = {name.removeprefix("paper."): value for name, value in converted.items()}
    if given.get("displayHeaderFooter") is not True:
        ours.pop("header", None)
        ours.pop("footer", None)
    format_ = str(given.get("format") or "")
    if has_tokens(format_):
        ours["format"] = text(format_, scope.resolve)
    elif format_.lower() in _FORMATS:
        ours["format"] = _FORMATS[format_.lower()]
    elif format_:
        writing.notes.left_out(step.line, f"`format: {format_[:40]}` was left out: it is A4")
    if not format_:
        ours |= _inches(writing, step, {"paperWidth": "width", "paperHeight": "height"})
        if not given.get("paperWidth") and not given.get("paperHeight"):
            ours["format"] = "Letter"  # Chromium's own
    if margin := _inches(writing, step, _MARGINS):
        ours["margin"] = {name: margin.get(name, "1cm") for name in _MARGINS.values()}
    scale = given.get("scale")
    if isinstance(scale, int | float) and not isinstance(scale, bool) and 0.1 <= scale <= 2:
        ours["scale"] = scale
    elif scale not in (None, 0):
        writing.notes.left_out(step.line, "`scale` was left out: it is no number from 0.1 to 2")
    return ours


def _inches(writing: Writing, step: WebtaskStep, names: Mapping[str, str]) -> Ours:
    """Lengths in inches, by our names."""
    ours: Ours = {}
    for name, to in names.items():
        value = step.parameters.get(name)
        if (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and 0 < value <= _INCHES_MOST
        ):
            ours[to] = f"{value:.3f}in"
        elif value not in (None, 0):
            writing.notes.left_out(step.line, f"`{name}` was left out: it is no number of inches")
    return ours


def _snapshot(writing: Writing, step: WebtaskStep, scope: WebtaskScope) -> list[Ours]:
    return [writing.saved(step, scope, writing.given(step, scope))]


def _save_html(writing: Writing, step: WebtaskStep, scope: WebtaskScope) -> list[Ours]:
    selector = str(step.parameters.get("selector") or ".")
    given = writing.given(step, scope, "selector")
    if selector in _WINDOW:
        return [writing.action(step, scope, given)]
    name = writing.names.step("html")
    read = {"action": "get_html", "name": name, "with": {"selector": text(selector, scope.resolve)}}
    file = {"path": given.get("path", "page.html"), "text": f"{{{{ steps.{name}.output.html }}}}"}
    return [read, writing.action(step, scope, {"files": [file]}, action="write_files")]


def _record(writing: Writing, step: WebtaskStep, scope: WebtaskScope) -> list[Ours]:
    format_ = step.parameters.get("format") or "gif"
    if format_ != "gif":
        writing.notes.left_out(
            step.line, f"`format: {str(format_)[:40]}` was left out: it is a GIF"
        )
    if "everyNthFrame" in step.parameters:
        writing.notes.differs(step.line, "`everyNthFrame` is not needed: `fps` says how many")
    given = writing.given(step, scope)
    start = writing.action(_nameless(step), scope, given)
    inner = writing.block(step.steps, scope)
    members = {"path": "name", "bytesB64": "base64", "durationMs": "duration_ms"}
    stop = writing.action(step, scope, {}, Bound("@", members), action="record_stop")
    return [start, *inner, stop]


def _capture_network(writing: Writing, step: WebtaskStep, scope: WebtaskScope) -> list[Ours]:
    given = writing.given(step, scope, "path", "urlFilter")
    filter_ = step.parameters.get("urlFilter")
    if filter_:
        given["url"] = text(filter_, scope.resolve)
        if "{{" not in given["url"]:
            given["url"] = "?".join(given["url"].replace("\\", "?").split())
    start = writing.action(_nameless(step), scope, given)
    inner = writing.block(step.steps, scope)
    path = step.parameters.get("path")
    name = file_name(path, scope.resolve) if path else ""
    end = {"path": name} if name else {}
    return [start, *inner, writing.action(step, scope, end, action="capture_stop")]


def _console(writing: Writing, step: WebtaskStep, scope: WebtaskScope) -> list[Ours]:
    writing.given(step, scope)
    start = writing.action(_nameless(step), scope, {"clear": True})
    inner = writing.block(step.steps, scope)
    bound = Bound("@", value="@.messages")
    return [start, *inner, writing.action(step, scope, {}, bound)]


def _download_each(writing: Writing, step: WebtaskStep, scope: WebtaskScope) -> list[Ours]:
    _needs(step, "selector")
    files = Bound("@", value="@.files")
    return writing.plain(step, scope, files)


def _nameless(step: WebtaskStep) -> WebtaskStep:
    return WebtaskStep(step.word, step.line)


def _needs(step: WebtaskStep, name: str) -> None:
    if not step.parameters.get(name):
        raise NotTranslated(f"it has no `{name}`")


def _beside(writing: Writing, step: WebtaskStep, path: Any) -> None:
    writing.notes.left_out(
        step.line, f"the file {str(path)[:80]!r} was not copied: put it beside the recipe"
    )


PAGE_RULES: Mapping[str, Rule] = {
    "goto": _goto,
    "wait": _wait,
    "wait-for": _wait_for,
    "sendkeys": _sendkeys,
    "action": _click,
    "scroll-until-stable": _scroll,
    "js": _js,
    "extract": _extract,
    "screenshot": _screenshot,
    "pdf": _pdf,
    "html-to-pdf": _html_to_pdf,
    "snapshot": _snapshot,
    "save-html": _save_html,
    "record": _record,
    "capture-network": _capture_network,
    "console": _console,
    "download-each": _download_each,
}
