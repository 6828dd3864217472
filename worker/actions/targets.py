"""Which element an action means: by selector, text, role, or a reference of the last snapshot."""

import asyncio
import functools
import inspect
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, get_type_hints

import msgspec
from playwright.async_api import Error, FrameLocator, Locator, Page
from playwright.async_api import TimeoutError as PageTimeout

from slotgrid.core.errors import Violation
from slotgrid.function import Meta
from worker.actions.action import ParametersInvalid
from worker.actions.action_context import ActionContext
from worker.actions.errors import ActionFailed, StepTimeout
from worker.actions.faults import in_words, selector_fault
from worker.pages.inputs import Selector

R = TypeVar("R")
Words = Annotated[str, Meta(min_length=1, max_length=2000)]
Role = Annotated[str, Meta(pattern="^[a-z]+$", max_length=40)]
Name = Annotated[str, Meta(max_length=2000)]
Reference = Annotated[str, Meta(pattern="^(f[0-9]{1,9})?e[0-9]{1,9}$")]

WAYS = ("selector", "text", "role", "ref")
"""The parameters of which exactly one names the element."""
_DEPENDS = {"exact": ("text", "role"), "closest": ("selector", "text", "role"), "name": ("role",)}
_LEAST_S = 1.0
"""Seconds for a call on an element, however short the wait for it is."""
_LOOK_S = 0.25
"""Seconds for the first look, also where nothing is to be waited for."""
_EXPLAIN_S = 0.5
"""Seconds for each look at what there is instead: the page may be busy."""
_XPATH = ("/", "(/", "(.", "./", "../")
_FRAMES_MOST = 20
_CLOSEST_MOST = 50
_PARAMETER = "target"


# A struct, as a dataclass would ignore an unknown name.
class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An element of the page: the first visible one that `selector`, `text`, `role` or `ref` names.

    Its fields are the parameters of every action that uses `on_target`.
    """

    selector: Annotated[
        Selector | None,
        Meta(description="CSS, XPath, or a selector of Playwright's: `text=`, `:has-text()`, ..."),
    ] = None
    text: Annotated[
        Words | None,
        Meta(
            description="Text of the element. One that has exactly this text goes before one that "
            "contains it; case does not count",
        ),
    ] = None
    exact: Annotated[
        bool, Meta(description="`text` or `name` is the whole text, with its case")
    ] = False
    closest: Annotated[
        Selector | None,
        Meta(description="CSS of an ancestor of the match that is meant instead, such as `label`"),
    ] = None
    role: Annotated[Role | None, Meta(description="ARIA role, such as button, link or textbox")] = (
        None
    )
    name: Annotated[Name | None, Meta(description="Accessible name of the one with `role`")] = None
    ref: Annotated[
        Reference | None, Meta(description="Reference of the last `snapshot`, such as e12")
    ] = None
    frame: Annotated[
        Selector | list[Selector] | None,
        Meta(description="Selector of the iframe that has the element; a list for nested ones"),
    ] = None
    timeout_s: Annotated[
        float, Meta(ge=0, le=3600, description="Seconds to wait for the element")
    ] = 10

    def limit_ms(self, action: ActionContext) -> float:
        """Milliseconds for a call of Playwright's on the element, once it was found."""
        return action.limit_s(max(self.timeout_s, _LEAST_S)) * 1000

    @property
    def is_given(self) -> bool:
        """Whether any of `WAYS` is given."""
        return any(getattr(self, way) is not None for way in WAYS)

    @property
    def words(self) -> str:
        """The target in an error, such as `selector '.price'`."""
        if self.role is not None:
            named = f" and name {self.name!r}" if self.name is not None else ""
            words = f"role {self.role}{named}"
        else:
            way = next(way for way in WAYS if getattr(self, way) is not None)
            words = f"{way} {getattr(self, way)!r}"
        if self.closest is not None:
            words += f" (its closest {self.closest!r})"
        return f"{words} in the frame {self.frame!r}" if self.frame else words

    def fault(self, *, optional: bool) -> Violation | None:
        """The fault of the combination of fields."""
        given = [way for way in WAYS if getattr(self, way) is not None]
        if len(given) > 1:
            both = " and ".join(f"`{way}`" for way in given)
            return Violation(f"/{given[1]}", f"{both} are given: give one of them")
        if not given and not optional:
            ways = ", ".join(f"`{way}`" for way in WAYS)
            return Violation("", f"no element is named: give one of {ways}")
        for name, needed in _DEPENDS.items():
            if getattr(self, name) and not set(needed) & set(given):
                ways = " or ".join(f"`{way}`" for way in needed)
                return Violation(f"/{name}", f"goes with {ways}")
        if self.frame and self.ref is not None:
            return Violation("/frame", "a `ref` names its frame itself: leave `frame` out")
        return None


