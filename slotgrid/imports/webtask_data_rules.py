"""Words of webtasks about values, files, cookies and requests."""

from collections.abc import Mapping
from typing import Any

from slotgrid.imports.webtask_model import WebtaskStep
from slotgrid.imports.webtask_scope import WebtaskScope
from slotgrid.imports.webtask_steps import Ours, Rule, Writing
from slotgrid.imports.webtask_templates import Bound, has_tokens, single, value_of
from slotgrid.imports.webtask_values import NotTranslated, file_name, text

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_FORMATS = {"csv": "csv", "ndjson": "ndjson", "md": "md", "markdown": "md", "md-table": "md"}
_RESERVED_KINDS = frozenset({"done", "error", "missed", "chunk", "state", "step"})
_COOKIE = (
    *("name", "value", "url", "domain", "path", "expires", "httpOnly", "secure", "sameSite"),
)
_FILES = """(files) => files.map(file => file.bytesB64
  ? { path: file.path, base64: file.bytesB64 }
  : { path: file.path, text: String(file.content ?? "") })"""

_CAPTURES = r"""(naming) => {
  const ready = [], waiting = [];
  for (const one of window.__webtasks_captures ?? []) {
    (one.bytesB64 == null ? waiting : ready).push(one);
  }
  window.__webtasks_captures = waiting;
  return ready.map((one, index) => {
    const name = String(one.name ?? "file"), mime = String(one.mime ?? "");
    const known = {
      id: one.id ?? index, name, mime: mime.replaceAll("/", "-"), size: one.size ?? "",
      ext: name.includes(".") ? name.split(".").pop() : mime.split("/").pop(), ts: Date.now(),
    };
    const path = naming.replace(/[{]([a-z]+)[}]/g, (all, key) => String(known[key] ?? all));
    return { path, base64: one.bytesB64 };
  });
}"""
"""Takes what a script in the page has kept in `__webtasks_captures`, as files to write."""


def _set(writing: Writing, step: WebtaskStep, scope: WebtaskScope) -> list[Ours]:
    name = step.name or str(step.parameters.get("name") or "")
    writing.given(step, scope)
    if not name:
        raise NotTranslated("it names no variable with `as`")
    value = value_of(step.parameters.get("value"), scope.resolve)
    variable = writing.names.variable(name)
    scope.bound[name] = Bound(f"vars.{variable}")
    if not writing.rounds and "{{" not in name:
        writing.results[name] = f"vars.{variable}"
    return [{"action": "set", "with": {variable: value}}]


def _emit(writing: Writing, step: WebtaskStep, scope: WebtaskScope) -> list[Ours]:
    given = writing.given(step, scope, "kind")
    kind = str(step.parameters.get("kind") or "status")
    if has_tokens(kind):
        given["kind"] = text(kind, scope.resolve)
    else:
        ours = "".join(one if one.isalnum() else "_" for one in kind.lower())[:60].strip("_")
        if not ours or not ours.isascii() or not ours[0].isalpha() or ours in _RESERVED_KINDS:
            ours = f"task_{ours}" if ours.isascii() and ours else "task_event"
        if ours != kind:
            writing.notes.differs(step.line, f"the kind `{kind[:60]}` became `{ours}`")
        if ours != "status":
            given["kind"] = ours
    return [writing.action(step, scope, given)]


def _export(writing: Writing, step: WebtaskStep, scope: WebtaskScope) -> list[Ours]:
    given = writing.given(step, scope, "format", "data")
    format_ = str(step.parameters.get("format") or "csv").lower()
    if format_ not in _FORMATS:
        raise NotTranslated(f"`format: {format_[:40]}` is not one that it has")
    data = step.parameters.get("data")
    ours: Ours = {"format": _FORMATS[format_]}
    if isinstance(data, list):
        ours["data"] = value_of(data, scope.resolve)
    elif isinstance(data, dict):
        ours["data"] = [value_of(data, scope.resolve)]
    elif (one := single(str(data), scope.resolve)) is not None:
        code = one.code
        ours["data"] = f"{{{{ [{code}] if {code} is mapping else {code} }}}}"
    else:
        raise NotTranslated("its `data` is no list of records")
    ours |= given

    def read(name: str) -> None:
        writing.notes.left_out(
            step.line, f"the text of `{step.name}` is in the file only: its output has the file"
        )

    bound = Bound("@", read=read if step.name else None)
    return [writing.action(step, scope, ours, bound)]


