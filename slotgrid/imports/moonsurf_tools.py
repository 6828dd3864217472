"""The tools of Moonsurf's browser-control, and what does their work here."""

from collections.abc import Mapping

from slotgrid.imports.counterparts import Counterpart, Parameter

_SELECTOR = Parameter("selector")
_HELD = Parameter("modifiers", "by_value", "in one list: alt, ctrl, meta, shift")
_HELD_KEYS: Mapping[str, Parameter] = dict.fromkeys(("ctrl", "alt", "shift", "meta"), _HELD)

ALWAYS: Mapping[str, Parameter] = {
    "action": Parameter("", note="which deed of the tool"),
    "instanceId": Parameter("", note="the task's own browser context"),
    "tabId": Parameter("", note="the current tab; `switch_tab` makes another one current"),
}
"""Arguments of every tool."""

TOOLS: Mapping[str, Mapping[str, Counterpart]] = {
    "browser_instance": {
        "list": Counterpart(note="not needed: a task has its own browser context"),
        "new": Counterpart(
            ("goto",),
            parameters={
                "url": Parameter("url"),
                "mode": Parameter("", note="Chromium of the worker"),
                "headless": Parameter("", note="always"),
                "profile": Parameter("", note="a pool with `isolation: persistent`"),
                "extensions": Parameter("", note="nothing does this"),
                "closeOtherTabs": Parameter("", note="a task begins with one tab"),
            },
            note="a task's context is opened when it is needed; with `url`, `goto`",
        ),
        "close": Counterpart(note="not needed: the context is closed with the task"),
        "profiles": Counterpart(note="nothing does this; pools have profiles"),
    },
    "browser_tab": {
        "list": Counterpart(("list_tabs",)),
        "new": Counterpart(("new_tab",), parameters={"url": Parameter("url")}),
        "close": Counterpart(
            ("close_tab",),
            parameters={"tabId": Parameter("id", "by_value", "ids are those of `list_tabs`")},
        ),
        "close_others": Counterpart(
            ("close_other_tabs",),
            parameters={"keepTabId": Parameter("id", "by_value", "ids are those of `list_tabs`")},
        ),
        "activate": Counterpart(
            ("switch_tab",),
            parameters={"tabId": Parameter("id", "by_value", "ids are those of `list_tabs`")},
        ),
    },
    "browser_navigate": {
        "goto": Counterpart(
            ("goto",),
            parameters={"url": Parameter("url"), "waitUntil": Parameter("wait_until")},
        ),
        "reload": Counterpart(
            ("reload",),
            parameters={
                "ignoreCache": Parameter("ignore_cache"),
                "waitUntil": Parameter("wait_until"),
            },
        ),
        "back": Counterpart(("back",), parameters={"waitUntil": Parameter("wait_until")}),
        "forward": Counterpart(("forward",), parameters={"waitUntil": Parameter("wait_until")}),
        "wait": Counterpart(
            ("wait_for_selector", "wait_for_expression"),
            parameters={
                "selector": _SELECTOR,
                "expression": Parameter("wait_for_expression.expression"),
                "timeout": Parameter("timeout_s", "ms_to_s"),
            },
            note="by what is given; a selector with `state: attached`",
        ),
    },
    "browser_content": {
        "screenshot": Counterpart(
            ("screenshot",),
            parameters={
                "selector": _SELECTOR,
                "format": Parameter("format"),
                "quality": Parameter("quality", "whole"),
                "fullPage": Parameter("full_page"),
            },
        ),
        "pdf": Counterpart(
            ("pdf",),
            parameters={
                "landscape": Parameter("landscape"),
                "printBackground": Parameter("background"),
                "scale": Parameter("scale"),
                "paperWidth": Parameter("width", "by_value", "inches: `8.5in`"),
                "paperHeight": Parameter("height", "by_value", "inches: `11in`"),
            },
        ),
        "get": Counterpart(
            ("get_html", "get_text"),
            parameters={
                "selector": _SELECTOR,
                "format": Parameter("", note="html: `get_html`; text: `get_text`"),
            },
        ),
        "query": Counterpart(
            ("query",),
            parameters={"selector": _SELECTOR},
        ),
        "attribute": Counterpart(
            ("get_attribute",),
            parameters={"selector": _SELECTOR, "attribute": Parameter("attribute")},
        ),
        "get_viewport_dom": Counterpart(
            ("viewport_dom",),
            parameters={
                "maxElements": Parameter("max_elements", "whole"),
                "domDepth": Parameter("dom_depth", "whole"),
                "includeHidden": Parameter("include_hidden"),
                "minSize": Parameter("min_size"),
            },
        ),
    },
    "browser_interact": {
        "click": Counterpart(
            ("click",),
            parameters={
                "selector": _SELECTOR,
                "x": Parameter("x"),
                "y": Parameter("y"),
                **_HELD_KEYS,
            },
        ),
        "move": Counterpart(
            ("move", "hover"),
            parameters={
                "x": Parameter("x"),
                "y": Parameter("y"),
                "selector": Parameter("hover.selector"),
            },
            note="to an element: `hover`",
        ),
        "type": Counterpart(
            ("type",),
            parameters={
                "selector": _SELECTOR,
                "text": Parameter("text"),
                "delay": Parameter("delay_s", "ms_to_s", "left out: `wpm: 150`"),
            },
        ),
        "press": Counterpart(
            ("press",),
            parameters={"selector": _SELECTOR, "key": Parameter("key"), **_HELD_KEYS},
        ),
        "scroll": Counterpart(
            ("scroll",),
            parameters={
                "selector": _SELECTOR,
                "deltaX": Parameter("dx"),
                "deltaY": Parameter("dy"),
                "direction": Parameter("dy", "by_value", "with `amount`, in its direction"),
                "amount": Parameter("dy", "by_value", "with `direction`"),
                "x": Parameter("", note="the element, or the window's middle"),
                "y": Parameter("", note="the element, or the window's middle"),
            },
        ),
        "hover": Counterpart(
            ("hover", "move"),
            parameters={
                "selector": _SELECTOR,
                "x": Parameter("move.x"),
                "y": Parameter("move.y"),
            },
            note="to a place: `move`",
        ),
        "select": Counterpart(
            ("select",),
            parameters={
                "selector": _SELECTOR,
                "value": Parameter("value"),
                "label": Parameter("label"),
                "index": Parameter("index", "whole"),
            },
        ),
        "upload": Counterpart(
            ("upload",),
            parameters={
                "selector": _SELECTOR,
                "files": Parameter("files", "by_value", "files of the functions folder"),
            },
        ),
    },
    "browser_execute": {
        "": Counterpart(
            ("evaluate",),
            parameters={
                "expression": Parameter("script"),
                "script": Parameter("script"),
                "awaitPromise": Parameter("", note="a promise is always awaited"),
            },
        ),
    },
    "browser_network": {
        "get_cookies": Counterpart(
            ("get_cookies",),
            parameters={
                "urls": Parameter("urls"),
                "url": Parameter("urls", "by_value", "a list of one"),
            },
        ),
        "set_cookie": Counterpart(
            ("set_cookies",),
            parameters={
                name: Parameter("cookies", "by_value", "one cookie in the list")
                for name in (
                    *("name", "value", "url", "domain", "path"),
                    *("secure", "httpOnly", "sameSite", "expires"),
                )
            },
        ),
        "clear_cookies": Counterpart(
            ("clear_cookies",),
            parameters={
                "name": Parameter("name"),
                "domain": Parameter("domain"),
                "path": Parameter("path"),
                "url": Parameter("domain", "by_value", "the host of the address"),
            },
        ),
        "set_headers": Counterpart(
            ("set_headers",),
            parameters={"headers": Parameter("headers")},
        ),
        "intercept": Counterpart(
            ("block_urls", "unblock_urls"),
            parameters={
                "enabled": Parameter("", note="true: `block_urls`; false: `unblock_urls`"),
                "patterns": Parameter(
                    "patterns", "by_value", "each `urlPattern`; types of resources have none"
                ),
            },
            note="it blocks what matches; `intercept` here also answers and changes requests",
        ),
        "get_storage": Counterpart(
            ("get_storage",),
            parameters={
                "key": Parameter("keys", "by_value", "a list of one"),
                "storageType": Parameter("kind", "by_value", "localStorage: local"),
            },
        ),
        "set_storage": Counterpart(
            ("set_storage",),
            parameters={
                "key": Parameter("items", "by_value", "an object of one key"),
                "value": Parameter("items", "by_value", "the key's value"),
                "storageType": Parameter("kind", "by_value", "localStorage: local"),
            },
        ),
        "clear_storage": Counterpart(
            ("clear_storage",),
            parameters={
                "storageType": Parameter(
                    "kinds", "by_value", "localStorage: [local]; all: left out"
                )
            },
        ),
    },
    "browser_emulate": {
        "viewport": Counterpart(
            ("set_viewport",),
            parameters={
                "width": Parameter("width", "whole"),
                "height": Parameter("height", "whole"),
                "deviceScaleFactor": Parameter("device_scale_factor"),
                "mobile": Parameter("mobile"),
            },
        ),
        "user_agent": Counterpart(
            ("set_user_agent",),
            parameters={
                "userAgent": Parameter("user_agent"),
                "platform": Parameter("platform"),
            },
        ),
        "geolocation": Counterpart(
            ("set_geolocation",),
            parameters={
                "latitude": Parameter("latitude"),
                "longitude": Parameter("longitude"),
                "accuracy": Parameter("accuracy_m"),
            },
        ),
        "timezone": Counterpart(
            ("set_timezone",),
            parameters={"timezoneId": Parameter("timezone")},
        ),
        "device": Counterpart(("set_device",), parameters={"device": Parameter("device")}),
        "offline": Counterpart(("set_offline",), parameters={"offline": Parameter("offline")}),
        "throttle": Counterpart(
            ("throttle",),
            parameters={
                "preset": Parameter("preset"),
                "downloadThroughput": Parameter("download_bytes_per_s"),
                "uploadThroughput": Parameter("upload_bytes_per_s"),
                "latency": Parameter("latency_ms"),
            },
        ),
    },
    "browser_debug": {
        "dialog": Counterpart(
            ("dialogs",),
            parameters={
                "dialogAction": Parameter("answer"),
                "promptText": Parameter("prompt_text"),
            },
        ),
        "console": Counterpart(
            ("console",),
            parameters={
                "level": Parameter("levels", "by_value", "all: left out"),
                "clear": Parameter("clear"),
            },
        ),
        "performance": Counterpart(("performance",)),
        "trace_start": Counterpart(
            ("trace_start",),
            parameters={"categories": Parameter("", note="a trace of Playwright, not Chromium's")},
        ),
        "trace_stop": Counterpart(("trace_stop",)),
        "downloads": Counterpart(
            ("list_downloads",),
            parameters={"state": Parameter("", note="the list says each one's state")},
        ),
        "download_wait": Counterpart(
            ("wait_for_download",),
            parameters={
                "downloadId": Parameter("", note="the next one, or one that was not waited for"),
                "timeout": Parameter("timeout_s", "ms_to_s", "300 s if left out"),
            },
        ),
    },
    "sleep": {
        "": Counterpart(("sleep",), parameters={"duration": Parameter("seconds", "ms_to_s")}),
    },
}
"""By tool and `action`; a tool without actions has one with an empty name."""

