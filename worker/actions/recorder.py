"""Recording of a tab as a GIF: frames of a screencast, at a bounded rate, encoded as they come."""

import asyncio
import base64
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Annotated, Any

import msgspec
from playwright.async_api import CDPSession, Error, Page

from slotgrid.function import Meta
from worker.actions.action_context import ActionContext
from worker.actions.browser_session import first_line
from worker.actions.gif import GifWriter
from worker.actions.saved_file import SavedFile, save_file

SIZE_MOST = 50 * 1024 * 1024
"""Bytes of a GIF, above which the recording ends."""
IN_MEMORY = 4 * 1024 * 1024
"""Bytes of a GIF above which it is kept on disk while it grows."""
LAST_FRAME_S = 2.0
"""Seconds for the picture of what the tab shows at the end."""
LAST_FRAME_OF_CANCELLED_S = 0.5
"""The same in a cancelled task, which has one second for all."""
DRAWN = {"format": "jpeg", "quality": 1, "optimizeForSpeed": True}
"""A screenshot that nobody looks at: it is taken after the tab has drawn what it shows."""
DETACH_S = 0.2
SAVE_S = 20.0

Fps = Annotated[int, Meta(ge=1, le=10, description="Frames per second, at most")]
MaxFrames = Annotated[int, Meta(ge=1, le=2000, description="Frames after which it ends")]
MaxDurationS = Annotated[
    float, Meta(gt=0, le=600, description="Seconds after which the recording ends")
]
FrameWidth = Annotated[
    int, Meta(ge=50, le=1920, description="Width of the GIF in pixels, if the window is wider")
]
FrameQuality = Annotated[
    int, Meta(ge=1, le=100, description="Of the frames, before their colours become 256")
]


class RecordOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a tab is recorded: the defaults are those of a single step."""

    fps: Fps = 4
    quality: FrameQuality = 80
    max_frames: MaxFrames = 200
    max_duration_s: MaxDurationS = 30
    width: FrameWidth = 800


@dataclass(frozen=True)
class Recording(SavedFile):
    """A GIF of what a tab showed."""

    frames: Annotated[int, Meta(description="Pictures that differ from the one before")] = 0
    duration_ms: Annotated[int, Meta(description="How long it plays")] = 0
    truncated: Annotated[
        bool, Meta(description="Whether it ended early, at its most frames, time or bytes")
    ] = False


class NothingRecorded(RuntimeError):
    """The tab gave no picture; the message says why."""


class TabRecorder:
    """Records one tab from `start` to `stop`.

    Chromium sends the next frame of a screencast when the last one is acknowledged: it is encoded
    in a thread, and acknowledged when the next one is due. A tab that shows the same, is replaced
    by another document or crashes meanwhile ends nothing: the frames so far are kept.
    """

    def __init__(self, page: Page, options: RecordOptions) -> None:
        self._page = page
        self._options = options
        self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115  GifWriter's
        self._gif = GifWriter(self._file, width=options.width)
        self._cdp: CDPSession | None = None
        self._frames: asyncio.Queue[dict[str, Any]] = asyncio.Queue(4)
        self._encoding: asyncio.Task[None] | None = None
        self._fault = ""
        self._ended_s: float | None = None
        self.truncated = False

    async def start(self) -> None:
        """Begin. Raises NothingRecorded if the tab cannot be recorded."""
        try:
            self._cdp = await self._page.context.new_cdp_session(self._page)
            self._cdp.on("Page.screencastFrame", self._keep)
            await self._begin()
        except Error as cause:
            self._gif.__exit__(None, None, None)
            raise NothingRecorded(f"the tab cannot be recorded: {first_line(cause)}") from cause
        self._encoding = asyncio.create_task(self._encode(), name="encode recording")

    async def stop(self, *, cancelled: bool = False) -> bytes:
        """The GIF. Raises NothingRecorded if there was no frame. Bounded in time.

        `cancelled`: the task has little time left.
        """
        with self._gif:
            if self._encoding is not None:
                self._encoding.cancel()
                await asyncio.wait({self._encoding})
            if self._cdp is not None:
                if self._ended_s is None:
                    await self._take_last(LAST_FRAME_OF_CANCELLED_S if cancelled else LAST_FRAME_S)
                with suppress(Error, TimeoutError):
                    async with asyncio.timeout(DETACH_S):
                        await self._cdp.detach()
            data = await asyncio.to_thread(self._gif.finish, self._ended_s or time.time())
        if not data:
            raise NothingRecorded(f"the tab gave no picture{self._fault}")
        return data

    @property
    def frames(self) -> int:
        """Frames so far that differ from the one before."""
        return self._gif.frames

    @property
    def duration_ms(self) -> int:
        """How long it plays, after `stop`."""
        return self._gif.duration_ms

    def _keep(self, frame: dict[str, Any]) -> None:
        # Chromium sends two frames ahead at most; one too many would be drawn by the next.
        if not self._frames.full():
            self._frames.put_nowait(frame)

    async def _encode(self) -> None:
        """Encode frames until the recording is as long or large as it may become."""
        assert self._cdp is not None
        options = self._options
        ends_at = time.monotonic() + options.max_duration_s
        try:
            async with asyncio.timeout_at(
                asyncio.get_running_loop().time() + options.max_duration_s
            ):
                while self._gif.frames < options.max_frames and self._gif.size < SIZE_MOST:
                    frame = await self._frames.get()
                    due = time.monotonic() + 1 / options.fps
                    await self._add(base64.b64decode(frame["data"]), _time_of(frame))
                    await asyncio.sleep(max(0.0, min(due, ends_at) - time.monotonic()))
                    await self._cdp.send(
                        "Page.screencastFrameAck", {"sessionId": frame["sessionId"]}
                    )
        except TimeoutError:
            self.truncated = True
        except Error as gone:  # the tab was closed, or has crashed
            self._fault = f": {first_line(gone)}"
        else:
            self.truncated = True
        self._ended_s = time.time()

    async def _begin(self) -> None:
        assert self._cdp is not None
        await self._cdp.send(
            "Page.startScreencast",
            {
                "format": "jpeg",
                "quality": self._options.quality,
                "maxWidth": self._options.width,
                "maxHeight": self._options.width * 4,
            },
        )

    async def _take_last(self, within_s: float) -> None:
        """Add what the tab shows now: a screencast leaves out what changes between two frames.

        A new one begins with a frame, drawn as those before, so that it equals an unchanged one.
        That frame may show the document before the present one, which has not been drawn yet: a
        screenshot waits until it is.
        """
        assert self._cdp is not None
        try:
            async with asyncio.timeout(within_s):
                await self._cdp.send("Page.stopScreencast")
                await self._cdp.send("Page.captureScreenshot", DRAWN)
                while not self._frames.empty():
                    self._frames.get_nowait()
                await self._begin()
                frame = await self._frames.get()
        except Error as gone:
            self._fault = f": {first_line(gone)}"
        except TimeoutError:
            pass  # its scripts are busy, or it has crashed
        else:
            await self._add(base64.b64decode(frame["data"]), time.time())

    async def _add(self, picture: bytes, at_s: float) -> None:
        # Shielded: a thread goes on when its waiter is cancelled, and one may write at a time.
        adding = asyncio.ensure_future(asyncio.to_thread(self._gif.add, picture, at_s))
        try:
            await asyncio.shield(adding)
        except asyncio.CancelledError:
            await asyncio.wait({adding})
            raise
        except OSError as cause:  # an empty picture, of a tab without a size
            self._fault = f": {cause}"


def _time_of(frame: dict[str, Any]) -> float:
    """When the frame was taken, in seconds since the epoch."""
    return float(frame["metadata"].get("timestamp") or time.time())


async def save_recording(
    action: ActionContext,
    tab: TabRecorder,
    path: str | None,
    default: str,
    *,
    cancelled: bool = False,
) -> Recording:
    """Stop a recording, and save it. Raises NothingRecorded."""
    data = await tab.stop(cancelled=cancelled)
    saved = await save_file(action, path, default, data)
    return Recording(
        saved.name,
        saved.size,
        saved.url,
        saved.content_type,
        frames=tab.frames,
        duration_ms=tab.duration_ms,
        truncated=tab.truncated,
    )


class Recorder:
    """Records the current tab for the length of a block: a step of a recipe.

    The GIF is saved under the step's name, also when the block fails, and an event `recording`
    names it: `{text, data: {path, step, ok}}`. A tab that gives no picture is a line in the task's
    log; it fails nothing.
    """

    def __init__(
        self, action: ActionContext, step: str, options: RecordOptions | None = None
    ) -> None:
        self._action = action
        self._step = step
        self._options = options or RecordOptions()
        self._tab: TabRecorder | None = None

    async def __aenter__(self) -> "Recorder":
        page = await self._action.page()
        tab = TabRecorder(page, self._options)
        try:
            await tab.start()
        except NothingRecorded as fault:
            await self._action.context.log(f"{self._step}: {fault}", "stderr")
        else:
            self._tab = tab
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._tab is None:
            return
        context = self._action.context
        try:
            async with asyncio.timeout(SAVE_S):
                saved = await save_recording(
                    self._action,
                    self._tab,
                    None,
                    f"{self._step}.gif",
                    cancelled=isinstance(error, asyncio.CancelledError),
                )
                facts = {"path": saved.name, "step": self._step, "ok": error is None}
                await context.emit("recording", f"{self._step}: {saved.name}", facts)
        except Exception as fault:  # never hides the step's own error
            with suppress(Exception):
                await context.log(f"{self._step} was not recorded: {fault}", "stderr")
