"""Who asks, and what they may do."""

import hashlib
import hmac
from dataclasses import dataclass, field

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from slotgrid.core.errors import Forbidden, Unauthorized
from slotgrid.intake.openapi import Scope, endpoint_of

ROOT = "root"
NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Principal:
    """The name behind a key, and its scopes."""

    name: str
    scopes: frozenset[Scope] = field(default_factory=frozenset)

    def may(self, scope: Scope) -> bool:
        """Whether the principal has the scope."""
        return scope in self.scopes or scope is Scope.PUBLIC

    def may_see(self, owner: str) -> bool:
        """Whether the owner's tasks are the principal's own, or everyone's are."""
        return owner == self.name or Scope.OPERATE in self.scopes


ANONYMOUS = Principal(NOBODY)
PRINCIPAL = web.RequestKey("principal", Principal)


class Keys:
    """The keys that are known. Only their hashes are held; compared in constant time.

    A key is long and random, so one round of SHA-256 hides it as well as a slow hash would.
    """

    def __init__(self, auth_key: str) -> None:
        everything = frozenset(Scope) - {Scope.PUBLIC}
        self._root = Principal(ROOT, everything)
        self._root_hash = _hash(auth_key) if auth_key else None

    def principal(self, header: str | None) -> Principal | None:
        """Whose key the `Authorization` header holds, raw or after `Bearer`; None if nobody's."""
        if not header or self._root_hash is None:
            return None
        scheme, _, rest = header.partition(" ")
        key = rest.strip() if scheme.lower() == "bearer" else header.strip()
        return self._root if hmac.compare_digest(_hash(key), self._root_hash) else None


KEYS = web.AppKey("keys", Keys)


@web.middleware
async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Find out who asks, and refuse what their key does not allow."""
    header = request.headers.get("Authorization")
    principal = request.app[KEYS].principal(header)
    described = endpoint_of(request.match_info.handler)
    # A handler that forgot to say its scope is closed to everyone but root, not open.
    scope = described.scope if described is not None else Scope.ADMIN
    if request.match_info.http_exception is not None:
        scope = Scope.PUBLIC  # 404 and 405 of the router itself
    elif described is None and request.method == hdrs.METH_OPTIONS:
        scope = Scope.PUBLIC  # a browser's preflight (`cors`), which can show no key
    if principal is None and scope is not Scope.PUBLIC:
        raise Unauthorized(
            "the key in `Authorization` is not known"
            if header
            else "a key is needed: send it as `Authorization: <key>`"
        )
    principal = principal or ANONYMOUS
    if not principal.may(scope):
        raise Forbidden(f"this needs the scope {scope}, which your key does not have")
    request[PRINCIPAL] = principal
    return await handler(request)


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
