"""What a site learns of its visitor: the headers of each request, and what scripts can see."""

import json
from dataclasses import dataclass
from html import escape

from aiohttp import hdrs, web

from tests.site.markup import answer


@dataclass(frozen=True)
class Arrival:
    """A request that arrived: to which host name, for which path, with which headers."""

    host: str
    path: str
    headers: dict[str, str]


ARRIVALS = web.AppKey("arrivals", list[Arrival])
"""The requests below `/visitors`, in their order."""

_SEEN = """<script>
const seen = {
  agent: navigator.userAgent, language: navigator.language, languages: navigator.languages,
  timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  width: innerWidth, height: innerHeight, scale: devicePixelRatio,
  touch: navigator.maxTouchPoints > 0,
  dark: matchMedia("(prefers-color-scheme: dark)").matches,
  cookies: document.cookie, stored: {...localStorage},
};
document.getElementById("seen").textContent = JSON.stringify(seen);
document.title = "Seen";
const show = place => { document.getElementById("place").textContent = place };
navigator.geolocation.getCurrentPosition(
  ({coords}) => show(`${coords.latitude},${coords.longitude}`), () => show("unknown"));
</script>"""


def note(request: web.Request) -> None:
    """Keep what the request brings."""
    host = request.host.partition(":")[0]
    request.app[ARRIVALS].append(Arrival(host, request.path, dict(request.headers)))


async def seen(_request: web.Request) -> web.Response:
    """Show what a script sees of the browser."""
    return answer("Unseen", f'<pre id="seen"></pre><p id="place"></p>{_SEEN}')


async def headers(request: web.Request) -> web.Response:
    """Show the headers that arrived."""
    return answer("Headers", f"<pre>{escape(json.dumps(dict(request.headers)))}</pre>")


async def parts(request: web.Request) -> web.Response:
    """Load parts from this host and from the other one, some of them after a redirect."""
    note(request)
    other = f"http://localhost:{request.url.port}/visitors"
    body = f"""<img src="/visitors/own.svg"><img src="{other}/foreign.svg">
    <img src="/visitors/away"><iframe src="/visitors/frame"></iframe>
    <iframe src="{other}/frame"></iframe><a href="/visitors/tab" target="_blank">tab</a>
    <script>fetch("/visitors/api"); new Worker("/visitors/worker.js");
    fetch("{other}/api").catch(() => 0); fetch("/visitors/away");
    navigator.serviceWorker?.register("/visitors/service.js")</script>"""
    return answer("Parts", body)


async def part(request: web.Request) -> web.Response:
    """Any other part."""
    note(request)
    headers = {hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*"}
    if request.path.endswith(".js"):
        return web.Response(
            text="fetch('/visitors/from-worker')", content_type="text/javascript", headers=headers
        )
    return web.Response(text="<title>Part</title>", content_type="text/html", headers=headers)


async def away(request: web.Request) -> web.Response:
    """Lead to the other host."""
    note(request)
    to = f"http://localhost:{request.url.port}/visitors/landed"
    headers = {hdrs.LOCATION: to, hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*"}
    return web.Response(status=302, headers=headers)


async def here(request: web.Request) -> web.Response:
    """Lead to another page of this host."""
    note(request)
    return web.Response(status=302, headers={hdrs.LOCATION: "/visitors/arrived"})


ROUTES = (
    web.get("/visitors/seen", seen),
    web.get("/visitors/headers", headers),
    web.get("/visitors/parts", parts),
    web.get("/visitors/away", away),
    web.get("/visitors/here", here),
    web.get("/visitors/{part}", part),
)
