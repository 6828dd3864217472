"""What a crawl meets: links of every kind and spelling, busy hosts, robots.txt of each kind."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import quote

from aiohttp import web

from tests.site.markup import HIT, answer

SPELLINGS = (
    "",
    "?",
    "#top",
    "./",
    "../spellings/",
    "x/../",
    "x/%2e%2e/",
    "/crawl//spellings/../spellings/",  # a path of its own
    "/crawl/spellings/\t",
    "\n /crawl/spellings/ ",
    "\\crawl\\spellings\\",
    "/crawl/%73pellings/",
)
"""Links of `/crawl/spellings/`: all but one lead back to it."""


def _link(href: str, text: str = "link", more: str = "") -> str:
    return f'<a href="{href}" {more}>{text}</a>\n'


async def spellings(request: web.Request) -> web.Response:
    """Link to this page in many spellings, and to two pages in two spellings each."""
    upper = f"{request.scheme.upper()}://{request.host.upper()}/crawl/spellings/"
    hrefs = (*SPELLINGS, upper, "/crawl/leaf/%7eada", "/crawl/leaf/~ada")
    letters = ("/crawl/leaf/ü", "/crawl/leaf/%c3%bc", "/crawl/leaf/%C3%BC")
    return answer("Spellings", "".join(_link(href) for href in (*hrefs, *letters)))


async def leaf(request: web.Request) -> web.Response:
    """A page without links; its title is its name."""
    return answer(f"Leaf {request.match_info['name']}", "<p>The end of the way</p>")


async def based(_request: web.Request) -> web.Response:
    """A page whose links are relative to another address."""
    return answer("Based", _link("one"), head='<base href="/crawl/leaf/base/../">')


async def kinds(request: web.Request) -> web.Response:
    """Links in an image map, in SVG, in shadow roots and in frames, and addresses of no page."""
    port = request.url.port
    body = f"""
      <map name="map"><area href="/crawl/leaf/area" shape="default" alt=""></map>
      <svg><a href="/crawl/leaf/svg"><text y="9">svg</text></a></svg>
      <svg><a xlink:href="/crawl/leaf/xlink"><text y="9">xlink</text></a></svg>
      <div><template shadowrootmode="open"><a href="/crawl/leaf/shadow">shadow</a>
        <p><template shadowrootmode="open"><a href="/crawl/leaf/nested">nested</a></template></p>
      </template></div>
      <iframe srcdoc="<a href='/crawl/leaf/frame'>frame</a>"></iframe>
      <iframe src="http://localhost:{port}/crawl/kinds/foreign-frame"></iframe>
      <a href="mailto:a@b.example">mail</a> <a href="javascript:void 0">script</a>
      <a href="JAVASCRIPT:void 0">script</a> <a href="tel:1">call</a> <a href="data:,x">data</a>
      <a href="ftp://127.0.0.1/">ftp</a> <a href="http://[::1/">broken</a> <a name="here">here</a>
      <a href="/crawl/leaf/nofollow" rel="external NoFollow">no</a>
      <a href="/crawl/leaf/blank" target="_blank">a new tab</a>
      <a href="/crawl/leaf/{"long" * 2500}">too long</a>"""
    return answer("Kinds", body)


async def moved(request: web.Request) -> web.StreamResponse:
    """Send to `?to=`, by a redirect, by the head or by a script: `/crawl/moved/meta?to=...`."""
    to = request.query["to"]
    match request.match_info["how"]:
        case "redirect":
            raise web.HTTPMovedPermanently(to)
        case "meta":
            return answer("Moving", "", head=f'<meta http-equiv="refresh" content="0; url={to}">')
    return answer("Moving", f"<script>location.replace('{to}')</script>")


async def links(request: web.Request) -> web.Response:
    """A page with the links `?to=`."""
    return answer("Links", "".join(_link(href) for href in request.query.getall("to")))


async def home(request: web.Request) -> web.Response:
    """Three pages of this host, one of them by its full address."""
    full = f"{request.scheme}://{request.host}/crawl/leaf/full"
    links = ("/crawl/leaf/one", "/crawl/leaf/two", full)
    return answer("Home", "".join(_link(href) for href in links))


async def limited(request: web.Request) -> web.Response:
    """Answer 429 (`?status=`) the first `?times=` times, with `?retry_after=` seconds or a date."""
    name = request.match_info["name"]
    if request[HIT] > int(request.query.get("times", "1")):
        return answer(f"Limited {name}", _link("/crawl/leaf/after"))
    response = answer(
        "Too busy", _link("/crawl/leaf/busy"), status=int(request.query.get("status", "429"))
    )
    if (seconds := request.query.get("retry_after")) is not None:
        response.headers["Retry-After"] = seconds
    if (seconds := request.query.get("date_in_s")) is not None:
        moment = datetime.now(UTC) + timedelta(seconds=int(seconds))
        response.headers["Retry-After"] = format_datetime(moment, usegmt=True)
    return response


async def files(_request: web.Request) -> web.Response:
    """Link to files: large ones, endless ones, and one between two pages."""
    large = [f"/downloads/large.bin?size_mb=4000&n={number}" for number in range(3)]
    hrefs = (
        "/crawl/leaf/before",
        *large,
        "/downloads/endless.bin",
        "/crawl/report",
        "/crawl/paper/März.pdf",
    )
    return answer("Files", "".join(_link(href) for href in (*hrefs, "/crawl/leaf/behind")))


async def report(_request: web.Request) -> web.Response:
    """Download a report whose name is not ASCII."""
    name = quote("Bericht für März.pdf")
    return web.Response(
        body=b"%PDF-1.4",
        content_type="application/pdf",
        headers={"Content-Disposition": f"attachment; filename*=UTF-8''{name}"},
    )


async def paper(_request: web.Request) -> web.Response:
    """A PDF that is no attachment: some browsers show it."""
    return web.Response(body=b"%PDF-1.4", content_type="application/pdf")


async def late(request: web.Request) -> web.Response:
    """A page without a link; `?ms=` after its load, a script adds some."""
    script = f"""<script>addEventListener("load", () => setTimeout(() => {{
      document.body.innerHTML += '<a href="/crawl/leaf/late">late</a>';
      setTimeout(() => document.body.innerHTML += '<a href="/crawl/leaf/later">later</a>', 100);
    }}, {int(request.query.get("ms", "500"))}))</script>"""
    return answer("Late", f"<h1>Late</h1>{script}")


async def routed(_request: web.Request) -> web.Response:
    """An application whose pages are fragments: `#/a` to `#/c`."""
    script = """<nav><a href="#/a">a</a> <a href="#/b">b</a> <a href="#part">part</a></nav>
      <div id="view"></div><script>
      const show = () => {
        document.title = "Route " + (location.hash || "start");
        view.innerHTML = location.hash === "#/b" ? '<a href="#/c">c</a>' : "";
      };
      addEventListener("hashchange", show); show();
      </script>"""
    return answer("Routes", script)


async def growing(request: web.Request) -> web.Response:
    """A list that grows by two links at a time: by a button, or as its end is scrolled to."""
    way = request.match_info["way"]
    script = """<ul id="list"></ul><button id="more">More</button><a id="away" href="/arrived">A</a>
      <script>
      let count = 0;
      const grow = () => setTimeout(() => {
        for (let end = Math.min(count + 2, 7); count < end; count++)
          list.insertAdjacentHTML("beforeend",
            `<li style="height:600px"><a href="/crawl/leaf/${count}">${count}</a></li>`);
        more.disabled = count === 7;
      }, 50);
      const by_scrolling = %s;
      if (by_scrolling) {
        more.remove();
        new IntersectionObserver(([entry]) => entry.isIntersecting && grow()).observe(away);
      } else more.onclick = grow;
      grow();
      </script>""" % ("true" if way == "scroll" else "false")
    return answer("Growing", script)


async def unwelcome(request: web.Request) -> web.Response:
    """A page that asks robots, in its head or its header, to follow no link."""
    directive = "noarchive, nofollow"
    by_head = request.match_info["how"] == "head"
    head = f'<meta name="ROBOTS" content="{directive}">' if by_head else ""
    response = answer("Unwelcome", _link("/crawl/leaf/unwelcome"), head=head)
    if not by_head:
        response.headers["X-Robots-Tag"] = directive
    return response


async def nuisance(_request: web.Request) -> web.Response:
    """A page that opens windows and dialogs, and starts a download in a frame."""
    script = """<script>
      open("/crawl/leaf/popup"); open("/crawl/leaf/popup2");
      alert(1); confirm(2); prompt(3);
      addEventListener("beforeunload", event => event.preventDefault());
      </script><iframe src="/downloads/endless.bin"></iframe>"""
    return answer("Nuisance", script + _link("/crawl/leaf/nuisance"))


async def calendar(request: web.Request) -> web.Response:
    """A month, with links to the months around it, without end."""
    month = int(request.match_info["month"])
    links = _link(f"/crawl/calendar/{month + 1}") + _link(f"/crawl/calendar/{month - 1}")
    return answer(f"Month {month}", links)


async def crowded(request: web.Request) -> web.Response:
    """A page of `?links=` links."""
    count = int(request.query.get("links", "100000"))
    links = "".join(f"<li><a href=/crawl/leaf/{number}>x</a>" for number in range(count))
    return answer("Crowded", links)


ROUTES = (
    web.get("/crawl/spellings/", spellings),
    web.get("/crawl/leaf/{name:.*}", leaf),
    web.get("/crawl/based", based),
    web.get("/crawl/kinds", kinds),
    web.get("/crawl/moved/{how}", moved),
    web.get("/crawl/links", links),
    web.get("/crawl/home", home),
    web.get("/crawl/limited/{name}", limited),
    web.get("/crawl/files", files),
    web.get("/crawl/report", report),
    web.get("/crawl/paper/{name}", paper),
    web.get("/crawl/late", late),
    web.get("/crawl/routed", routed),
    web.get("/crawl/growing/{way}", growing),
    web.get("/crawl/unwelcome/{how}", unwelcome),
    web.get("/crawl/nuisance", nuisance),
    web.get("/crawl/calendar/{month}", calendar),
    web.get("/crawl/crowded", crowded),
)