def _read_file(writing: Writing, step: WebtaskStep, scope: WebtaskScope) -> list[Ours]:
    path = step.parameters.get("path")
    if not path:
        raise NotTranslated("it has no `path`")
    name = file_name(path, scope.resolve)
    if not name:
        raise NotTranslated("its `path` names no file")
    writing.notes.left_out(
        step.line, f"the file {str(path)[:80]!r} was not copied: put it beside the recipe"
    )
    given = writing.given(step, scope, "path")
    ours = {"path": name, "format": "text", **given}
    bound = Bound("@", value='@|default("", true)', text=True)
    return [writing.action(step, scope, ours, bound)]


def _write_files(writing: Writing, step: WebtaskStep, scope: WebtaskScope) -> list[Ours]:
    writing.given(step, scope, "files")
    files = step.parameters.get("files")
    bound = Bound("@", {"files": "files"})
    if isinstance(files, list):
        named = [_file(one, scope) for one in files if isinstance(one, Mapping)]
        given = [one for one in named if one is not None]
        if not given:
            raise NotTranslated("it has no `files`")
        return [writing.action(step, scope, {"files": given}, bound)]
    if (one := single(str(files), scope.resolve)) is None:
        raise NotTranslated("its `files` are no list")
    name = writing.names.step("files")
    made = {
        "action": "evaluate",
        "name": name,
        "with": {"script": _FILES, "args": f"{{{{ {one.code} }}}}"},
    }
    given_files = {"files": f"{{{{ steps.{name}.output }}}}"}
    return [made, writing.action(step, scope, given_files, bound)]


def _file(file: Mapping[str, Any], scope: WebtaskScope) -> Ours | None:
    path = str(file.get("path") or "").strip("/")
    if not path:
        return None
    ours: Ours = {"path": text(path, scope.resolve)}
    if file.get("bytesB64"):
        ours["base64"] = text(file["bytesB64"], scope.resolve)
    else:
        ours["text"] = text(file.get("content"), scope.resolve)
    return ours


def _save_captures(writing: Writing, step: WebtaskStep, scope: WebtaskScope) -> list[Ours]:
    writing.given(step, scope, "naming")
    name = writing.names.step("captures")
    naming = text(step.parameters.get("naming") or "{id}_{name}", scope.resolve)
    made = {
        "action": "evaluate",
        "name": name,
        "with": {"script": _CAPTURES, "args": naming},
    }
    bound = Bound("@", value="@.files|default([])")
    saved = writing.action(
        step, scope, {"files": f"{{{{ steps.{name}.output }}}}"}, bound, action="write_files"
    )
    return [made, {**saved, "when": f"steps.{name}.output"}]


def _get_cookies(writing: Writing, step: WebtaskStep, scope: WebtaskScope) -> list[Ours]:
    given = writing.given(step, scope, "path")
    path = step.parameters.get("path")
    if not path:
        return [writing.action(step, scope, given)]
    ours = writing.action(step, scope, given)
    name = ours.setdefault("name", writing.names.step("cookies"))
    file = {"path": file_name(path, scope.resolve), "json": f"{{{{ steps.{name}.output }}}}"}
    file["path"] = file["path"] or "cookies.json"
    return [ours, {"action": "write_files", "with": {"files": [file]}}]


