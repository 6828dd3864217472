"""Requests of pages as they were: listed with headers and bodies, or saved as a HAR file."""

from dataclasses import dataclass
from typing import Annotated

import orjson

from slotgrid.function import Meta
from worker.actions.action import action
from worker.actions.action_context import ActionContext
from worker.actions.captured_requests import Capture, CaptureOptions, Exchange
from worker.actions.errors import ActionFailed
from worker.actions.har import HarFile, HarRecorder
from worker.actions.saved_file import FileName, SavedFile, save_file
from worker.actions.url_patterns import UrlPattern


@dataclass(frozen=True)
class Captured:
    """The requests since `capture_start`, in their order."""

    entries: list[Exchange]
    count: int
    truncated: Annotated[
        bool, Meta(description="Whether there were more, or bodies beyond the limits")
    ]
    file: Annotated[SavedFile | None, Meta(description="The entries, if `path` names a file")]


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
