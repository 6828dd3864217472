"""Requests of pages: refused, changed, answered, captured."""

import base64
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import orjson

from slotgrid.function import Meta
from worker.actions.action import action
from worker.actions.action_context import ActionContext
from worker.actions.captured_requests import Capture, CaptureOptions, Exchange
from worker.actions.errors import ActionFailed
from worker.actions.har import HarFile, HarRecorder
from worker.actions.http import HeaderMap
from worker.actions.request_rules import Abort, Block, Change, Fulfil, RequestRules, Rule, matched
from worker.actions.saved_file import FileName, SavedFile, save_file
from worker.actions.url_patterns import UrlPattern
from worker.pages.origins import site_origins

MOST_RULES = 1000
ABORTS = {
    "failed": "Failed",
    "aborted": "Aborted",
    "timed_out": "TimedOut",
    "access_denied": "AccessDenied",
    "connection_closed": "ConnectionClosed",
    "connection_reset": "ConnectionReset",
    "connection_refused": "ConnectionRefused",
    "name_not_resolved": "NameNotResolved",
    "internet_disconnected": "InternetDisconnected",
    "address_unreachable": "AddressUnreachable",
    "blocked_by_client": "BlockedByClient",
}
"""Why a request may fail, and DevTools' words for it."""

Patterns = Annotated[
    list[UrlPattern], Meta(min_length=1, max_length=MOST_RULES, description="Patterns of addresses")
]
Method = Annotated[str, Meta(pattern="^[A-Z]{1,20}$")]


@dataclass(frozen=True)
class Blocked:
    """The patterns in force, and how many requests they have refused."""

    patterns: list[str]
    blocked: int


@dataclass(frozen=True)
class Intercepted:
    """A rule that has ended, and how many requests it has taken."""

    url: str
    matched: int


@dataclass(frozen=True)
class Captured:
    """The requests since `capture_start`, in their order."""

    entries: list[Exchange]
    count: int
    truncated: Annotated[
        bool, Meta(description="Whether there were more, or bodies beyond the limits")
    ]
    file: Annotated[SavedFile | None, Meta(description="The entries, if `path` names a file")]


@action
async def block_urls(action: ActionContext, patterns: Patterns) -> Blocked:
    """Refuse requests to these addresses, in all tabs: scripts, pictures, frames, pages.

    Example:

    ```yaml
    - {action: block_urls, with: {patterns: ["*.svg", "/tracker/"]}}
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    ```

    Limits:

    - The first requests of a tab that a page opens itself are not refused, nor those of service
      workers.
    """
    rules = action.session.part(RequestRules)
    known = {rule.pattern for rule in rules.blocks}
    new = [Block(one) for one in dict.fromkeys(patterns) if one not in known]
    if len(rules.blocks) + len(new) > MOST_RULES:
        raise ActionFailed(f"at most {MOST_RULES} patterns can be blocked at once")
    rules.blocks += new
    return await _blocked(action, rules)


@action
async def unblock_urls(
    action: ActionContext,
    patterns: Annotated[
        list[UrlPattern] | None,
        Meta(description="Patterns as `block_urls` got them; all if left out"),
    ] = None,
) -> Blocked:
    """Let requests to blocked addresses pass again.

    Example:

    ```yaml
    - {action: block_urls, with: {patterns: ["*.svg", "*.png"]}}
    - {action: unblock_urls, with: {patterns: ["*.svg"]}}
    ```
    """
    rules = action.session.part(RequestRules)
    known = [rule.pattern for rule in rules.blocks]
    if unknown := [one for one in patterns or [] if one not in known]:
        raise ActionFailed(f"{unknown[0]!r} is not blocked; blocked are {known[:20]}")
    rules.blocks = [
        rule for rule in rules.blocks if patterns is not None and rule.pattern not in patterns
    ]
    return await _blocked(action, rules)


async def _applied(action: ActionContext, rules: RequestRules) -> None:
    """Put the rules into force, until the recipe or the list of commands ends."""
    if not rules.applied:
        action.session.at_end("the rules of requests", rules.end)
    await rules.apply((await action.page()).context)


async def _blocked(action: ActionContext, rules: RequestRules) -> Blocked:
    await _applied(action, rules)
    return Blocked([rule.pattern for rule in rules.blocks], matched(rules.blocks))