@dataclass(frozen=True)
class Found:
    """An element of the page; `matches` is how many match, visible ones if that one is."""

    locator: Locator
    matches: int
    is_visible: bool
    what: str


def on_target(
    *, optional: bool = False, without: Iterable[str] = ()
) -> Callable[[Callable[..., Awaitable[R]]], Callable[..., Awaitable[R]]]:
    """Give an action the fields of `Target` as parameters; it gets them as `target`.

    `optional`: no element need be named. `without` are fields that the action does not have.
    """
    hints = get_type_hints(Target, include_extras=True)
    defaults = dict(zip(Target.__struct_fields__, Target.__struct_defaults__, strict=True))
    names = [name for name in Target.__struct_fields__ if name not in set(without)]

    def decorate(function: Callable[..., Awaitable[R]]) -> Callable[..., Awaitable[R]]:
        signature = inspect.signature(function)
        fields = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=defaults[name],
                annotation=hints[name],
            )
            for name in names
        ]
        action, *others = [p for p in signature.parameters.values() if p.name != _PARAMETER]
        own = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in others]

        @functools.wraps(function)
        async def with_target(action: ActionContext, **given: Any) -> R:
            target = Target(**{name: given.pop(name) for name in names if name in given})
            if fault := target.fault(optional=optional):
                raise ParametersInvalid(function.__name__.rstrip("_"), [fault])
            return await function(action, target=target, **given)

        with_target.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[action, *fields, *own]
        )
        return with_target

    return decorate


async def find(
    action: ActionContext,
    page: Page,
    target: Target,
    *,
    state: Literal["visible", "attached"] = "visible",
) -> Found:
    """Wait for the element. With the state `attached`, a hidden one is taken if none is visible.

    Raises ActionFailed for a selector that cannot be read and for a reference that is not of the
    last snapshot, StepTimeout when no element comes.
    """
    if target.ref is not None:
        return await _by_reference(page, target)
    every = _matches(page, target)
    visible = every.filter(visible=True)
    wanted = visible if state == "visible" else every
    limit_s = action.limit_s(max(target.timeout_s, _LOOK_S))
    try:
        await wanted.first.wait_for(state=state, timeout=limit_s * 1000)
        best = await _best(visible, page, target)
        count = await best.count()
        found = best if count else every
        matches = count or await every.count()
    except PageTimeout as cause:
        raise StepTimeout(await _missing(page, target, every, limit_s)) from cause
    except Error as cause:
        raise _unreadable(target, cause) from cause
    locator = found.first if target.closest is None else await _closest(page, target, found)
    return Found(locator, matches, count > 0, f"the element with {target.words}")


def scope_of(page: Page, frame: str | list[str] | None) -> Page | FrameLocator:
    """The document in which an element is looked for: the page, or that of an iframe."""
    scope: Page | FrameLocator = page
    for selector in [frame] if isinstance(frame, str) else frame or []:
        scope = scope.frame_locator(selector).first
    return scope


