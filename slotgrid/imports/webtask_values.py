"""Values of webtasks' parameters as values of ours."""

import json
import re
from typing import Any

from slotgrid.imports.webtask_templates import (
    Resolve,
    after_last_slash,
    has_tokens,
    single,
    translated,
    value_of,
)

ARGUMENTS = re.compile(r"\barguments\b")
NAME_MOST = 255


class NotTranslated(ValueError):
    """A value, or a step, that has no counterpart; the text says why."""


def seconds(value: Any, resolve: Resolve, *, default_ms: float) -> float | int | str:
    """Milliseconds as seconds: a number, or a template. Raises NotTranslated."""
    if isinstance(value, str) and has_tokens(value):
        if (one := single(value, resolve)) is not None:
            return f"{{{{ {one.code}|float({default_ms:g}) / 1000 }}}}"
        raise NotTranslated(f"{value[:60]!r} is no number of milliseconds")
    number = _number(value, default_ms) / 1000
    return int(number) if number == int(number) else number


def whole(value: Any, resolve: Resolve, *, default: int = 0) -> int | str:
    """A whole number, or a template that gives one. Raises NotTranslated."""
    if isinstance(value, str) and has_tokens(value):
        if (one := single(value, resolve)) is not None:
            return f"{{{{ {one.code}|int({default}) }}}}"
        raise NotTranslated(f"{value[:60]!r} is no number")
    return int(_number(value, default))


def text(value: Any, resolve: Resolve) -> str:
    """A text; a template that is no text becomes one."""
    if not isinstance(value, str):
        plain = "" if value is None else json.dumps(value, ensure_ascii=False)
        return translated(plain, resolve)
    one = single(value, resolve)
    if one is not None and not one.text:
        return f"{{{{ {one.code}|string }}}}"
    return translated(value, resolve)


def file_name(value: Any, resolve: Resolve) -> str:
    """The last part of a path: the name of an artifact."""
    name = after_last_slash(str(value))
    if (one := single(name, resolve)) is not None:
        return f'{{{{ {one.code}|string|replace("\\\\", "/")|split("/")|last }}}}'
    return (
        translated(name, resolve)[:NAME_MOST] if not has_tokens(name) else translated(name, resolve)
    )


def script(source: str, resolve: Resolve) -> str:
    """A script whose `arguments` are the items of `args`."""
    return (
        wrapped(translated(source, resolve))
        if ARGUMENTS.search(source)
        else translated(source, resolve)
    )


def wrapped(source: str) -> str:
    """The body of a function as a function of the list `args`, whose `arguments` are its items."""
    return f"(args) => (async function () {{\n{source.rstrip()}\n}}).apply(window, args || [])\n"


def condition(source: str) -> str:
    """What decides whether a loop goes on: an expression, or statements with `return`."""
    return source if "return" in source else f"return ({source});"


def flag(value: Any, resolve: Resolve) -> Any:
    """True, or a template; anything else is false, as webtasks reads it."""
    if isinstance(value, str) and has_tokens(value):
        return value_of(value, resolve)
    return value is True


def _number(value: Any, default: float) -> float:
    if isinstance(value, bool):
        return default
    if isinstance(value, int | float):
        return value
    cleaned = str(value if value is not None else "").strip().replace("_", "")
    try:
        return float(cleaned) if cleaned else default
    except ValueError as cause:
        raise NotTranslated(f"{cleaned[:60]!r} is no number") from cause