@action
async def set_headers(
    action: ActionContext,
    headers: HeaderMap,
    *,
    urls: Annotated[
        Annotated[list[UrlPattern], Meta(max_length=100)] | None,
        Meta(
            description="Which requests get them; without it those to the site of the current page",
        ),
    ] = None,
) -> list[str]:
    """Send more headers with the requests of all tabs; they replace those of an earlier call.

    An empty value removes a header that the browser would send, and `{}` ends all of it. The
    result lists the patterns of the addresses.

    Example:

    ```yaml
    - {action: set_headers, with: {headers: {X-Team: blue}, urls: ["{{ input.site }}/*"]}}
    - {action: goto, with: {url: "{{ input.site }}/visitors/headers"}}
    ```

    Limits:

    - `urls: ["*"]` sends them to every host that a page loads from: no place for a token.
    - WebSockets do not get them, nor service workers, nor the first requests of a tab that a page
      opens itself.
    """
    rules = action.session.part(RequestRules)
    page = await action.page()
    if not headers:
        rules.headers = []
    else:
        patterns = [f"{origin}/*" for origin in site_origins(page.url)] if urls is None else urls
        if not patterns:
            raise ActionFailed(
                f"the tab shows {page.url}, which has no site: name the requests in `urls`"
            )
        rules.headers = [Change(one, headers=headers) for one in patterns]
    await _applied(action, rules)
    return [rule.pattern for rule in rules.headers]


@action
async def intercept(
    action: ActionContext,
    url: UrlPattern,
    do: Annotated[
        Literal["fulfil", "abort", "change"],
        Meta(description="Answer the request, let it fail, or send it changed"),
    ],
    *,
    methods: Annotated[
        list[Method], Meta(max_length=20, description="Only these; every one if left out")
    ] = [],  # noqa: B006  never changed
    times: Annotated[
        int, Meta(ge=0, le=1_000_000, description="For how many requests; 0 for all")
    ] = 0,
    status: Annotated[int, Meta(ge=200, le=599, description="Of the answer")] = 200,
    headers: HeaderMap = {},  # noqa: B006  never changed
    body: Annotated[str | None, Meta(description="Of the answer or the changed request")] = None,
    json: Annotated[Any, Meta(description="The body as JSON")] = None,
    file: Annotated[
        str | None, Meta(description="The answer's body: a file of the functions folder")
    ] = None,
    method: Annotated[Method | None, Meta(description="Of the changed request")] = None,
    to: Annotated[
        str | None,
        Meta(description="Address of the changed request, which the page does not see"),
    ] = None,
    reason: Annotated[
        Literal[
            "failed",
            "aborted",
            "timed_out",
            "access_denied",
            "connection_closed",
            "connection_reset",
            "connection_refused",
            "name_not_resolved",
            "internet_disconnected",
            "address_unreachable",
            "blocked_by_client",
        ],
        Meta(description="Why the request fails"),
    ] = "failed",
) -> None:
    """Answer requests to an address in place of its server, let them fail, or change them.

    The newest rule that fits a request decides. `clear_intercepts` says how many each has taken.

    Example:

    ```yaml
    - action: intercept
      with:
        url: "*/visitors/*"
        do: fulfil
        headers: {Content-Type: text/html}
        body: "<title>Hi</title>"
    - {action: goto, with: {url: "{{ input.site }}/visitors/own"}}
    ```

    Limits:

    - A file of the functions folder needs its `Content-Type` in `headers`.
    - The first requests of a tab that a page opens itself are not intercepted, nor those of
      service workers, WebSockets and `data:` addresses.
    """
    if sum(one is not None for one in (body, json, file)) > 1:
        raise ActionFailed("give one of `body`, `json` and `file`")
    data = b"" if body is None else body.encode("utf-8", "replace")
    if json is not None:
        data, headers = orjson.dumps(json), {"Content-Type": "application/json", **headers}
    if file is not None:
        data = await action.files.read(file)
    encoded = base64.b64encode(data).decode()
    rule: Rule
    match do:
        case "fulfil":
            rule = Fulfil(
                url, frozenset(methods), times, status=status, headers=headers, body=encoded
            )
        case "abort":
            rule = Abort(url, frozenset(methods), times, reason=ABORTS[reason])
        case "change":
            rule = Change(
                url,
                frozenset(methods),
                times,
                headers=headers,
                method=method,
                body=encoded or None,
                to=to,
            )
    rules = action.session.part(RequestRules)
    if len(rules.intercepts) >= MOST_RULES:
        raise ActionFailed(f"at most {MOST_RULES} rules can be in force; use clear_intercepts")
    rules.intercepts.insert(0, rule)
    await _applied(action, rules)


