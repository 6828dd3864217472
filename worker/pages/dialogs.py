"""Answering a page's dialogs: alert, confirm, prompt, and the question before a page is left."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Annotated, Literal, Self

from playwright.async_api import BrowserContext, Dialog, Error

from slotgrid.function import Meta

LIMIT = 50
"""Dialogs that one function may meet; a page with more of them opens dialogs without end."""
_MESSAGE_CHARS = 1000

DialogAnswer = Annotated[
    Literal["accept", "dismiss"],
    Meta(description="Answer to the page's dialogs (alert, confirm, prompt, leaving a page)"),
]


class TooManyDialogs(RuntimeError):
    """The page opens dialogs without end, so that nothing else can happen on it."""


@dataclass(frozen=True)
class DialogSeen:
    """A dialog that was answered; `message` has at most 1,000 characters."""

    type: Literal["alert", "confirm", "prompt", "beforeunload"]
    message: str
    answer: Literal["accept", "dismiss"]


class AnsweredDialogs:
    """Answers the dialogs of all pages of a context for the length of the block.

    A prompt gets `prompt_text`, or its own default text. `seen` has the answered dialogs. The block
    ends with TooManyDialogs above `LIMIT`: a page that shows an alert in a loop blocks every call.
    """

    def __init__(
        self,
        context: BrowserContext,
        answer: Literal["accept", "dismiss"],
        *,
        prompt_text: str | None = None,
    ) -> None:
        self.seen: list[DialogSeen] = []
        self._context = context
        self._answer = answer
        self._prompt_text = prompt_text
        self._scope = asyncio.timeout(None)

    async def __aenter__(self) -> Self:
        await self._scope.__aenter__()
        self._context.on("dialog", self._handle)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._context.remove_listener("dialog", self._handle)
        try:
            await self._scope.__aexit__(kind, error, trace)
        except TimeoutError as cause:
            if not self._scope.expired():
                raise
            raise TooManyDialogs(
                f"the page opened more than {LIMIT} dialogs, the last one "
                f"{self.seen[-1].type} {self.seen[-1].message[:200]!r}"
            ) from cause

    async def _handle(self, dialog: Dialog) -> None:
        if len(self.seen) >= LIMIT:
            # Not answered, so that the page stops: the next dialog would come at once.
            self._scope.reschedule(asyncio.get_running_loop().time())
            return
        message = dialog.message[:_MESSAGE_CHARS]
        self.seen.append(DialogSeen(dialog.type, message, self._answer))  # type: ignore[arg-type]
        with suppress(Error):  # its page was closed meanwhile
            if self._answer == "dismiss":
                await dialog.dismiss()
            else:
                # Without a text Chromium answers a prompt with an empty one, not with its default.
                text = self._prompt_text
                await dialog.accept(dialog.default_value if text is None else text)
