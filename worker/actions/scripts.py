"""Scripts of a recipe in the page: how they are read, and their values as JSON."""

import asyncio
import json
from contextlib import suppress
from typing import Any

from playwright.async_api import CDPSession, Error, JSHandle, Locator, Page

from worker.actions.errors import ActionFailed
from worker.actions.faults import short
from worker.pages.loading import moved_on

RESULT_MOST = 10 * 1024 * 1024
"""Characters, about, of a script's value as JSON."""
STOP_S = 1.0
"""Seconds that the browser has to end a script that takes too long."""

# Statements with `return` or `await` are no expression, but the body of a function.
_BODY = ("Illegal return statement", "await is only valid")

# In a box, as Playwright loses a value that is a large integer (`2n`).
_RUN = """async ([source, args]) => {
  const value = (0, eval)(source);
  return { value: await (typeof value === "function" ? value(args) : value) };
}"""
_RUN_ON = """async (element, [source, args]) => {
  const value = (0, eval)(source);
  return { value: await (typeof value === "function" ? value(element, args) : value) };
}"""

# The value's JSON text. `JSON.stringify` would call the page's own `toJSON`, give `{}` for a map,
# and an object of numbers for a list of elements.
_JSON = r"""(box, most) => {
  let size = 0;
  const grow = length => {
    size += length;
    if (size > most) throw new Error(`larger than ${most} characters: return less of it`);
  };
  const plain = (value, path) => {
    grow(1);
    switch (typeof value) {
      case "undefined": case "function": case "symbol": return null;
      case "bigint": return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
      case "number": return Number.isFinite(value) ? value : null;
      case "string": grow(value.length); return value.toWellFormed();
      case "boolean": return value;
    }
    if (value === null) return null;
    if (value instanceof Node)
      throw new Error(`it holds the node <${value.nodeName.toLowerCase()}>: return what is ` +
        "needed of it, such as its textContent");
    if (value === globalThis) throw new Error("it holds the window");
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
    if (value instanceof RegExp || value instanceof URL) return String(value);
    if (value instanceof Error) return String(value);
    if (value instanceof Boolean || value instanceof Number || value instanceof String)
      return plain(value.valueOf(), path);
    if (path.includes(value)) throw new Error("it is cyclic: an object holds itself");
    if (path.length > 200) throw new Error("it is nested deeper than 200 levels");
    const inner = [...path, value];
    if (value instanceof Map) value = Object.fromEntries(value);
    if (Array.isArray(value) || value instanceof Set || ArrayBuffer.isView(value) ||
        value instanceof NodeList || value instanceof HTMLCollection)
      return Array.from(value, one => plain(one, inner));
    const entries = [];
    for (const [name, one] of Object.entries(value)) {
      if (["undefined", "function", "symbol"].includes(typeof one)) continue;
      grow(name.length);
      entries.push([name.toWellFormed(), plain(one, inner)]);
    }
    return Object.fromEntries(entries);
  };
  const text = one => {
    if (Array.isArray(one)) return `[${one.map(text).join()}]`;
    if (one === null || typeof one !== "object") return JSON.stringify(one);
    return `{${Object.entries(one).map(([k, v]) => `${JSON.stringify(k)}:${text(v)}`).join()}}`;
  };
  return text(plain(box.value, []));
}"""


async def run_script(target: Page | Locator, script: str, args: Any = None) -> JSHandle:
    """Run a script; its value, awaited, is `value` of the object that is returned.

    A script is an expression, a function, or the body of one: statements with `return`. On an
    element a function gets that first. Raises ActionFailed when it fails, Error when the page is
    gone or moves on.
    """
    whole = script.strip().rstrip(";")
    on_element = isinstance(target, Locator)
    parameters = "element, args" if on_element else "args"
    # As in the browser's console: what looks like an object is one, and no block of statements.
    is_value = whole.startswith(("{", "function", "async function"))
    readings = [f"({whole}\n)", script] if is_value else [script]
    readings.append(f"(async ({parameters}) => {{\n{script}\n}})")
    for number, one in enumerate(readings):
        try:
            return await target.evaluate_handle(_RUN_ON if on_element else _RUN, [one, args])
        except Error as error:
            if _is_next(error, readings, number):
                continue
            if moved_on(error) or type(error).__name__ == "TargetClosedError":
                raise
            raise ActionFailed(f"the script failed: {short(error)}") from error
    raise AssertionError("the last reading returns or raises")


def _is_next(error: Error, readings: list[str], number: int) -> bool:
    """Whether the script did not even begin, and is tried in its next reading."""
    if number + 1 == len(readings) or "SyntaxError" not in error.message or "JSON" in error.message:
        return False
    return number + 2 < len(readings) or any(sign in error.message for sign in _BODY)


async def json_of(handle: JSHandle) -> Any:
    """The value of `run_script` as JSON.

    Raises ActionFailed for one that has no JSON form, or is too large.
    """
    try:
        text: str = await handle.evaluate(_JSON, RESULT_MOST)
    except Error as error:
        if moved_on(error) or type(error).__name__ == "TargetClosedError":
            raise
        raise ActionFailed(f"the script's value cannot be given: {short(error)}") from error
    return json.loads(text)


async def stop_scripts(cdp: CDPSession) -> None:
    """End the script that keeps the page busy, so that later steps find a page that answers.

    The session must be older than the script: a busy page takes no new one.
    """
    with suppress(Error, TimeoutError):
        async with asyncio.timeout(STOP_S):
            await cdp.send("Runtime.terminateExecution")
