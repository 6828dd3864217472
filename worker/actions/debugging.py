"""Debugging: what pages write to their console, their dialogs, and how fast they are."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from playwright.async_api import Error, Page

from slotgrid.core.deadlines import iso
from slotgrid.function import Meta
from worker.actions.action import action
from worker.actions.action_context import ActionContext
from worker.actions.dialog_policy import Answer, DialogPolicy, SeenDialog
from worker.actions.errors import ActionFailed
from worker.actions.faults import in_words, short

ANSWER_S = 10.0
TEXT_CHARS = 2000
LOCATION_CHARS = 1000
PAINT_S = 1.0
"""Seconds in which the browser reports paints that it has recorded already."""

Level = Literal["debug", "log", "info", "warning", "error", "exception"]

_LEVELS: dict[str, Level] = {
    "debug": "debug",
    "info": "info",
    "warning": "warning",
    "error": "error",
    "assert": "error",
}


@dataclass(frozen=True)
class ConsoleLine:
    """A message of the page, or an error that it threw."""

    level: Annotated[Level, Meta(description="`exception`: an error that nothing caught")]
    text: Annotated[str, Meta(description="Its text, 2,000 characters at most")]
    location: Annotated[str | None, Meta(description="Address, line and column, if known")]
    at: Annotated[str | None, Meta(description="When; null for an exception")]


@dataclass(frozen=True)
class ConsoleLines:
    """Messages in their order, then exceptions in theirs."""

    messages: list[ConsoleLine]
    truncated: Annotated[
        bool, Meta(description="Whether `max_messages` or the browser left older ones out")
    ]


@dataclass(frozen=True)
class Dialogs:
    """The dialogs that were answered so far, the newest last."""

    dialogs: list[SeenDialog]
    count: Annotated[int, Meta(description="How many there were")]
    truncated: Annotated[bool, Meta(description="Whether older ones are left out")]


@dataclass(frozen=True)
class Performance:
    """How the current document was loaded. Times are milliseconds since the navigation began."""

    url: str
    status: int | None
    redirects: int
    dns_ms: float | None
    connect_ms: float | None
    tls_ms: float | None
    response_start_ms: Annotated[float | None, Meta(description="First byte of the answer")]
    response_end_ms: float | None
    dom_interactive_ms: float | None
    dom_content_loaded_ms: float | None
    load_ms: Annotated[float | None, Meta(description="null while the page loads")]
    first_paint_ms: float | None
    first_contentful_paint_ms: float | None
    largest_contentful_paint_ms: float | None
    layout_shift: Annotated[float | None, Meta(description="Cumulative layout shift so far")]
    resources: Annotated[int, Meta(description="Resources that the page has loaded")]
    resource_types: Annotated[dict[str, int], Meta(description="How many by what caused them")]
    transfer_bytes: Annotated[
        int, Meta(description="Bytes of page and resources; other origins may hide theirs")
    ]
    metrics: Annotated[
        dict[str, float],
        Meta(description="Chromium's own: JSHeapUsedSize, Nodes, LayoutCount, TaskDuration, ..."),
    ]


_MEASURE = r"""async paintS => {
  const timing = performance.getEntriesByType("navigation")[0];
  const resources = performance.getEntriesByType("resource");
  const recorded = type => new Promise(resolve => {
    if (!PerformanceObserver.supportedEntryTypes.includes(type)) return resolve(null);
    const observer = new PerformanceObserver(list => { done(list.getEntries()); });
    const timer = setTimeout(() => done([]), paintS * 1000);
    const done = entries => { clearTimeout(timer); observer.disconnect(); resolve(entries); };
    observer.observe({type, buffered: true});
  });
  const paints = Object.fromEntries(
    performance.getEntriesByType("paint").map(paint => [paint.name, paint.startTime]));
  const [largest, shifts] = await Promise.all(
    [recorded("largest-contentful-paint"), recorded("layout-shift")]);
  const types = {};
  for (const one of resources) types[one.initiatorType] = (types[one.initiatorType] || 0) + 1;
  const after = value => value > 0 ? value : null;
  const between = (start, end) => end > 0 ? end - start : null;
  return {
    url: location.href,
    status: timing?.responseStatus || null,
    redirects: timing?.redirectCount ?? 0,
    dns_ms: timing ? between(timing.domainLookupStart, timing.domainLookupEnd) : null,
    connect_ms: timing ? between(timing.connectStart, timing.connectEnd) : null,
    tls_ms: timing?.secureConnectionStart > 0
      ? timing.connectEnd - timing.secureConnectionStart : null,
    response_start_ms: after(timing?.responseStart),
    response_end_ms: after(timing?.responseEnd),
    dom_interactive_ms: after(timing?.domInteractive),
    dom_content_loaded_ms: after(timing?.domContentLoadedEventEnd),
    load_ms: after(timing?.loadEventEnd),
    first_paint_ms: paints["first-paint"] ?? null,
    first_contentful_paint_ms: paints["first-contentful-paint"] ?? null,
    largest_contentful_paint_ms: largest?.at(-1)?.startTime ?? null,
    layout_shift: shifts
      ? shifts.filter(one => !one.hadRecentInput).reduce((sum, one) => sum + one.value, 0) : null,
    resources: resources.length,
    resource_types: types,
    transfer_bytes: resources.reduce((sum, one) => sum + one.transferSize, 0)
      + (timing?.transferSize ?? 0),
  };
}"""


@action
async def console(
    action: ActionContext,
    *,
    levels: Annotated[
        list[Level], Meta(max_length=6, description="Only these; all if left out")
    ] = [],  # noqa: B006  never changed
    since: Annotated[
        Literal["start", "navigation"],
        Meta(description="`navigation`: only those of the document that the tab shows now"),
    ] = "start",
    max_messages: Annotated[
        int, Meta(ge=1, le=400, description="The newest of each kind, at most")
    ] = 200,
    clear: Annotated[bool, Meta(description="Forget them afterwards")] = False,
) -> ConsoleLines:
    """Give what the current tab wrote to its console so far, and the errors that it threw.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/pages/console.html"}}
    - {action: console, with: {levels: [warning, error, exception]}}
    ```

    Limits:

    - The browser keeps the last 200 messages and the last 200 errors of a tab.
    - A task that has secrets sees them hidden in its record, as everywhere.
    """
    page = await action.page()
    keep: Any = "all" if since == "start" else "since-navigation"

    async def read() -> tuple[list[ConsoleLine], list[ConsoleLine]]:
        messages = await page.console_messages(filter=keep)
        errors = await page.page_errors(filter=keep)
        if clear:
            await page.clear_console_messages()
            await page.clear_page_errors()
        return (
            [
                ConsoleLine(
                    _LEVELS.get(message.type, "log"),
                    message.text[:TEXT_CHARS],
                    _location(message.location),
                    iso(message.timestamp / 1000),
                )
                for message in messages
            ],
            [ConsoleLine("exception", str(error)[:TEXT_CHARS], None, None) for error in errors],
        )

    with in_words(f"the console of {page.url}"):
        messages, errors = await action.within(ANSWER_S, read(), what="the console")
    is_full = len(messages) >= 200 or len(errors) >= 200
    wanted = [
        [line for line in lines if not levels or line.level in levels]
        for lines in (messages, errors)
    ]
    cut = any(len(lines) > max_messages for lines in wanted)
    shown = [line for lines in wanted for line in lines[-max_messages:]]
    return ConsoleLines(shown, is_full or cut)


@action
async def dialogs(
    action: ActionContext,
    answer: Annotated[
        Answer | None, Meta(description="Answer to the dialogs from now on; unchanged if left out")
    ] = None,
    *,
    prompt_text: Annotated[
        Annotated[str, Meta(max_length=10_000)] | None,
        Meta(description="Text for prompts that are accepted; their own default if left out"),
    ] = None,
    once: Annotated[bool, Meta(description="Only for the next dialog")] = False,
    clear: Annotated[
        bool, Meta(description="Forget the dialogs so far, after listing them")
    ] = False,
) -> Dialogs:
    """Set how dialogs of pages are answered, and list those that came.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/pages/dialogs.html"}}
    - {action: dialogs, with: {answer: accept, prompt_text: Ada}}
    - {action: click, with: {selector: "#prompt"}}
    - {action: dialogs}
    ```

    Limits:

    - Dialogs are listed from the first use of this action on; before, they are dismissed.
    - The newest 200 are kept. A page that opens more than 1,000 is held up by the next one.
    """
    page = await action.page()
    policy = action.session.part(DialogPolicy)
    if answer is None and (prompt_text is not None or once):
        raise ActionFailed("`prompt_text` and `once` go with `answer`")
    if policy.begin(page.context):
        action.session.at_end("the end of the dialogs' policy", policy.stop)
    if answer is not None:
        policy.set(answer, prompt_text, once=once)
    listed = Dialogs(list(policy.seen), policy.count, policy.count > len(policy.seen))
    if clear:
        policy.clear()
    return listed


@action
async def performance(action: ActionContext) -> Performance:
    """Measure how the current page was loaded: navigation, paints, resources, Chromium's metrics.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    - {action: performance}
    ```

    Limits:

    - A page that does nothing visible has no paints. Headless Chromium paints as it can: compare
      figures of one machine only.
    - The page itself keeps at most 250 resources, unless it asks for more.
    """
    page = await action.page()
    with in_words(f"the performance of {page.url}"):
        measured = await action.within(
            ANSWER_S, page.evaluate(_MEASURE, PAINT_S), what="the page's performance"
        )
    return Performance(**measured, metrics=await _metrics(action, page))


async def _metrics(action: ActionContext, page: Page) -> dict[str, float]:
    session = await action.session.cdp(page)
    try:
        await session.send("Performance.enable")
        found = await action.within(
            ANSWER_S, session.send("Performance.getMetrics"), what="Chromium's metrics"
        )
    except Error as cause:
        raise ActionFailed(f"Chromium gave no metrics: {short(cause)}") from cause
    return {one["name"]: one["value"] for one in found["metrics"]}


def _location(given: Any) -> str | None:
    url = given.get("url")
    if not url:
        return None
    line, column = given.get("lineNumber"), given.get("columnNumber")
    return f"{url[:LOCATION_CHARS]}:{line + 1}:{column + 1}"
