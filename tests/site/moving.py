"""Pages that move on by themselves, never finish loading, or never come to rest."""

import json

from aiohttp import hdrs, web

from tests.site.markup import answer, closed_within, document, until_closed

MOVES = {
    "assign": "onload = () => { location = to }",
    "replace": "onload = () => location.replace(to)",
    "parsed": "location = to",
    "timer": "onload = () => setTimeout(() => { location = to })",
    "soon": "onload = () => setTimeout(() => { location = to }, 60)",
    "fetched": "fetch('/arrived?delay_s=0.3').then(() => { location = to })",
    "form": "const form = document.createElement('form'); document.body.append(form);"
    " form.action = to; onload = () => form.submit()",
    "click": "const link = document.createElement('a'); document.body.append(link);"
    " link.href = to; onload = () => link.click()",
    "itself": "onload = () => location.reload()",
    "push": "onload = () => { history.pushState(0, '', '/pushed'); document.title = 'Pushed' }",
    "hash": "onload = () => { location.hash = 'part'; document.title = 'Part' }",
    "late": "onload = () => setTimeout(() => { location = to }, 300)",
}
"""Scripts by which a page leads on to the address `to`, or changes its own."""

HANGING = {
    "picture": '<img src="HANG" alt="">',
    "font": "<style>@font-face{font-family:f;src:url(HANG)}p{font-family:f}</style>",
    "blocking": '<link rel="stylesheet" href="HANG">',
    "style": '<link rel="stylesheet" href="HANG" media="print">',
    "frame": '<iframe src="HANG"></iframe>',
    "script": '<script src="HANG"></script>',
    "deferred": '<script defer src="HANG"></script>',
    "module": '<script type="module" src="HANG"></script>',
    "background": "<style>p{background:url(HANG)}</style>",
}
"""What of a page may never arrive; HANG is replaced by an address that does not answer."""


async def moving(request: web.Request) -> web.Response:
    """Lead on to `?to=` by script, to the arrival page by default."""
    to = request.query.get("to", "/arrived")
    script = f"const to = {json.dumps(to)}; {MOVES[request.match_info['how']]}"
    return answer("On the way", f"<p>Moving on</p><script>{script}</script>")


async def by_attribute(_request: web.Request) -> web.Response:
    """Lead on by an attribute, without a script element."""
    return answer("On the way", """<img src="data:," onerror="location = '/arrived'" alt="">""")


async def by_frame(_request: web.Request) -> web.Response:
    """Lead on by a script inside a frame."""
    inner = "<script>top.location = '/arrived'</script>"
    return answer("On the way", f'<iframe srcdoc="{inner}"></iframe>')


async def by_head(request: web.Request) -> web.Response:
    """Lead on to `?to=` by the page's head, `?after_s=0` later."""
    to, after_s = request.query.get("to", "/arrived"), request.query.get("after_s", "0")
    head = f'<meta http-equiv="Refresh" content="{after_s}; url={to}">'
    return answer("On the way", "<p>Moving on</p>", head=head)


async def by_header(request: web.Request) -> web.Response:
    """Lead on to `?to=` by the header `Refresh`."""
    response = answer("On the way", "<p>Moving on</p>")
    response.headers["Refresh"] = f"0; url={request.query.get('to', '/arrived')}"
    return response


async def no_content(_request: web.Request) -> web.Response:
    """Answer with no page at all."""
    return web.Response(status=204)


async def hanging(request: web.Request) -> web.Response:
    """Show a page that is all there, but for one part."""
    part = HANGING[request.match_info["part"]].replace("HANG", "/slow/hang")
    return answer("All but one", f'{part}<p id="text">All here</p>')


async def silent(request: web.Request) -> web.StreamResponse:
    """Send the headers of a page, and the page `?for_s=` later, or never."""
    response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: "text/html; charset=utf-8"})
    await response.prepare(request)
    if "for_s" not in request.query:
        await until_closed(request)
    elif not await closed_within(request, float(request.query["for_s"])):
        await response.write(document("At last", "<p>Here</p>").encode())
    return response


async def polling(_request: web.Request) -> web.Response:
    """Show a page that asks the server for news without end."""
    return answer(
        "Polling",
        "<p id=news>None</p><script>const ask = async () => { for (;;) {"
        " const answer = await fetch('/arrived?delay_s=0.1');"
        " news.textContent = answer.status; } }; onload = ask</script>",
    )


async def ticking(_request: web.Request) -> web.Response:
    """Show a page whose text changes without end."""
    return answer(
        "Ticking",
        "<p id=clock>0</p><script>setInterval(() => { clock.textContent++ }, 10)</script>",
    )


ROUTES = (
    web.get("/moving/by-head", by_head),
    web.get("/moving/by-header", by_header),
    web.get("/moving/by-attribute", by_attribute),
    web.get("/moving/by-frame", by_frame),
    web.get("/moving/no-content", no_content),
    web.get("/moving/polling", polling),
    web.get("/moving/ticking", ticking),
    web.get("/moving/silent", silent),
    web.get("/moving/hanging/{part}", hanging),
    web.get("/moving/{how}", moving),
)
