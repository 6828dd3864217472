"""Authentication by API key, and authorization by scope."""

import hashlib

from aiohttp import hdrs, web

from slotgrid.core.errors import Forbidden, Unauthorized
from slotgrid.core.principal import Principal, Scope
from slotgrid.intake.openapi import endpoint_of
from slotgrid.intake.server_connections import key_shown

ROOT = "root"
NOBODY = "nobody"


ANONYMOUS = Principal(NOBODY)
PRINCIPAL = web.RequestKey("principal", Principal)


class Keys:
    """The accepted keys, stored as hashes only.

    A key is long and random, so one round of SHA-256 protects it as well as a slow hash. The time
    of a lookup reveals nothing about a key, since a caller cannot choose the hash of a guess.
    """

    def __init__(self, auth_key: str) -> None:
        self._known: dict[bytes, Principal] = {}
        if auth_key:
            self._known[_hash(auth_key)] = Principal(ROOT, frozenset(Scope) - {Scope.PUBLIC})

    def principal(self, header: str | None) -> Principal | None:
        """The owner of the key in `Authorization`, raw or after `Bearer`; None if it is unknown."""
        if not header:
            return None
        scheme, _, rest = header.partition(" ")
        key = rest if scheme.lower() == "bearer" else header
        return self._known.get(_hash(key.strip()))


KEYS = web.AppKey("keys", Keys)
"""The keys of callers."""
LINK_KEYS = web.AppKey("link_keys", Keys)
"""The key of the link between balancer and worker."""


def authenticate(request: web.Request, keys: Keys) -> None:
    """Set the request's principal. Raises Unauthorized, or Forbidden if the key lacks the scope."""
    # Clients of Andera's balancer send their key in `x-lb-auth`.
    header = request.headers.get("Authorization", request.headers.get("x-lb-auth"))
    principal = keys.principal(header)
    scope = _required_scope(request)
    if principal is None:
        if scope is not Scope.PUBLIC:
            raise Unauthorized(
                "the key in `Authorization` is unknown"
                if header
                else "a key is required: send it as `Authorization: <key>`"
            )
        principal = ANONYMOUS
    else:
        key_shown(request)
    if not principal.may(scope):
        raise Forbidden(f"this requires the scope {scope}, which your key lacks")
    request[PRINCIPAL] = principal


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


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
