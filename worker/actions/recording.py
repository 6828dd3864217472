"""Recordings of what a tab shows, and traces of what a task does."""

from contextlib import suppress
from typing import Annotated

from playwright.async_api import BrowserContext, Error

from slotgrid.function import Meta
from worker.actions.action import action
from worker.actions.action_context import ActionContext
from worker.actions.browser_session import first_line
from worker.actions.errors import ActionFailed
from worker.actions.recorder import (
    Fps,
    FrameQuality,
    FrameWidth,
    MaxDurationS,
    MaxFrames,
    NothingRecorded,
    Recording,
    RecordOptions,
    TabRecorder,
    save_recording,
)
from worker.actions.saved_file import FileName, SavedFile, save_file
from worker.actions.temporary_file import removed_afterwards, temporary_path


class Started:
    """What the task has started and not stopped."""

    def __init__(self) -> None:
        self.recording: tuple[TabRecorder, str | None] | None = None
        self.trace: tuple[BrowserContext, str | None] | None = None


@action
async def record_start(
    action: ActionContext,
    *,
    fps: Fps = 5,
    quality: FrameQuality = 80,
    max_frames: MaxFrames = 300,
    max_duration_s: MaxDurationS = 30,
    width: FrameWidth = 800,
    path: FileName = None,
) -> None:
    """Begin to record the current tab as a GIF; `record_stop` saves it, as does the task's end.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    - {action: record_start, with: {fps: 4, path: visit.gif}}
    - {action: goto, with: {url: "{{ input.site }}/"}}
    - {action: record_stop}
    ```

    Limits:

    - One recording at a time, of the tab in which it began.
    - A GIF has 256 colours and no sound; it has at most 50 MiB.
    - It is saved when the task fails, also if the tab has crashed. A secret that the page shows is
      in it.
    """
    started = action.session.part(Started)
    if started.recording is not None:
        raise ActionFailed("a recording is running; end it with record_stop")
    options = RecordOptions(fps, quality, max_frames, max_duration_s, width)
    recorder = TabRecorder(await action.page(), options)
    try:
        await recorder.start()
    except NothingRecorded as fault:
        raise ActionFailed(str(fault)) from fault
    started.recording = recorder, path

    async def save() -> None:
        if started.recording is not None and started.recording[0] is recorder:
            await _saved(action, started)

    action.session.at_end("the recording", save)


@action
async def record_stop(action: ActionContext) -> Recording:
    """End the recording, and save it as an artifact.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/pages/live.html"}}
    - {action: record_start}
    - {action: sleep, with: {seconds: 0.5}}
    - {action: record_stop}
    ```
    """
    started = action.session.part(Started)
    if started.recording is None:
        raise ActionFailed("no recording is running; begin one with record_start")
    try:
        return await _saved(action, started)
    except NothingRecorded as fault:
        raise ActionFailed(str(fault)) from fault


async def _saved(action: ActionContext, started: Started) -> Recording:
    assert started.recording is not None
    recorder, path = started.recording
    started.recording = None
    return await save_recording(action, recorder, path, "recording.gif")


@action
async def trace_start(
    action: ActionContext,
    *,
    screenshots: Annotated[bool, Meta(description="With pictures, for a time line")] = True,
    snapshots: Annotated[
        bool, Meta(description="With the page and its requests at every call")
    ] = True,
    path: FileName = None,
) -> None:
    """Begin Playwright's trace of the task; `trace_stop` saves it, as does the task's end.

    Example:

    ```yaml
    - {action: trace_start, with: {path: visit.zip}}
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    - {action: trace_stop}
    ```

    Limits:

    - Open it with `playwright show-trace`, or at trace.playwright.dev.
    - Refused in a task with secrets: a trace has every text that was typed.
    """
    started = action.session.part(Started)
    if started.trace is not None:
        raise ActionFailed("a trace is running; end it with trace_stop")
    if action.context.has_secrets:
        raise ActionFailed("a task with secrets has no trace: it would contain what was typed")
    context = (await action.page()).context
    if action.context.is_traced:
        raise ActionFailed(
            "the task is traced already, for its failure: the function's `on_failure` has `trace`"
        )
    try:
        await context.tracing.start(screenshots=screenshots, snapshots=snapshots)
    except Error as cause:
        raise ActionFailed(f"no trace could be started: {first_line(cause)}") from cause
    started.trace = context, path

    async def save() -> None:
        if started.trace is not None and started.trace[0] is context:
            await _traced(action, started)

    action.session.at_end("the trace", save)


@action
async def trace_stop(action: ActionContext) -> SavedFile:
    """End the trace, and save it as an artifact.

    Example:

    ```yaml
    - {action: trace_start}
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    - {action: trace_stop}
    ```
    """
    started = action.session.part(Started)
    if started.trace is None:
        raise ActionFailed("no trace is running; begin one with trace_start")
    return await _traced(action, started)


async def _traced(action: ActionContext, started: Started) -> SavedFile:
    assert started.trace is not None
    context, path = started.trace
    started.trace = None
    if action.context.has_secrets:  # of a function that was called meanwhile
        with suppress(Error):
            await context.tracing.stop()
        raise ActionFailed("the task has secrets by now, so its trace was dropped")
    file = temporary_path("trace.zip")
    async with removed_afterwards(file):
        try:
            await context.tracing.stop(path=file)
        except Error as cause:
            raise ActionFailed(f"the trace was lost: {first_line(cause)}") from cause
        return await save_file(action, path, "trace.zip", file)