OTHER_SPELLINGS: Mapping[tuple[str, str], str] = {
    ("browser_interact", "keyboard"): "press",
    ("browser_navigate", "wait_for"): "wait",
    ("browser_content", "get_text"): "get",
    ("browser_content", "get_html"): "get",
    ("browser_execute", "evaluate"): "",
}
"""Actions that its pages show beside those of its code."""

OLD_TOOLS: Mapping[str, tuple[str, str]] = {
    "browser_instance_list": ("browser_instance", "list"),
    "browser_instance_new": ("browser_instance", "new"),
    "browser_instance_close": ("browser_instance", "close"),
    "browser_profile_list": ("browser_instance", "profiles"),
    "browser_tab_list": ("browser_tab", "list"),
    "browser_tab_new": ("browser_tab", "new"),
    "browser_tab_close": ("browser_tab", "close"),
    "browser_tab_close_others": ("browser_tab", "close_others"),
    "browser_tab_activate": ("browser_tab", "activate"),
    "browser_reload": ("browser_navigate", "reload"),
    "browser_go_back": ("browser_navigate", "back"),
    "browser_go_forward": ("browser_navigate", "forward"),
    "browser_wait_for": ("browser_navigate", "wait"),
    "browser_screenshot": ("browser_content", "screenshot"),
    "browser_pdf": ("browser_content", "pdf"),
    "browser_get_content": ("browser_content", "get"),
    "browser_query_selector": ("browser_content", "query"),
    "browser_get_attribute": ("browser_content", "attribute"),
    "browser_get_viewport_dom": ("browser_content", "get_viewport_dom"),
    "browser_mouse_click": ("browser_interact", "click"),
    "browser_mouse_move": ("browser_interact", "move"),
    "browser_type": ("browser_interact", "type"),
    "browser_keyboard_press": ("browser_interact", "press"),
    "browser_mouse_scroll": ("browser_interact", "scroll"),
    "browser_hover": ("browser_interact", "hover"),
    "browser_select": ("browser_interact", "select"),
    "browser_upload_file": ("browser_interact", "upload"),
    "browser_evaluate": ("browser_execute", ""),
    "browser_get_cookies": ("browser_network", "get_cookies"),
    "browser_set_cookie": ("browser_network", "set_cookie"),
    "browser_clear_cookies": ("browser_network", "clear_cookies"),
    "browser_set_headers": ("browser_network", "set_headers"),
    "browser_intercept_requests": ("browser_network", "intercept"),
    "browser_get_local_storage": ("browser_network", "get_storage"),
    "browser_set_local_storage": ("browser_network", "set_storage"),
    "browser_clear_storage": ("browser_network", "clear_storage"),
    "browser_set_viewport": ("browser_emulate", "viewport"),
    "browser_set_user_agent": ("browser_emulate", "user_agent"),
    "browser_set_geolocation": ("browser_emulate", "geolocation"),
    "browser_set_timezone": ("browser_emulate", "timezone"),
    "browser_emulate_device": ("browser_emulate", "device"),
    "browser_set_offline": ("browser_emulate", "offline"),
    "browser_throttle_network": ("browser_emulate", "throttle"),
    "browser_handle_dialog": ("browser_debug", "dialog"),
    "browser_get_console_logs": ("browser_debug", "console"),
    "browser_get_performance_metrics": ("browser_debug", "performance"),
    "browser_start_tracing": ("browser_debug", "trace_start"),
    "browser_stop_tracing": ("browser_debug", "trace_stop"),
    "browser_download_list": ("browser_debug", "downloads"),
    "browser_download_wait": ("browser_debug", "download_wait"),
}
"""The tools of earlier versions: tool and action now. `browser_navigate` alone kept its name; an
old one has no `action` and goes to an address."""
