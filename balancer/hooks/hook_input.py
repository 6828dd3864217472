"""The input of a hook's task: what a request says, without what proves its sender."""

import codecs
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl

import orjson
from multidict import CIMultiDictProxy, MultiMapping

from balancer.hooks.hook import Hook, Input, Verify
from balancer.hooks.signatures import GITHUB_SIGNATURE
from slotgrid.core.errors import InvalidSubmission, UnsupportedMediaType, Violation
from slotgrid.runtime.secrets import is_secret_name

FORM = "application/x-www-form-urlencoded"
FIELDS_MOST = 1000
_JSON_BEGINS = (b"{", b"[")
_PROOFS = frozenset({"webhook-signature", "x-hub-signature", GITHUB_SIGNATURE.lower()})


def input_of(
    hook: Hook,
    method: str,
    headers: CIMultiDictProxy[str],
    query: MultiMapping[str],
    body: bytes,
    *,
    content_type: str | None,
    charset: str | None,
) -> Any:
    """The input: `{body, headers, method, query}`, or the body alone.

    Raises InvalidSubmission or UnsupportedMediaType for a body that cannot be read.
    """
    value = _body(hook, body, content_type, charset)
    if hook.input is Input.BODY:
        if not isinstance(value, dict):
            message = "the body must be a JSON object or a form: it is the input of the function"
            raise InvalidSubmission(message, errors=[Violation("", message)])
        return {**hook.defaults, **value}
    return {
        **hook.defaults,
        "body": value,
        "headers": _headers(headers),
        "method": method,
        "query": _grouped(list(query.items())),
    }


def _body(hook: Hook, body: bytes, content_type: str | None, charset: str | None) -> Any:
    if not body:
        return None
    # No type, or the one that curl sends with whatever it is given: no form begins so.
    if content_type is None or (content_type == FORM and body.lstrip()[:1] in _JSON_BEGINS):
        with suppress(InvalidSubmission):
            return _json(body)
    if content_type is not None and content_type.endswith(("/json", "+json")):
        return _json(body)
    if content_type == FORM:
        fields = _form(body, charset)
        is_githubs = hook.verify is Verify.GITHUB and isinstance(fields.get("payload"), str)
        return _json(fields["payload"].encode()) if is_githubs else fields
    if content_type is None or content_type.startswith("text/"):
        return _text(body, charset)
    raise UnsupportedMediaType(
        f"the body's content type is {content_type}; a hook reads application/json, {FORM} and "
        "text/*"
    )


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body.removeprefix(codecs.BOM_UTF8))
    except orjson.JSONDecodeError as cause:
        message = f"the body is not JSON: {cause}"
        raise InvalidSubmission(message, errors=[Violation("", message)]) from cause


def _form(body: bytes, charset: str | None) -> dict[str, Any]:
    try:
        pairs = parse_qsl(
            _text(body, charset),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=FIELDS_MOST,
        )
    except ValueError as cause:
        message = f"the form cannot be read: {cause}"
        raise InvalidSubmission(message, errors=[Violation("", message)]) from cause
    return _grouped(pairs)


def _text(body: bytes, charset: str | None) -> str:
    try:
        return body.removeprefix(codecs.BOM_UTF8).decode(charset or "utf-8")
    except (LookupError, ValueError) as cause:
        message = f"the body is not text in {charset or 'utf-8'}: {cause}"
        raise InvalidSubmission(message, errors=[Violation("", message)]) from cause


def _headers(headers: CIMultiDictProxy[str]) -> Mapping[str, str]:
    """Lower-case names; without keys, cookies and signatures."""
    pairs = [(name.lower(), value) for name, value in headers.items()]
    kept = [
        (name, _clean(value))
        for name, value in pairs
        if name not in _PROOFS and not is_secret_name(name)
    ]
    return {name: ", ".join(v for n, v in kept if n == name) for name, _ in kept}


def _grouped(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Values by name; a list where a name comes more than once."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name not in found:
            found[_clean(name)] = _clean(value)
        elif isinstance(found[name], list):
            found[name].append(_clean(value))
        else:
            found[name] = [found[name], _clean(value)]
    return found


def _clean(text: str) -> str:
    """Text that JSON can carry: aiohttp keeps bytes that are not UTF-8 as surrogates."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