def readable(selector: str) -> str:
    """The selector as Playwright reads it, which takes only `//` for the beginning of an XPath."""
    return f"xpath={selector}" if selector.startswith(_XPATH) else selector


def _matches(page: Page, target: Target) -> Locator:
    scope = scope_of(page, target.frame)
    if target.selector is not None:
        return scope.locator(readable(target.selector))
    if target.text is not None:
        return scope.get_by_text(target.text, exact=target.exact)
    assert target.role is not None
    role: Any = target.role
    if target.name is None:
        return scope.get_by_role(role)
    return scope.get_by_role(role, name=target.name, exact=target.exact)


async def _best(visible: Locator, page: Page, target: Target) -> Locator:
    """Of the visible matches those whose whole text is the wanted one, if there are any."""
    if target.exact or (target.text is None and target.name is None):
        return visible
    words = (target.text if target.text is not None else target.name or "").split()
    pattern = r"\s+".join(map(re.escape, words))
    text = re.compile(rf"^\s*{pattern}\s*$", re.IGNORECASE)
    scope: Any = scope_of(page, target.frame)
    whole = (
        scope.get_by_text(text)
        if target.text is not None
        else scope.get_by_role(target.role, name=text)
    )
    seen: Locator = whole.filter(visible=True)
    return seen if await seen.count() else visible


async def _closest(page: Page, target: Target, found: Locator) -> Locator:
    """The nearest ancestor that matches `closest`, of the first match that has one."""
    assert target.closest is not None
    wanted = scope_of(page, target.frame).locator(target.closest)
    try:
        for number in range(min(await found.count(), _CLOSEST_MOST)):
            chain = found.nth(number).locator("xpath=ancestor-or-self::*")
            outer = chain.and_(wanted).last
            if await outer.count():
                return outer
    except Error as cause:
        raise selector_fault(f"closest {target.closest!r}", cause) or cause from cause
    raise ActionFailed(f"the element with {target.words} is in no element that matches `closest`")


async def _by_reference(page: Page, target: Target) -> Found:
    locator = page.locator(f"aria-ref={target.ref}")
    try:
        is_there = await locator.count() > 0
    except Error as error:
        if "Invalid frame" not in error.message:
            raise
        is_there = False
    if not is_there:
        raise ActionFailed(
            f"the last snapshot of {page.url} has no element {target.ref!r} that is still there: "
            "the page has changed, take a new snapshot"
        )
    with in_words(f"the element with {target.words}"):
        is_visible = await locator.is_visible()
    return Found(locator, 1, is_visible, f"the element with {target.words}")


def _unreadable(target: Target, error: Error) -> Exception:
    """What to raise when an element could not be looked for."""
    if "<iframe> was expected" in error.message:
        return ActionFailed(f"{target.frame!r} (`frame`) is no iframe")
    return selector_fault(target.words, error) or error


async def _missing(page: Page, target: Target, every: Locator, seconds: float) -> str:
    """Why no element was found: none matches, all are hidden, or they are in a frame."""
    hidden = await _count(every)
    none = f"none of the {hidden} elements with" if hidden else "no element with"
    shown = "is visible" if hidden else "was there"
    text = f"{none} {target.words} {shown} within {seconds:.3g} s at {page.url}"
    for frame in [] if hidden or target.frame else page.frames[1:_FRAMES_MOST]:
        inside = target.selector if target.selector is not None else None
        locator = (
            frame.locator(inside)
            if inside is not None
            else frame.get_by_text(target.text)
            if target.text is not None
            else frame.get_by_role(target.role, name=target.name)  # type: ignore[arg-type]
        )
        if await _count(locator):
            return f"{text}; one is in the frame {frame.url}: give its selector in `frame`"
    return text


async def _count(locator: Locator) -> int:
    try:
        async with asyncio.timeout(_EXPLAIN_S):
            return await locator.count()
    except (Error, TimeoutError):  # the page or the frame is gone, or busy
        return 0
