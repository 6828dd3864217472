"""The schema of `pools.yaml`: keys, types, and messages for unsupported values."""

import typing
from collections.abc import Mapping
from typing import Any

import msgspec
from playwright.async_api import Browser

from slotgrid.core.schema import JsonSchema

INSTEAD: Mapping[str, str] = {
    "user_agent": "use the pool's own `user_agent`",
    "ignore_https_errors": "use the pool's own `ignore_tls_errors`",
    "http_credentials": "use the pool's own `basic_auth`, whose password is not in the file",
    "proxy": "use the pool's own `proxy`",
    "storage_state": "use a persistent pool, or name a saved login in the function's `browser`",
    "client_certificates": "certificates of a client cannot be given here",
    "default_browser_type": "every browser is a Chromium; see the setting BROWSER",
}
"""Options of Playwright that a pool does not take from `context_options`, and why."""
_RECORDING = "a pool's contexts cannot record; a function can, for its own task"


def _playwright_options() -> dict[str, JsonSchema]:
    """The options of Playwright's `new_context` that a pool may set, with their schemas."""
    options: dict[str, JsonSchema] = {}
    for name, hint in typing.get_type_hints(Browser.new_context).items():
        if name == "return" or refusal_of_option(name) is not None:
            continue
        (schema,), parts = msgspec.json.schema_components([hint])
        options[name] = _complete(schema, parts)
    return options


def _complete(schema: Any, parts: Mapping[str, Any]) -> JsonSchema:
    """The schema of one option on its own: without null, and without misspelt members."""
    found: JsonSchema = next(
        (one for one in schema.get("anyOf", []) if one.get("type") != "null"), schema
    )
    if "$ref" in found:
        found = {**parts[found["$ref"].rpartition("/")[2]], "additionalProperties": False}
    return found


def refusal_of_option(name: str) -> str | None:
    """Why a pool cannot set this option of Playwright; None if it can."""
    return _RECORDING if name.startswith("record_") else INSTEAD.get(name)


CONTEXT_OPTIONS = _playwright_options()

_TEXT: JsonSchema = {"type": "string", "minLength": 1}
_VARIABLE: JsonSchema = {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}

PROXY: JsonSchema = {
    "type": "object",
    "properties": {
        "server": _TEXT,
        "username": _TEXT,
        "password_secret": _VARIABLE,
        "bypass": {"type": "array", "items": {"type": "string", "pattern": r"^[^\s,;]+$"}},
    },
    "required": ["server"],
}
POOL: JsonSchema = {
    "type": "object",
    "properties": {
        "size": {"type": "integer", "minimum": 1, "maximum": 1000},
        "isolation": _TEXT,
        "profile": _TEXT,
        "setup": _TEXT,
        "queue_limit": {"type": "integer", "minimum": 0, "maximum": 1_000_000},
        "context_options": {"type": "object", "properties": CONTEXT_OPTIONS},
        "proxy": {},
        "user_agent": {"type": "string", "pattern": r"^[\x20-\x7e]+$", "maxLength": 1000},
        "ignore_tls_errors": {"type": "boolean"},
        "basic_auth": {
            "type": "object",
            "properties": {
                "username": _TEXT,
                "password_secret": _VARIABLE,
                "origin": {"type": "string", "pattern": r"^https?://[^/?#@\\\s]+/?$"},
            },
            "required": ["username", "password_secret"],
        },
    },
    "required": ["size"],
}
