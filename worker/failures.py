"""Maps a function's exception to our errors, and saves a failed task's screenshot and so on."""

import asyncio

import structlog
from playwright.async_api import Error as PlaywrightError

from slotgrid.core.errors import (
    BrowserCrashed,
    DeadlineExceeded,
    ForbiddenAddress,
    FunctionFailed,
    InvalidInput,
    OutputInvalid,
    ServiceError,
    Violation,
)
from slotgrid.core.event_log import well_formed
from slotgrid.core.runner import AttemptFailed
from slotgrid.core.task import MAIN_STEP
from slotgrid.function import InputRefused
from slotgrid.steps.faults import TemplateFault
from worker import tracebacks
from worker.actions.errors import ActionFailed
from worker.attempt import KeepsTooMuch, RunningAttempt
from worker.browser.browser_context import TaskContext
from worker.browser.browser_states import Loss
from worker.browser.errors import BrowserUnavailable, ContextOptionsRefused, is_crash
from worker.plain.child_process import RemoteError

log = structlog.get_logger()

DETAIL_LIMIT = 500
FAILURE_ARTIFACT_S = 3.0
"""Time limit for each file of `on_failure`: the response waits for it."""

IN_PLAIN_WORDS = (
    ServiceError,
    RemoteError,
    InputRefused,
    ActionFailed,
    TemplateFault,
    KeepsTooMuch,
)
"""Errors whose text is a sentence for a caller, without the name of their class."""

SIGNS_OF_LOSS = ("crashed", "net::ERR_ABORTED", "Unable to capture screenshot")
"""Texts of Playwright's errors. The second: a tab crashed during a navigation, or a download
started. The third: the browser ends with its GPU process, or the picture is too large."""

LOST_IN_WORDS = {
    Loss.PAGE: "the tab crashed",
    Loss.BROWSER: "the browser died or was killed",
    Loss.DRIVER: "the browser's driver died or was killed",
    Loss.FLOOD: "a page flooded its browser with events (navigations, frames, script errors, ...)",
}


class Exited(Exception):
    """A function tried to end the process (`sys.exit`, `KeyboardInterrupt`)."""


def of_exception(attempt: RunningAttempt, error: BaseException) -> AttemptFailed:
    """The failure for a function's exception; writes it to the task's log.

    For authors of Python with the traceback.
    """
    runnable = attempt.runnable
    name = runnable.spec.name
    if isinstance(error, InputRefused):
        return AttemptFailed(_refusal(attempt, error), retryable=False)
    # A plain function's traceback comes from its child process, which has the frames.
    if not runnable.is_code:
        text = in_words(error)
    elif isinstance(error, RemoteError):
        text = error.traceback
    else:
        text = tracebacks.format_traceback(error)
    for line in attempt.secrets.hide_text(text).splitlines():
        attempt.task.log(line, stream="stderr", step=MAIN_STEP)
    retryable = runnable.allows_retry(error)
    match error:
        case OutputInvalid():
            return AttemptFailed(_shown(attempt, error), retryable=False)
        case BrowserUnavailable():
            failure = BrowserCrashed(str(error), reason="no-browser", retry_after_s=5)
            return AttemptFailed(failure, retryable=True)
        case ContextOptionsRefused() | InvalidInput():
            retryable = False
        case RemoteError():
            retryable = error.retryable  # decided in the child, which has the exception's class
        case asyncio.CancelledError():
            error = Exited("the function cancelled itself")
    detail = f"{name} failed: {in_words(error)}"
    return AttemptFailed(FunctionFailed(attempt.secrets.hide_text(detail)), retryable=retryable)


def _refusal(attempt: RunningAttempt, error: InputRefused) -> InvalidInput:
    """The error for an input that the function itself refuses, as for one against its schema."""
    fault = Violation(f"/input/{error.field}", attempt.secrets.hide_text(in_words(error)))
    detail = f"{attempt.runnable.spec.name}: {fault.pointer}: {fault.message}"
    return InvalidInput(detail, errors=[fault])


def is_loss(error: BaseException | None) -> bool:
    """Whether an error indicates that its tab or browser was gone.

    Follows causes, as the function may have wrapped Playwright's error.
    """
    while error is not None:
        if isinstance(error, PlaywrightError):
            # By name, as Playwright exports this class only from a private module.
            if type(error).__name__ == "TargetClosedError":
                return True
            return any(sign in str(error) for sign in SIGNS_OF_LOSS)
        error = error.__cause__ or error.__context__
    return False


