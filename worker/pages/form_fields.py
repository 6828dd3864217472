"""Finding the field that a name means, by label, name, placeholder or selector, in any frame."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from playwright.async_api import ElementHandle, Error, Frame, JSHandle, Page

from worker.pages.elements import is_selector_fault
from worker.pages.errors import ElementMissing, ElementUnusable
from worker.pages.form_controls import ask, ask_handle, elements_of
from worker.pages.form_values import named

FIELD_S = 5.0
"""Seconds that a field, its options or its button may take to appear or to become usable."""
POLL_S = 0.1
FRAME_S = 1.0
"""Seconds that a frame may take to answer; one that still loads has nothing to ask."""

PASSING = (
    "not attached to the DOM",
    "Execution context was destroyed",
    "Cannot find context",
    "Frame was detached",
    "JSHandle is disposed",
    "Unable to adopt element handle",
)
"""Parts of Playwright's messages about what was replaced while it was used."""

_SIMILAR = 7
"""The rank of a label that only contains the name (`form_controls.js`)."""

T = TypeVar("T")


class FieldAmbiguous(ValueError):
    """Several fields resemble a name, and none has exactly that name."""


@dataclass(frozen=True)
class Field:
    """A control of a form. `form` is the number of its form in its frame, -1 without one.

    `visibility`: 2 if it is seen; 1 if it is hidden and set through its label or script, as a
    styled box is; 0 if it is hidden. `label` is the page's own name for it.
    """

    name: str
    frame: Frame
    element: ElementHandle
    kind: str
    tag: str
    label: str
    rank: int
    visibility: int
    hidden: str | None
    form: int
    form_tag: str
    multiple: bool

    @property
    def is_exact(self) -> bool:
        """Whether it is called by the whole name."""
        return self.rank != _SIMILAR

    @property
    def home(self) -> tuple[Frame, int]:
        """The form, or the page or frame, that the field belongs to."""
        return self.frame, self.form


class FormFields:
    """Finds fields on a page, and prefers those of one form.

    A name means, the first that exists: the label, its text without `*` and `:`, the caption of a
    group of boxes, the name, the placeholder, the id, a CSS selector, and at last a text that is
    contained in the labels of one field only. Of several fields the first visible one in the form
    that has the most of all `names` is meant.
    """

    def __init__(self, page: Page, names: Sequence[str]) -> None:
        self._page = page
        self._names = names
        self._home: tuple[Frame, int] | None = None

    async def find(self, name: str) -> Field:
        """Return the field that `name` means; waits `FIELD_S` for it to appear.

        Raises ElementMissing, FieldAmbiguous, or ElementUnusable for a hidden field.
        """
        if self._home is None and len(self._names) > 1:
            self._home = await self._most_common_home()
        clock = asyncio.get_running_loop().time
        end = clock() + FIELD_S
        while True:
            found = await self._candidates(name)
            best = min(found, key=self._order, default=None)
            if best is not None and best.visibility and not _is_ambiguous(found, best):
                return best
            if clock() >= end:
                break
            await asyncio.sleep(POLL_S)
        if best is None:
            raise ElementMissing(await self._missing(name))
        if not best.visibility:
            raise ElementUnusable(f"field {name!r} ({best.tag}) is hidden: {best.hidden}")
        labels = sorted({field.label for field in found if field.visibility})
        raise FieldAmbiguous(f"{name!r} may mean each of the fields {labels}; name one of them")

    async def _most_common_home(self) -> tuple[Frame, int] | None:
        """The form that has the most of the names; the first of equal ones."""
        main = self._page.main_frame
        found = [await self._in_frames([main], name) for name in self._names]
        if not all(found):
            found = [await self._in_frames(self._page.frames, name) for name in self._names]
        homes: Counter[tuple[Frame, int]] = Counter()
        for fields in found:
            homes.update({field.home for field in fields if field.visibility and field.is_exact})
        return homes.most_common(1)[0][0] if homes else None

    def _order(self, field: Field) -> tuple[bool, bool, bool, int, int]:
        return (
            not field.visibility,
            not field.is_exact,
            field.home != self._home,
            field.rank,
            -field.visibility,
        )

    async def _candidates(self, name: str) -> list[Field]:
        """All fields that `name` may mean; other frames count only if the form's frame has none."""
        home = self._home[0] if self._home else self._page.main_frame
        found = [] if home.is_detached() else await self._in_frames([home], name)
        if any(field.visibility and field.is_exact for field in found):
            return found
        others = [frame for frame in self._page.frames if frame is not home]
        return found + await self._in_frames(others, name)

    async def _in_frames(self, frames: Sequence[Frame], name: str) -> list[Field]:
        by_name = await _found(frames, name, _by_name)
        if any(field.is_exact for field in by_name):
            return by_name
        return await _found(frames, name, _by_selector) + by_name

    async def _missing(self, name: str) -> str:
        names: list[str] = []
        for frame in self._page.frames:
            names += await _answer(frame, ask(frame, "namesOfFields")) or []
        there = f"; its fields are {named(names)}" if names else ", and no field at all"
        return (
            f"{self._page.url} has no field with the label, name or selector {name!r}, "
            f"waited {FIELD_S:g} s{there}"
        )


def _is_ambiguous(found: Iterable[Field], best: Field) -> bool:
    """Whether several different fields only resemble the name."""
    return not best.is_exact and len({field.label for field in found if field.visibility}) > 1


async def _found(
    frames: Sequence[Frame], name: str, search: Callable[[Frame, str], Awaitable[list[Field]]]
) -> list[Field]:
    """What a search finds in the frames, in their order."""
    found = await asyncio.gather(*(_answer(frame, search(frame, name)) for frame in frames))
    return [field for fields in found for field in fields or ()]


async def _by_name(frame: Frame, name: str) -> list[Field]:
    return await _fields_of(frame, name, await ask_handle(frame, "findFields", [name, []]))


async def _by_selector(frame: Frame, name: str) -> list[Field]:
    try:
        selected = await frame.query_selector_all(f"css={name}")
    except Error as cause:
        if is_selector_fault(cause):
            return []  # a text that is no selector
        raise
    if not selected:
        return []
    return await _fields_of(frame, name, await ask_handle(frame, "findFields", [name, selected]))


async def _fields_of(frame: Frame, name: str, listed: JSHandle) -> list[Field]:
    facts = await listed.evaluate("found => found.facts")
    if not facts:
        return []
    elements = await elements_of(listed)
    return [
        Field(
            name=name,
            frame=frame,
            element=element,
            **{key: fact[key] for key in Field.__annotations__ if key in fact},
        )
        for element, fact in zip(elements, facts, strict=True)
    ]


async def _answer(frame: Frame, call: Awaitable[T]) -> T | None:
    """The answer of a frame; None if it is gone, moves on, or does not answer in time."""
    try:
        async with asyncio.timeout(FRAME_S):
            return await call
    except TimeoutError:
        return None
    except Error as error:
        if not frame.is_detached() and not is_passing(error):
            raise
        return None


def is_passing(error: Error) -> bool:
    """Whether a call failed because its element or document was replaced meanwhile."""
    return any(sign in error.message for sign in PASSING)
