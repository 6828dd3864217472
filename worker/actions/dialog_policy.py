"""Answers to the dialogs of a task's pages, and what those dialogs said."""

from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Literal

from playwright.async_api import BrowserContext, Dialog, Error

from slotgrid.function import Meta

KEPT = 200
"""Dialogs of which the text is kept, the newest."""
ANSWERED_MOST = 1000
"""A page with more dialogs opens them without end; the later ones stay open and hold it up."""
MESSAGE_CHARS = 1000

Answer = Literal["accept", "dismiss"]


@dataclass(frozen=True)
class SeenDialog:
    """A dialog that was answered."""

    type: Annotated[str, Meta(description="`alert`, `confirm`, `prompt` or `beforeunload`")]
    message: Annotated[str, Meta(description="Its text, 1,000 characters at most")]
    default: Annotated[str, Meta(description="What a prompt suggests")]
    answer: Answer
    url: Annotated[str, Meta(description="Address of the page")]


class DialogPolicy:
    """Answers dialogs once `begin` was called; before, Playwright dismisses them unseen."""

    def __init__(self) -> None:
        self.seen: deque[SeenDialog] = deque(maxlen=KEPT)
        self.count = 0
        self._context: BrowserContext | None = None
        self._standing: tuple[Answer, str | None] = ("dismiss", None)
        self._next: tuple[Answer, str | None] | None = None

    def begin(self, context: BrowserContext) -> bool:
        """Answer the dialogs of this context from now on; False if it does so already."""
        if self._context is not None:
            return False
        self._context = context
        context.on("dialog", self._handle)
        return True

    async def stop(self) -> None:
        """Answer no more."""
        if self._context is not None:
            self._context.remove_listener("dialog", self._handle)

    def set(self, answer: Answer, prompt_text: str | None, *, once: bool) -> None:
        """How the next dialog is answered, or all from now on."""
        if once:
            self._next = answer, prompt_text
        else:
            self._standing, self._next = (answer, prompt_text), None

    def clear(self) -> None:
        """Forget the dialogs so far."""
        self.seen.clear()
        self.count = 0

    async def _handle(self, dialog: Dialog) -> None:
        if self.count >= ANSWERED_MOST:
            return
        self.count += 1
        answer, prompt_text = self._next or self._standing
        self._next = None
        page = dialog.page
        self.seen.append(
            SeenDialog(
                dialog.type,
                dialog.message[:MESSAGE_CHARS],
                dialog.default_value[:MESSAGE_CHARS],
                answer,
                page.url if page else "",
            )
        )
        with suppress(Error):  # its page was closed meanwhile
            if answer == "dismiss":
                await dialog.dismiss()
            else:
                # Without a text, Chromium answers a prompt with an empty one.
                await dialog.accept(dialog.default_value if prompt_text is None else prompt_text)
