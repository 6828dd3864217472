"""Access control for the pages of the dashboard, and their response headers."""

from collections.abc import Callable
from functools import wraps

from aiohttp import web

from balancer.dashboard.live import Live
from balancer.dashboard.login_sessions import Guesses, LoginSession, Sessions
from balancer.dashboard.rendering import Rendering
from balancer.dashboard.snapshot import Look
from balancer.dashboard.trend import Trend
from slotgrid.core.errors import Forbidden, ServiceError
from slotgrid.core.principal import Scope
from slotgrid.intake.auth import KEY, PRINCIPAL
from slotgrid.intake.form_body import read_form
from slotgrid.intake.openapi import Handler
from slotgrid.intake.query import check_query
from slotgrid.intake.server_connections import key_shown

COOKIE = "slotgrid_session"
RENDERING = web.AppKey("rendering", Rendering)
SESSIONS = web.AppKey("sessions", Sessions)
GUESSES = web.AppKey("guesses", Guesses)
LIVE = web.AppKey("live", Live)
TREND = web.AppKey("trend", Trend)
SESSION = web.RequestKey("session", LoginSession)

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def html(text: str, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A response with a page and the security headers."""
    return web.Response(
        text=text, status=status, content_type="text/html", headers=HEADERS | (headers or {})
    )


def session_of(request: web.Request) -> LoginSession | None:
    """The session of the request's cookie, if it has one that has not ended."""
    session = request.config_dict[SESSIONS].find(request.cookies.get(COOKIE, ""))
    if session is not None:
        key_shown(request)
    return session


def look_of(request: web.Request, worker: str | None = None) -> Look:
    """What the session of the request may see."""
    principal = request[SESSION].principal
    return Look(principal.only_owner, principal.may(Scope.OPERATE), worker)


def logged_in(scope: Scope) -> Callable[[Handler], Handler]:
    """A page for sessions whose key has the scope; others get the log-in or an error page."""

    def wrap(handler: Handler) -> Handler:
        @wraps(handler)
        async def answer(request: web.Request) -> web.StreamResponse:
            rendering = request.config_dict[RENDERING]
            session = session_of(request)
            if session is None:
                raise web.HTTPSeeOther(f"{rendering.base}/login")
            request[SESSION], request[PRINCIPAL] = session, session.principal
            request[KEY] = session.key
            try:
                if not session.principal.may(scope):
                    raise Forbidden(f"this requires the scope {scope}, which your key lacks")
                check_query(request)
                return await handler(request)
            except ServiceError as error:
                page = rendering.page("fault.html", fault=error, user=session.principal.name)
                return html(page, status=error.status)

        return answer

    return wrap


async def check_form(request: web.Request) -> None:
    """Check that a page of this session sent the form. Raises Forbidden."""
    form = await read_form(request)
    if not same_origin(request) or not request[SESSION].sent(form.get("token", "")):
        raise Forbidden(
            "this form was not sent from the dashboard; load the page again, then repeat"
        )


def same_origin(request: web.Request) -> bool:
    """False if the browser's header names another site as the sender of the request."""
    return request.headers.get("Sec-Fetch-Site", "same-origin") in {"same-origin", "none"}
