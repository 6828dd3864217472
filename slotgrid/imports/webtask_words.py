"""The words of webtasks' `run`, with their parameters, and what does their work here."""

from collections.abc import Mapping

from slotgrid.imports.counterparts import Counterpart, Parameter

_PATH = Parameter("path", "file_name", "an artifact of the task; folders are left out")
_PAPER: Mapping[str, Parameter] = {
    "format": Parameter("format", note="A4, A3, Letter, Legal, in this spelling"),
    "landscape": Parameter("landscape"),
    "printBackground": Parameter("background"),
    "scale": Parameter("scale"),
    "pageRanges": Parameter("pages"),
    "paperWidth": Parameter("width", "by_value", "inches: `8.5in`"),
    "paperHeight": Parameter("height", "by_value", "inches: `11in`"),
    "marginTop": Parameter("margin", "by_value", "inches, in one object with the other margins"),
    "marginBottom": Parameter("margin", "by_value", "inches"),
    "marginLeft": Parameter("margin", "by_value", "inches"),
    "marginRight": Parameter("margin", "by_value", "inches"),
    "displayHeaderFooter": Parameter("", note="a header or footer shows if it is given"),
    "headerTemplate": Parameter("header"),
    "footerTemplate": Parameter("footer"),
}

WORDS: Mapping[str, Counterpart] = {
    "goto": Counterpart(
        ("goto",),
        parameters={"url": Parameter("url")},
        note="`data:text/html,...` is `set_content`",
    ),
    "wait": Counterpart(("sleep",), parameters={"duration": Parameter("seconds", "ms_to_s")}),
    "wait-for": Counterpart(
        ("wait_for_selector",),
        parameters={
            "selector": Parameter("selector"),
            "timeoutMs": Parameter("timeout_s", "ms_to_s"),
        },
        note="with `state: attached`, as webtasks does not ask whether it can be seen",
    ),
    "wait-for-network-idle": Counterpart(
        ("wait_for_network_idle",),
        parameters={
            "idleMs": Parameter("idle_s", "ms_to_s"),
            "timeoutMs": Parameter("timeout_s", "ms_to_s"),
            "maxInflight": Parameter("max_inflight", "whole"),
        },
    ),
    "sendkeys": Counterpart(
        ("type",),
        parameters={"selector": Parameter("selector"), "keys": Parameter("text")},
    ),
    "action": Counterpart(
        ("click",),
        parameters={
            "action": Parameter("", note="`click` is the only one"),
            "selector": Parameter("selector"),
            "text": Parameter("text", "by_value", "with a selector: a part of it, `:text-is()`"),
            "match": Parameter("exact", "by_value", "exact: true; contains: left out"),
            "closest": Parameter("closest"),
        },
    ),
    "scroll-until-stable": Counterpart(
        ("scroll_until_stable",),
        parameters={
            "selector": Parameter("selector"),
            "direction": Parameter("direction", note="`up` if left out"),
            "stableMs": Parameter("stable_s", "ms_to_s"),
            "maxIterations": Parameter("max_rounds", "by_value", "0, no limit, is 10000"),
        },
        note="with `limit_s`, the recipe's time, up to an hour",
    ),
    "js": Counterpart(
        ("evaluate",),
        parameters={
            "fn": Parameter("file", "by_value", "the module's copy below `scripts/`"),
            "file": Parameter("file", "by_value", "the module's copy below `scripts/`"),
            "script": Parameter("script", "script"),
            "args": Parameter("args"),
            "await": Parameter("", note="a promise is always awaited"),
        },
    ),
    "extract": Counterpart(
        ("extract",),
        parameters={
            "from": Parameter("scope"),
            "selector": Parameter("selector"),
            "repeat": Parameter("", note="without it the rows' selector is the `scope`"),
            "fields": Parameter(
                "fields",
                "by_value",
                "`kind: attr` with `name` is `attribute`, `value` of `kind: const` is `const`",
            ),
        },
    ),
    "screenshot": Counterpart(
        ("screenshot",),
        parameters={
            "selector": Parameter("selector", note="`.`, the window, is left out"),
            "fullPage": Parameter("full_page"),
            "format": Parameter("format"),
            "quality": Parameter("quality", "whole"),
            "path": _PATH,
        },
    ),
    "pdf": Counterpart(("pdf",), parameters={**_PAPER, "path": _PATH}),
    "html-to-pdf": Counterpart(
        ("html_to_pdf",),
        parameters={
            "html": Parameter("html"),
            "file": Parameter("file", "file_name", "a file beside the recipe"),
            "css": Parameter("css"),
            **{
                name: Parameter(f"paper.{one.to}" if one.to else "", one.conversion, one.note)
                for name, one in _PAPER.items()
            },
            "path": _PATH,
        },
    ),
    "snapshot": Counterpart(("save_mhtml",), parameters={"path": _PATH}),
    "save-html": Counterpart(
        ("save_html",),
        parameters={
            "selector": Parameter("get_html.selector", note="of an element: see below"),
            "path": _PATH,
        },
        note="the HTML of one element: `get_html`, then `write_files`",
    ),
    "emulate": Counterpart(
        ("emulate",),
        parameters={
            "width": Parameter("width", "whole"),
            "height": Parameter("height", "whole"),
            "deviceScaleFactor": Parameter("device_scale_factor"),
            "mobile": Parameter("mobile"),
            "colorScheme": Parameter("color_scheme"),
            "reset": Parameter("reset"),
        },
    ),
    "record": Counterpart(
        ("record_start", "record_stop"),
        parameters={
            "format": Parameter("", note="always a GIF"),
            "fps": Parameter("fps", "whole"),
            "quality": Parameter("quality", "whole"),
            "maxFrames": Parameter("max_frames", "whole"),
            "maxDurationMs": Parameter("max_duration_s", "ms_to_s"),
            "everyNthFrame": Parameter("", note="`fps` says how many frames there are"),
            "path": _PATH,
        },
        note="the steps of `do` stand between the two; a failed run saves what there is",
    ),
    "capture-network": Counterpart(
        ("capture_start", "capture_stop"),
        parameters={
            "includeBodies": Parameter("include_bodies"),
            "maxBodyBytes": Parameter("max_body_bytes", "whole"),
            "urlFilter": Parameter("url", "pattern"),
            "path": Parameter("capture_stop.path", "file_name", "an artifact of the task"),
        },
        note="the steps of `do` stand between the two",
    ),
    "console": Counterpart(("console",), note="after the steps of `do`; with `clear` before them"),
    "get-cookies": Counterpart(
        ("get_cookies",),
        parameters={
            "urls": Parameter("urls"),
            "path": Parameter("write_files.files", "file_name", "a second step writes the file"),
        },
    ),
    "set-cookies": Counterpart(
        ("set_cookies",),
        parameters={
            "cookies": Parameter("cookies"),
            "path": Parameter("read_file.path", "file_name", "a step before it reads the file"),
        },
    ),
    "http-request": Counterpart(
        ("http_request",),
        parameters={
            "method": Parameter("method"),
            "url": Parameter("url"),
            "headers": Parameter("headers"),
            "body": Parameter("body", "by_value", "an object or list: `json`"),
            "timeoutMs": Parameter("timeout_s", "ms_to_s"),
            "followRedirects": Parameter("follow_redirects"),
        },
    ),
    "download-each": Counterpart(
        ("download_each",),
        parameters={
            "selector": Parameter("selector"),
            "timeoutPerFileMs": Parameter("timeout_s", "ms_to_s"),
        },
    ),
    "save-captures-to-dir": Counterpart(
        ("evaluate", "write_files"),
        parameters={
            "dir": Parameter("", note="the files are artifacts of the task"),
            "naming": Parameter("script", "by_value", "the names are made in the script"),
        },
        note="the captures are those of a script in the page; for bodies of requests there is "
        "`save_captures`",
    ),
    "for-each": Counterpart(
        keys=("for_each", "steps"),
        parameters={
            "over": Parameter("for_each"),
            "as": Parameter("", note="`item` and `index`"),
            "continueOnError": Parameter("continue_on_error"),
        },
    ),
    "loop": Counterpart(
        ("evaluate", "set"),
        keys=("repeat", "steps"),
        parameters={
            "while": Parameter("script", "script"),
            "until": Parameter("script", "script"),
            "whileFn": Parameter("file", "by_value", "the module's copy below `scripts/`"),
            "untilFn": Parameter("file", "by_value", "the module's copy below `scripts/`"),
            "pauseMs": Parameter("sleep.seconds", "ms_to_s"),
            "maxIterations": Parameter("repeat.max", "whole"),
        },
        note="`evaluate` asks the page before the loop and at the end of each round; `loop_index` "
        "is `index`",
    ),
    "call": Counterpart(
        ("call",),
        parameters={"task": Parameter("function")},
        note="what the other recipe reads is given as its `input`, what it names is in its result",
    ),
    "return": Counterpart(
        ("return",),
        keys=("return",),
        parameters={"value": Parameter("value")},
        note="at the end of a recipe its key `return`",
    ),
    "set": Counterpart(
        ("set",),
        parameters={
            "name": Parameter("", note="the variable: `vars.NAME`"),
            "value": Parameter("", note="the value of the parameter that is the variable's name"),
        },
    ),
    "export": Counterpart(
        ("export",),
        parameters={
            "format": Parameter("format", "by_value", "`markdown` and `md-table` are `md`"),
            "data": Parameter("data", "by_value", "a single record: a list of it"),
            "columns": Parameter("columns"),
            "path": _PATH,
        },
    ),
    "read-file": Counterpart(
        ("read_file",),
        parameters={
            "path": Parameter("path", "file_name", "a file beside the recipe"),
            "optional": Parameter("optional"),
        },
        note="with `format: text`",
    ),
    "write-files": Counterpart(
        ("write_files",),
        parameters={
            "root": Parameter("", note="the files are artifacts of the task"),
            "files": Parameter("files", "by_value", "`content` is `text`, `bytesB64` is `base64`"),
        },
    ),
    "emit-event": Counterpart(
        ("emit",),
        parameters={
            "kind": Parameter("kind"),
            "text": Parameter("text"),
            "data": Parameter("data"),
        },
    ),
}
"""By word."""

STEP_KEYS: Mapping[str, str] = {
    "run": "action",
    "as": "name",
    "status": "status",
    "record": "record",
    "params": "with",
    "do": "steps",
}
"""The keys of a step: webtasks' and ours."""

TASK_KEYS: Mapping[str, str] = {
    "name": "the path of the file",
    "poolTag": "pool",
    "transports": "left out: every mode works",
    "timeoutMs": "timeout_s",
    "setupTask": "setup",
    "input": "input",
    "flow": "steps",
}
"""The keys of a task: webtasks' and ours."""
