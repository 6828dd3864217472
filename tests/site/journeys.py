"""Ways from one address to another: redirects of every kind, and plain status pages."""

from aiohttp import web

from tests.site.markup import answer

REDIRECT_CODES = (301, 302, 303, 307, 308)


async def redirect(request: web.Request) -> web.Response:
    """Redirect by status: `/redirect/302?to=/path`; without `to`, to the arrival page."""
    code = int(request.match_info["code"])
    if code not in REDIRECT_CODES:
        raise web.HTTPNotFound(text="no redirect has that status")
    return web.Response(status=code, headers={"Location": request.query.get("to", "/arrived")})


async def chain(request: web.Request) -> web.Response:
    """Redirect n times, then arrive."""
    left = int(request.match_info["left"])
    target = f"/redirect/chain/{left - 1}" if left > 1 else "/arrived"
    return web.Response(status=302, headers={"Location": target})


async def loop(_request: web.Request) -> web.Response:
    """Redirect to itself without end."""
    return web.Response(status=302, headers={"Location": "/redirect/loop"})


async def by_meta(_request: web.Request) -> web.Response:
    """Redirect by the page's head."""
    head = '<meta http-equiv="refresh" content="0; url=/arrived">'
    return answer("On the way", "<p>Moving on</p>", head=head)


async def by_script(_request: web.Request) -> web.Response:
    """Redirect by script."""
    return answer("On the way", "<script>location.replace('/arrived')</script>")


async def restless(request: web.Request) -> web.Response:
    """Send on by script, to a page that does the same, without end."""
    following = int(request.match_info["steps"]) + 1
    return answer("On the way", f"<script>location.replace('/restless/{following}')</script>")


async def arrived(request: web.Request) -> web.Response:
    """Say where a redirect led; a POST that survived it says so."""
    return answer("Arrived", f'<p id="method">{request.method}</p>')


async def status(request: web.Request) -> web.Response:
    """Answer with the status asked for, as a small page."""
    code = int(request.match_info["code"])
    if not 200 <= code <= 599:
        raise web.HTTPBadRequest(text="statuses are 200 to 599")
    return answer(f"Status {code}", f"<h1>{code}</h1>", status=code)


ROUTES = (
    web.route("*", r"/redirect/{code:\d{3}}", redirect),
    web.get(r"/redirect/chain/{left:\d+}", chain),
    web.get("/redirect/loop", loop),
    web.get("/redirect/meta", by_meta),
    web.get("/redirect/script", by_script),
    web.get(r"/restless/{steps:\d+}", restless),
    web.route("*", "/arrived", arrived),
    web.get(r"/status/{code:\d{3}}", status),
)
