"""What a site remembers of a visitor: cookies, a login, HTTP authentication."""

import json
from html import escape

from aiohttp import encode_basic_auth, hdrs, web

from tests.site.markup import answer

USER, PASSWORD = "reader", "open sesame"
"""Who may log in, by form and by HTTP authentication."""


async def set_cookies(request: web.Request) -> web.Response:
    """Set every cookie named in the query; `?http_only=1` hides them from scripts."""
    response = answer("Cookies set", '<a href="/cookies">show</a>')
    hidden = request.query.get("http_only") == "1"
    for name, value in request.query.items():
        if name != "http_only":
            response.set_cookie(name, value, httponly=hidden, max_age=3600)
    return response


async def show_cookies(request: web.Request) -> web.Response:
    """Show the cookies that arrived, and beside them those that a script can see."""
    arrived = escape(json.dumps(dict(sorted(request.cookies.items()))))
    script = "<script>document.getElementById('seen').textContent = document.cookie</script>"
    return answer("Cookies", f'<pre id="arrived">{arrived}</pre><pre id="seen"></pre>{script}')


async def login_form(_request: web.Request) -> web.Response:
    """Ask for name and password."""
    return answer("Log in", _login_form())


def _login_form(error: str = "") -> str:
    return (
        f'<p class="error">{escape(error)}</p><form method="post" action="/login">'
        '<label>User <input name="user" autocomplete="username"></label>'
        '<label>Password <input name="password" type="password"></label>'
        '<button type="submit">Log in</button></form>'
    )


async def login(request: web.Request) -> web.Response:
    """Open a session and lead to the account, or say 401 and ask again."""
    posted = await request.post()
    if (posted.get("user"), posted.get("password")) != (USER, PASSWORD):
        return answer("Log in", _login_form("Wrong name or password"), status=401)
    response = web.Response(status=303, headers={hdrs.LOCATION: "/account"})
    response.set_cookie("session", USER, httponly=True, samesite="Lax")
    return response


async def account(request: web.Request) -> web.Response:
    """Greet whoever is logged in; lead everyone else to the login."""
    user = request.cookies.get("session")
    if user is None:
        raise web.HTTPFound("/login")
    return answer("Account", f'<h1>Hello, {escape(user)}</h1><a href="/logout">Log out</a>')


async def logout(_request: web.Request) -> web.Response:
    """End the session."""
    response = web.Response(status=303, headers={hdrs.LOCATION: "/login"})
    response.del_cookie("session")
    return response


async def basic(request: web.Request) -> web.Response:
    """Answer only to HTTP basic authentication."""
    if request.headers.get(hdrs.AUTHORIZATION) != encode_basic_auth(USER, PASSWORD):
        response = answer("Who are you?", "<p>Authentication needed</p>", status=401)
        response.headers[hdrs.WWW_AUTHENTICATE] = 'Basic realm="reading room"'
        return response
    return answer("Reading room", f"<h1>Hello, {USER}</h1>")


ROUTES = (
    web.get("/cookies/set", set_cookies),
    web.get("/cookies", show_cookies),
    web.get("/login", login_form),
    web.post("/login", login),
    web.get("/account", account),
    web.get("/logout", logout),
    web.get("/basic-auth", basic),
)
