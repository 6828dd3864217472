"""The statements of the `.webtask` language: which words they have, and what these mean."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PAPER = (
    *("format", "landscape", "printBackground", "scale", "pageRanges", "paperWidth"),
    *("paperHeight", "marginTop", "marginBottom", "marginLeft", "marginRight"),
    *("displayHeaderFooter", "headerTemplate", "footerTemplate"),
)


@dataclass(frozen=True, slots=True)
class Statement:
    """How a statement becomes a step.

    `positions`: parameters by place; `as` is the name of the result, and is there only if it is a
    bare word. `keywords`: the words before the other values, with their parameters. `given`:
    parameters that the statement itself says. `is_block`: steps follow, up to `end`.
    """

    word: str
    positions: tuple[str, ...] = ()
    keywords: Mapping[str, str] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)
    is_block: bool = False


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


def _http(method: str) -> Statement:
    return Statement(
        "http-request",
        ("as",),
        {**_same("url", "headers", "body", "followRedirects"), "timeout": "timeoutMs"},
        {"method": method},
    )


_WAIT_FOR = Statement("wait-for", ("selector",), {"timeout": "timeoutMs"})
_IDLE = Statement(
    "wait-for-network-idle",
    ("idleMs",),
    {"idle": "idleMs", "timeout": "timeoutMs", **_same("maxInflight")},
)
_SET = Statement("set", ("as", "value"))

STATEMENTS: Mapping[tuple[str, ...], Statement] = {
    ("goto",): Statement("goto", ("url",)),
    ("wait",): Statement("wait", ("duration",)),
    ("wait", "until"): _WAIT_FOR,
    ("wait", "for"): _WAIT_FOR,
    ("wait", "network", "idle"): _IDLE,
    ("wait", "for", "network", "idle"): _IDLE,
    ("sendkeys",): Statement("sendkeys", ("selector",), _same("keys")),
    ("click",): Statement(
        "action", ("selector",), _same("text", "match", "closest"), {"action": "click"}
    ),
    ("scroll", "until", "stable"): Statement(
        "scroll-until-stable",
        ("selector",),
        {**_same("direction"), "stable": "stableMs", "max": "maxIterations"},
    ),
    ("screenshot",): Statement(
        "screenshot", ("as",), _same("selector", "fullPage", "format", "quality", "path")
    ),
    ("pdf",): Statement("pdf", ("as",), _same("path", *PAPER)),
    ("html", "to", "pdf"): Statement(
        "html-to-pdf", ("as",), {**_same("html", "file", "css", "path", *PAPER), "content": "html"}
    ),
    ("snapshot",): Statement("snapshot", ("as",), _same("path")),
    ("save", "html"): Statement("save-html", (), _same("path", "selector")),
    ("emulate",): Statement(
        "emulate",
        ("colorScheme",),
        _same("width", "height", "deviceScaleFactor", "mobile", "colorScheme", "reset"),
    ),
    ("record",): Statement(
        "record",
        ("as",),
        _same("format", "fps", "quality", "maxFrames", "maxDurationMs", "everyNthFrame", "path"),
        is_block=True,
    ),
    ("capture", "network"): Statement(
        "capture-network",
        ("as",),
        _same("includeBodies", "maxBodyBytes", "urlFilter", "path"),
        is_block=True,
    ),
    ("console",): Statement("console", ("as",), is_block=True),
    ("get", "cookies"): Statement("get-cookies", ("as",), _same("urls", "path")),
    ("set", "cookies"): Statement("set-cookies", ("cookies",), _same("cookies", "path")),
    ("http", "get"): _http("GET"),
    ("http", "post"): _http("POST"),
    ("http", "put"): _http("PUT"),
    ("http", "patch"): _http("PATCH"),
    ("http", "delete"): _http("DELETE"),
    ("http", "request"): Statement(
        "http-request",
        ("as",),
        {
            **_same("method", "url", "headers", "body", "followRedirects"),
            "timeout": "timeoutMs",
        },
    ),
    ("download", "each"): Statement(
        "download-each", ("as",), {**_same("selector"), "timeout": "timeoutPerFileMs"}
    ),
    ("save", "captures", "to", "dir"): Statement(
        "save-captures-to-dir", ("as", "dir"), _same("dir", "naming")
    ),
    ("call",): Statement("call", ("task",)),
    ("return",): Statement("return", ("value",)),
    ("set",): _SET,
    ("let",): _SET,
    ("bind",): _SET,
    ("export",): Statement("export", ("format",), {**_same("path", "data", "columns"), "as": "as"}),
    ("read", "file"): Statement("read-file", ("as",), _same("path", "optional")),
    ("write", "files"): Statement("write-files", ("as",), _same("root", "files")),
    ("emit",): Statement("emit-event", ("kind", "text"), _same("data")),
    ("emit", "event"): Statement("emit-event", ("kind", "text"), _same("data")),
    ("for", "each"): Statement(
        "for-each", ("item",), {"in": "over", **_same("continueOnError")}, is_block=True
    ),
    ("loop",): Statement(
        "loop",
        (),
        {
            **_same("while", "until", "whileFn", "untilFn"),
            "pause": "pauseMs",
            "max": "maxIterations",
        },
        is_block=True,
    ),
}
"""By their first words; each may be written with spaces or with hyphens. `js` and `extract`, whose
lines have a form of their own, are not among them."""

FIRST_WORDS_MOST = max(len(words) for words in STATEMENTS)
