"""The names for authors of functions: the decorators, and the context of a function.

    from slotgrid.function import Context, function

    @function(timeout_s=20)
    async def page_title(context: Context, url: str) -> str:
        page = await context.page()
        await page.goto(url)
        return await page.title()

A decorated function stays a plain function: the decorators only attach their options.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Never, TypeVar, overload

from msgspec import Meta

from slotgrid.core.deadlines import Deadline
from slotgrid.core.task_parts import FILE_LIMIT, Artifact, FileData
from slotgrid.function_context import Context, NodeFacts, PlainContext
from slotgrid.function_errors import InputRefused, OptionRefused
from slotgrid.url_credentials import SECRET_PART, URL_PASSWORD

__all__ = [
    "FILE_LIMIT",
    "Artifact",
    "Context",
    "Deadline",
    "FileData",
    "FunctionOptions",
    "InputRefused",
    "Meta",
    "NodeFacts",
    "OptionRefused",
    "PlainContext",
    "Rate",
    "Secret",
    "ServiceOptions",
    "UrlWithPassword",
    "function",
    "service",
    "tag",
]

Isolation = Literal["context", "persistent"]
Mode = Literal["sync", "stream", "webhook", "async"]
FailureRecord = Literal["screenshot", "html", "trace"]
F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=type)

MARK = "__slotgrid__"
"""The attribute that a decorator sets; the registry looks for it."""

Secret = Annotated[str, Meta(extra_json_schema={"writeOnly": True})]
"""A string input that is shown nowhere: not in logs, records, events or errors."""

UrlWithPassword = Annotated[str, Meta(extra_json_schema={SECRET_PART: URL_PASSWORD})]
"""A URL that may contain `user:password@`; the password is shown nowhere, as that of a `Secret`."""

_PERIODS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` starts in any window of `period_s` seconds."""

    count: int
    period_s: float

    @classmethod
    def parse(cls, text: str) -> "Rate":
        """Read `10/m`: a count, a slash, and s, m, h or d. Raises ValueError otherwise."""
        match = re.fullmatch(r"([1-9]\d*)/([smhd])", text.strip())
        if match is None:
            raise ValueError(f'rate is {text!r}, expected for example "10/m" (s, m, h or d)')
        return cls(int(match[1]), _PERIODS_S[match[2]])

    def __str__(self) -> str:
        unit = next(name for name, seconds in _PERIODS_S.items() if seconds == self.period_s)
        return f"{self.count}/{unit}"


@dataclass(frozen=True, kw_only=True)
class FunctionOptions:
    """Options of `@function`. `None` means that the worker's default applies."""

    timeout_s: float | None = None
    streaming: bool = False
    modes: tuple[Mode, ...] | None = None
    pool: str = "default"
    isolation: Isolation | None = None
    retries: int = 0
    retry_on: tuple[type[Exception], ...] = (Exception,)
    requires: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    concurrency: int | None = None
    rate: Rate | None = None
    context_options: Mapping[str, Any] = field(default_factory=dict)
    on_failure: tuple[FailureRecord, ...] = ("screenshot",)
    input: Mapping[str, Any] | None = None
    output: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.timeout_s is not None and not self.timeout_s > 0:
            raise ValueError(f"timeout_s is {self.timeout_s}, expected seconds above 0")
        if self.retries < 0:
            raise ValueError(f"retries is {self.retries}, expected 0 or more")
        if self.concurrency is not None and self.concurrency < 1:
            raise ValueError(f"concurrency is {self.concurrency}, expected 1 or more")
        if self.modes is not None and ("stream" in self.modes) != self.streaming:
            raise ValueError("modes and streaming contradict each other about `stream`")


@dataclass(frozen=True, kw_only=True)
class TagOptions:
    """Options of `@tag`."""

    name: str


@dataclass(frozen=True, kw_only=True)
class ServiceOptions:
    """Options of `@service`."""

    name: str
    start_timeout_s: float = 30.0


def function(
    *bare: Never,
    timeout_s: float | None = None,
    streaming: bool = False,
    modes: tuple[Mode, ...] | None = None,
    pool: str = "default",
    isolation: Isolation | None = None,
    retries: int = 0,
    retry_on: tuple[type[Exception], ...] | type[Exception] = (Exception,),
    requires: tuple[str, ...] = (),
    secrets: tuple[str, ...] = (),
    concurrency: int | None = None,
    rate: str | None = None,
    context_options: Mapping[str, Any] | None = None,
    on_failure: tuple[FailureRecord, ...] = ("screenshot",),
    input: Mapping[str, Any] | None = None,  # noqa: A002  the word of the API
    output: Mapping[str, Any] | None = None,
) -> Callable[[F], F]:
    """Make the decorated function callable as a task, under its file's name.

    timeout_s: seconds that one attempt may run; default and maximum for callers.
    streaming: whether mode `stream` is allowed. modes: the allowed modes; default all that fit.
    retries: further attempts after an error that `retry_on` names; declares that a second run
    is safe. requires: services it needs. secrets: the names of secrets it may read.
    concurrency, rate: limits of concurrent runs and of starts (`"10/m"`).
    isolation: what the function insists on; by default it takes what its pool gives.
    context_options: arguments of Playwright's `new_context`.
    on_failure: artifacts that are made of an open page when the task fails.
    input, output: JSON Schemas; by default derived from the signature.
    Raises ValueError for an invalid option, TypeError for a bare `@function`.
    """
    if bare:
        raise TypeError("write `@function()`, with the parentheses")
    options = FunctionOptions(
        timeout_s=timeout_s,
        streaming=streaming,
        modes=modes,
        pool=pool,
        isolation=isolation,
        retries=retries,
        retry_on=retry_on if isinstance(retry_on, tuple) else (retry_on,),
        requires=requires,
        secrets=secrets,
        concurrency=concurrency,
        rate=Rate.parse(rate) if rate is not None else None,
        context_options=dict(context_options or {}),
        on_failure=on_failure,
        input=input,
        output=output,
    )

    def mark(decorated: F) -> F:
        setattr(decorated, MARK, options)
        return decorated

    return mark


@overload
def tag(name: F) -> F: ...
@overload
def tag(name: str) -> Callable[[F], F]: ...
def tag(name: F | str) -> F | Callable[[F], F]:
    """Publish the function's return value (a short text or number) under its name.

    It may be async, and may take one argument, `NodeFacts`. Called at load and each minute.
    """
    if callable(name):
        setattr(name, MARK, TagOptions(name=name.__name__))
        return name
    given = name

    def mark(decorated: F) -> F:
        setattr(decorated, MARK, TagOptions(name=given))
        return decorated

    return mark


def service(name: str, *, start_timeout_s: float = 30.0) -> Callable[[C], C]:
    """Make the decorated class (`start`, `stop`, `status`) a service of the worker."""
    options = ServiceOptions(name=name, start_timeout_s=start_timeout_s)

    def mark(decorated: C) -> C:
        setattr(decorated, MARK, options)
        return decorated

    return mark