@action
async def clear_intercepts(action: ActionContext) -> list[Intercepted]:
    """End all rules of `intercept`, and say how many requests each has taken.

    Example:

    ```yaml
    - {action: intercept, with: {url: "*.svg", do: abort}}
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    - {action: clear_intercepts}
    ```
    """
    rules = action.session.part(RequestRules)
    ended, rules.intercepts = rules.intercepts, []
    await _applied(action, rules)
    return [Intercepted(rule.pattern, rule.matched) for rule in reversed(ended)]


class Running:
    """The capture and the HAR file that have begun and not ended."""

    def __init__(self) -> None:
        self.capture: Capture | None = None
        self.har: HarRecorder | None = None


@action
async def capture_start(
    action: ActionContext,
    *,
    url: Annotated[UrlPattern | None, Meta(description="Only requests to these addresses")] = None,
    include_bodies: Annotated[bool, Meta(description="With what was sent and answered")] = False,
    max_body_bytes: Annotated[
        int, Meta(ge=0, le=5_000_000, description="Bytes of each body that are kept")
    ] = 65536,
    max_entries: Annotated[int, Meta(ge=1, le=10_000, description="Requests, at most")] = 1000,
) -> None:
    """Begin to capture the requests of all tabs; `capture_stop` gives them.

    Example:

    ```yaml
    - {action: capture_start, with: {url: "/catalogue", include_bodies: true}}
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    - {action: capture_stop}
    ```

    Limits:

    - One capture at a time; a second call begins anew.
    - Bodies of all requests together: 20 MB. Bodies above 10 MB, and those of requests that a page
      has left behind, are not read: `body_fault` says so.
    - In a task with secrets, bodies that are not text are left out.
    """
    running = action.session.part(Running)
    if running.capture is not None:
        await running.capture.stop()
    options = CaptureOptions(
        url=url,
        include_bodies=include_bodies,
        text_only=action.context.has_secrets,
        max_body_bytes=max_body_bytes,
        max_entries=max_entries,
    )
    capture = running.capture = Capture((await action.page()).context, options)
    action.session.at_end("the capture", capture.stop)


@action
async def capture_stop(action: ActionContext, *, path: FileName = None) -> Captured:
    """End the capture, and give its requests, or save them as a JSON file if `path` names one.

    Example:

    ```yaml
    - {action: capture_start}
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    - {action: capture_stop, with: {path: requests.json}}
    ```
    """
    running = action.session.part(Running)
    if running.capture is None:
        raise ActionFailed("no capture is running; begin one with capture_start")
    capture, running.capture = running.capture, None
    entries = await capture.stop()
    if path is None:
        return Captured(entries, len(entries), capture.truncated, None)
    data = orjson.dumps(action.context.hide(orjson.loads(orjson.dumps(entries))))
    file = await save_file(action, path, path, data)
    return Captured([], len(entries), capture.truncated, file)


@action
async def har_start(
    action: ActionContext,
    *,
    url: Annotated[
        Annotated[str, Meta(max_length=2000)] | None,
        Meta(description="Only addresses that this glob of Playwright matches"),
    ] = None,
    bodies: Annotated[bool, Meta(description="With the bodies of the answers")] = True,
    path: FileName = None,
) -> None:
    """Begin a HAR file of the requests of all tabs; `har_stop` saves it, as does the task's end.

    Example:

    ```yaml
    - {action: har_start, with: {path: visit.har}}
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    - {action: har_stop}
    ```

    Limits:

    - In a task with secrets, bodies that are not text are left out.
    """
    running = action.session.part(Running)
    if running.har is not None:
        raise ActionFailed("a HAR file is being written; end it with har_stop")
    recorder = HarRecorder((await action.page()).context, path)
    await recorder.start(url=url, bodies=bodies)
    running.har = recorder

    async def save() -> None:
        if running.har is recorder:
            running.har = None
            await recorder.save(action)

    action.session.at_end("the HAR file", save)


@action
async def har_stop(action: ActionContext) -> HarFile:
    """End the HAR file, and save it as an artifact.

    Example:

    ```yaml
    - {action: har_start}
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    - {action: har_stop}
    ```
    """
    running = action.session.part(Running)
    if running.har is None:
        raise ActionFailed("no HAR file is being written; begin one with har_start")
    recorder, running.har = running.har, None
    return await recorder.save(action)
