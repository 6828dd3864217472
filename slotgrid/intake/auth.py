"""Authentication by API key, and authorization by scope."""

import math

from aiohttp import hdrs, web

from slotgrid.core.errors import Forbidden, OverQuota, Unauthorized
from slotgrid.core.principal import Principal, Scope
from slotgrid.intake.openapi import endpoint_of
from slotgrid.intake.refused_keys import note_refusal
from slotgrid.intake.server_connections import key_shown
from slotgrid.users.users import Key, Users

NOBODY = "nobody"
SUBPROTOCOL = "slotgrid.key."
"""Begins the subprotocol of a WebSocket that carries a key: browsers cannot set its headers."""


ANONYMOUS = Principal(NOBODY)
PRINCIPAL = web.RequestKey("principal", Principal)
KEY = web.RequestKey("key", Key)
"""The key that the request has shown, if it has shown one."""

USERS = web.AppKey("users", Users)
"""The users of this node, and their keys."""
LINK_KEYS = web.AppKey("link_keys", Users)
"""The key of the link between balancer and worker."""


def key_text(request: web.Request) -> str | None:
    """The key that the request shows, or None; it may be a wrong one.

    In `Authorization`, raw or after `Bearer`; for clients of Andera's balancer in `x-lb-auth`; for
    a WebSocket also as the subprotocol `slotgrid.key.<key>`.
    """
    header = request.headers.get("Authorization", request.headers.get("x-lb-auth"))
    if header:
        scheme, _, rest = header.partition(" ")
        return (rest if scheme.lower() == "bearer" else header).strip()
    for offered in request.headers.get("Sec-WebSocket-Protocol", "").split(","):
        if offered.strip().startswith(SUBPROTOCOL):
            return offered.strip().removeprefix(SUBPROTOCOL)
    return None


def authenticate(request: web.Request, users: Users) -> None:
    """Set the request's principal.

    Raises Unauthorized, OverQuota past the user's rate, or Forbidden if the key lacks the scope.
    """
    text = key_text(request)
    key = None if text is None else users.key(text)
    scope = _required_scope(request)
    if key is None:
        if scope is not Scope.PUBLIC:
            raise _unknown(request, users, text)
        request[PRINCIPAL] = ANONYMOUS
        return
    key_shown(request)
    if key.limit is not None and (wait_s := key.limit.take()) > 0:
        raise OverQuota(
            f"the limit of {key.principal.name} is {key.limit.in_words}",
            retry_after_s=math.ceil(wait_s),
        )
    if not key.principal.may(scope):
        raise Forbidden(f"this requires the scope {scope}, which your key lacks")
    request[PRINCIPAL], request[KEY] = key.principal, key


def _unknown(request: web.Request, users: Users, text: str | None) -> Unauthorized:
    if text is None:
        return Unauthorized("a key is required: send it as `Authorization: <key>`")
    expired = users.has_expired(text)
    note_refusal(request, "expired" if expired else "unknown")
    return Unauthorized(
        "the key in `Authorization` has expired"
        if expired
        else "the key in `Authorization` is unknown"
    )


def _required_scope(request: web.Request) -> Scope:
    match = request.match_info
    if match.http_exception is not None:
        return Scope.PUBLIC  # the router answers 404 or 405
    endpoint = endpoint_of(match.handler)
    if endpoint is not None:
        return endpoint.scope
    if request.method == hdrs.METH_OPTIONS:
        return Scope.PUBLIC  # a browser's preflight (`cors`), which cannot send a key
    return Scope.ADMIN  # fail closed: a handler without notes is for root only
