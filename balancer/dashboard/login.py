"""Log-in with a key, and log-out."""

import math
from typing import NoReturn

import structlog
from aiohttp import web
from aiohttp_apispec import docs

from balancer.dashboard import openapi_parts as d
from balancer.dashboard.access import (
    COOKIE,
    GUESSES,
    RENDERING,
    SESSIONS,
    check_form,
    html,
    logged_in,
    same_origin,
    session_of,
)
from balancer.dashboard.login_sessions import SESSION_S
from slotgrid.core.errors import ServiceError
from slotgrid.core.principal import Scope
from slotgrid.intake.audit import audit
from slotgrid.intake.auth import PRINCIPAL, USERS
from slotgrid.intake.caller_address import address_of
from slotgrid.intake.form_body import read_form

log = structlog.get_logger()


@docs(
    summary="The login page",
    tags=["dashboard"],
    scope=Scope.PUBLIC,
    responses={200: d.PAGE, 303: d.SEE_OTHER},
)
async def login_page(request: web.Request) -> web.Response:
    """`GET /dashboard/login`."""
    rendering = request.config_dict[RENDERING]
    if session_of(request) is not None:
        raise web.HTTPSeeOther(rendering.base)
    return _form(request)


@docs(
    summary="Log in with a key",
    tags=["dashboard"],
    scope=Scope.PUBLIC,
    description="The session lasts twelve hours; its cookie does not hold the key.",
    responses={303: d.SEE_OTHER, **dict.fromkeys((400, 401, 403, 413, 415, 429), d.PAGE)},
)
async def login(request: web.Request) -> web.Response:
    """`POST /dashboard/login`, a form with `key`. An unreadable form counts as a wrong key."""
    parts = request.config_dict
    address = _address(request)
    if not same_origin(request):
        return _form(request, "Another site sent the form. Enter the key here.", status=403)
    if not parts[GUESSES].admit(address):
        wait_s = max(1, math.ceil(parts[GUESSES].wait_s(address)))
        refusal = f"Your address sent too many wrong keys. Try again in {wait_s} s."
        return _form(request, refusal, status=429, headers={"Retry-After": str(wait_s)})
    try:
        key = (await read_form(request)).get("key", "").strip()
    except ServiceError as error:
        log.warning("audit.login_refused", address=address, reason=error.name)
        return _form(request, f"The form is not valid: {error.detail}.", status=error.status)
    found = parts[USERS].key(key)
    if found is None:
        log.warning("audit.login_refused", address=address, reason="unknown key")
        challenge = {"WWW-Authenticate": 'Bearer realm="slotgrid"'}
        return _form(request, "This key is unknown.", status=401, headers=challenge)
    parts[GUESSES].right(address)
    if not found.principal.may(Scope.READ):
        return _form(
            request, "This key lacks the scope `read`, which the dashboard requires.", status=403
        )
    request[PRINCIPAL] = found.principal
    audit(request, "login")
    answer = web.HTTPSeeOther(parts[RENDERING].base)
    answer.set_cookie(
        COOKIE,
        parts[SESSIONS].open(found),
        path=parts[RENDERING].base,
        max_age=int(SESSION_S),
        httponly=True,
        samesite="Strict",
        # From any proxy: a client that forges the header harms only its own cookie.
        secure=request.secure or request.headers.get("X-Forwarded-Proto") == "https",
    )
    raise answer


@docs(
    summary="Log out",
    tags=["dashboard"],
    scope=Scope.PUBLIC,
    responses={303: d.SEE_OTHER, **dict.fromkeys((400, 403, 413, 415), d.PAGE)},
)
@logged_in(Scope.READ)
async def logout(request: web.Request) -> NoReturn:
    """`POST /dashboard/logout`."""
    await check_form(request)
    audit(request, "logout")
    request.config_dict[SESSIONS].close(request.cookies[COOKIE])
    answer = web.HTTPSeeOther(f"{request.config_dict[RENDERING].base}/login")
    answer.del_cookie(COOKIE, path=request.config_dict[RENDERING].base)
    raise answer


def _form(
    request: web.Request,
    refusal: str = "",
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> web.Response:
    page = request.config_dict[RENDERING].page("login.html", refusal=refusal)
    return html(page, status=status, headers=headers)


def _address(request: web.Request) -> str:
    return address_of(request) or ""
