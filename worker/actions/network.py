"""Requests of pages: refused, changed, or answered by the task."""

import base64
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import orjson

from slotgrid.function import Meta
from worker.actions.action import action
from worker.actions.action_context import ActionContext
from worker.actions.errors import ActionFailed
from worker.actions.http import HeaderMap
from worker.actions.request_rules import Abort, Block, Change, Fulfil, RequestRules, Rule, matched
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