def _set_cookies(writing: Writing, step: WebtaskStep, scope: WebtaskScope) -> list[Ours]:
    cookies = step.parameters.get("cookies")
    writing.given(step, scope, "cookies", "path")
    bound = Bound("@", value='{"count": @}')
    if isinstance(cookies, list):
        given = [
            _cookie(writing, step, one, scope)
            for one in cookies
            if isinstance(one, Mapping) and one.get("name")
        ]
        if len(given) < len(cookies):
            writing.notes.left_out(step.line, "a cookie without a `name` was left out")
        if not given:
            raise NotTranslated("it has no `cookies`")
        return [writing.action(step, scope, {"cookies": given}, bound)]
    if cookies and (one := single(str(cookies), scope.resolve)) is not None:
        return [writing.action(step, scope, {"cookies": f"{{{{ {one.code} }}}}"}, bound)]
    path = step.parameters.get("path")
    if not path:
        raise NotTranslated("it has neither `cookies` nor `path`")
    writing.notes.left_out(
        step.line, f"the file {str(path)[:80]!r} was not copied: put it beside the recipe"
    )
    name = writing.names.step("cookies")
    read = {
        "action": "read_file",
        "name": name,
        "with": {"path": file_name(path, scope.resolve) or "cookies.json", "format": "json"},
    }
    given_cookies = {"cookies": f"{{{{ steps.{name}.output }}}}"}
    return [read, writing.action(step, scope, given_cookies, bound)]


def _cookie(
    writing: Writing, step: WebtaskStep, cookie: Mapping[str, Any], scope: WebtaskScope
) -> Ours:
    ours: Ours = {"name": "", "value": ""}
    for name, value in cookie.items():
        if name not in _COOKIE:
            writing.notes.left_out(step.line, f"a cookie has no `{str(name)[:40]}`")
        elif name == "sameSite" and isinstance(value, str) and not has_tokens(value):
            if value.capitalize() in {"Lax", "None", "Strict"}:
                ours[name] = value.capitalize()
        elif name in {"name", "value", "domain", "path", "url"}:
            if value not in (None, "") or name == "value":
                ours[name] = text(value, scope.resolve)
        elif value not in (None, 0, ""):
            ours[name] = value_of(value, scope.resolve)
    return ours


def _http_request(writing: Writing, step: WebtaskStep, scope: WebtaskScope) -> list[Ours]:
    url = step.parameters.get("url")
    if not isinstance(url, str) or not (url.startswith(("http://", "https://")) or has_tokens(url)):
        raise NotTranslated("its `url` is no address")
    given = writing.given(step, scope, "body", "method", "headers", "followRedirects")
    method = str(step.parameters.get("method") or "GET").upper()
    if method not in _METHODS and not has_tokens(method):
        raise NotTranslated(f"the method {method[:40]!r} is not one that it has")
    if method != "GET":
        given["method"] = (
            text(step.parameters["method"], scope.resolve) if has_tokens(method) else method
        )
    headers = step.parameters.get("headers")
    if isinstance(headers, dict) and headers:
        given["headers"] = {str(key): text(one, scope.resolve) for key, one in headers.items()}
    body = step.parameters.get("body")
    if isinstance(body, str) and body:
        one = single(body, scope.resolve)
        is_text = one is None or one.text
        given["body" if is_text else "json"] = value_of(body, scope.resolve)
    elif body is not None and body != "":
        given["json"] = value_of(body, scope.resolve)
    if step.parameters.get("followRedirects") is False:
        given["follow_redirects"] = False
    value = '{"status": @.status, "headers": @.headers, "body": @.text, "json": @.json}'
    return [writing.action(step, scope, given, Bound("@", {"body": "text"}, value))]


DATA_RULES: Mapping[str, Rule] = {
    "set": _set,
    "emit-event": _emit,
    "export": _export,
    "read-file": _read_file,
    "write-files": _write_files,
    "save-captures-to-dir": _save_captures,
    "get-cookies": _get_cookies,
    "set-cookies": _set_cookies,
    "http-request": _http_request,
}