def crashed_tab(error: BaseException | None) -> bool:
    """Whether a call failed because any tab of the task crashed.

    Follows causes, as the function may have wrapped Playwright's error.
    """
    while error is not None:
        if is_crash(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def of_deadline(attempt: RunningAttempt) -> AttemptFailed:
    """The failure of an attempt that reached its deadline."""
    detail = f"{attempt.runnable.spec.name} ran longer than its {attempt.timeout_s:g} s"
    retryable = attempt.runnable.allows_retry(TimeoutError())
    return AttemptFailed(DeadlineExceeded(detail), retryable=retryable)


def of_forbidden_address(attempt: RunningAttempt, *, failed: bool) -> AttemptFailed | None:
    """The failure of an attempt whose first navigation the traffic guard refused."""
    browser = attempt.browser
    if browser is None or browser.proxy is None:
        return None
    if (reason := browser.proxy.refused_navigation(failed=failed)) is None:
        return None
    detail = f"{attempt.runnable.spec.name} failed: {reason}"
    return AttemptFailed(ForbiddenAddress(attempt.secrets.hide_text(detail)), retryable=False)


def of_loss(attempt: RunningAttempt, lost: Loss) -> AttemptFailed:
    """The failure of an attempt whose tab, browser or driver is gone, or whose traffic is cut."""
    if lost is Loss.TRAFFIC:
        detail = f"the pages of {attempt.runnable.spec.name} moved more bytes than TRAFFIC_LIMIT"
        return AttemptFailed(FunctionFailed(detail, reason=lost), retryable=False)
    detail = f"{LOST_IN_WORDS[lost]} while {attempt.runnable.spec.name} ran"
    return AttemptFailed(BrowserCrashed(detail, reason=lost), retryable=True)


def _shown(attempt: RunningAttempt, error: OutputInvalid) -> OutputInvalid:
    """The error without secrets: it quotes the result, which may contain one."""
    faults = [Violation(v.pointer, attempt.secrets.hide_text(v.message)) for v in error.errors]
    return OutputInvalid(attempt.secrets.hide_text(error.detail), errors=faults)


def in_words(error: BaseException) -> str:
    """The error as one sentence of at most DETAIL_LIMIT characters.

    Of Playwright's errors only the first line, without the log of calls.
    """
    text = error.detail if isinstance(error, ServiceError) else tracebacks.text_of(error)
    if isinstance(error, PlaywrightError):
        text = text.strip().splitlines()[0] if text.strip() else "Playwright failed"
    elif not isinstance(error, IN_PLAIN_WORDS):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return well_formed(text if len(text) <= DETAIL_LIMIT else f"{text[:DETAIL_LIMIT]} …")


async def save_failure_artifacts(attempt: RunningAttempt) -> None:
    """Save the `on_failure` files of a page that is still open. Bounded time, never raises."""
    browser = attempt.browser
    if browser is None or not browser.usable:
        return
    number = len(attempt.task.attempts)
    suffix = f"-{number}" if number > 1 else ""
    for kind in attempt.runnable.on_failure:
        try:
            async with asyncio.timeout(FAILURE_ARTIFACT_S):
                await _save(attempt, browser, kind, suffix)
        except Exception as error:  # a page that has just failed may fail here again
            reason = attempt.secrets.hide_text(in_words(error))
            attempt.task.log(f"no {kind} of the failure: {reason}")
            log.info("task.keepsake_failed", kind=kind, reason=reason)


async def _save(attempt: RunningAttempt, browser: TaskContext, kind: str, suffix: str) -> None:
    save, task = attempt.parts.artifacts.save, attempt.task
    match kind:
        case "screenshot":
            picture = await browser.page.screenshot(timeout=FAILURE_ARTIFACT_S * 1000)
            await save(task, f"failure{suffix}.png", picture)
        case "html":
            source = await browser.page.content()
            await save(task, f"failure{suffix}.html", attempt.secrets.hide_text(source))
        case "trace" if attempt.secrets.exist:
            # A trace has every typed value, in a form in which we cannot find secrets.
            task.log("no trace of the failure: the task has secrets")
        case "trace" if attempt.tracing:
            path = attempt.parts.artifacts.new_path(task, f"failure{suffix}.trace.zip")
            await browser.context.tracing.stop(path=path)
            attempt.parts.artifacts.adopt(task, path)
