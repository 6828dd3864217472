"""Pages whose picture is hard to take: lazy, tall, with fonts that never come, in motion."""

from aiohttp import web

from tests.site.markup import answer

BAND_PX = 100
"""Height of a band of `/tall`; its colour says which one it is."""

_LOADERS = {
    "native": "",
    "observer": """
        const seen = new IntersectionObserver(entries => entries.filter(one => one.isIntersecting)
          .forEach(one => { one.target.src = one.target.dataset.src; seen.unobserve(one.target) }))
        document.querySelectorAll("img").forEach(one => seen.observe(one))""",
    "debounced": """
        let timer
        const load = () => document.querySelectorAll("img").forEach(one => {
          const box = one.getBoundingClientRect()
          if (box.bottom > 0 && box.top < innerHeight) one.src = one.dataset.src })
        addEventListener("scroll", () => { clearTimeout(timer); timer = setTimeout(load, 250) })
        load()""",
    "background": """
        const seen = new IntersectionObserver(entries => entries.filter(one => one.isIntersecting)
          .forEach(one => { one.target.style.backgroundImage = `url(${one.target.dataset.src})` }))
        document.querySelectorAll("i").forEach(one => seen.observe(one))""",
}


def band_colour(number: int) -> tuple[int, int, int]:
    """The colour of a band."""
    return number % 256, number >> 8, 128


async def lazy(request: web.Request) -> web.Response:
    """List pictures of 300 pixels each that load when they come into view; each takes a moment.

    `?kind=` is `native`, `frames`, or a script that watches, waits for the end of the scrolling, or
    sets backgrounds.
    `?hang=` is the number of one that never comes.
    """
    kind = request.query.get("kind", "native")
    parts = []
    for number in range(int(request.query.get("pictures", "40"))):
        source = f"/images/{number}.svg?delay_s=0.2"
        if str(number) == request.query.get("hang"):
            source = "/slow/hang"
        attributes = {
            "native": f'img loading="lazy" src="{source}"',
            "frames": f'iframe loading="lazy" src="{source}"',
            "background": f'i data-src="{source}"',
        }.get(kind, f'img src="data:image/gif;base64,R0lGODdhAQABAAAAACw=" data-src="{source}"')
        parts.append(f"<{attributes}>{'</iframe>' if kind == 'frames' else '</i>'}")
    style = (
        "<style>body{margin:0}img,iframe,i{display:block;width:300px;height:300px;border:0;"
        "background-size:cover}</style>"
    )
    script = f"<script>{_LOADERS.get(kind, '')}</script>"
    return answer("Lazy", "".join(parts) + script, head=style)


async def tall(request: web.Request) -> web.Response:
    """Show bands of 100 pixels, each of a colour of its own; `?height_px=`, `?width_px=`."""
    height = int(request.query.get("height_px", "3000"))
    width = f"{request.query['width_px']}px" if "width_px" in request.query else "100%"
    bands = "".join(
        f'<p style="height:{min(BAND_PX, height - top)}px;'
        f'background:rgb{band_colour(top // BAND_PX)}">'
        for top in range(0, height, BAND_PX)
    )
    style = f"<style>body{{margin:0;width:{width}}}p{{margin:0}}</style>"
    return answer("Tall", f'<div id="all">{bands}</div>', head=style)


async def hanging_font(request: web.Request) -> web.Response:
    """Show text in a font that never comes; `?after_ms=` is when the page wants it."""
    after = int(request.query.get("after_ms", "0"))
    repeat = "true" if "repeat" in request.query else "false"
    script = (
        "<script>let number = 0; const ask = () => { number++; "
        'const style = document.createElement("style"); style.textContent = '
        "`@font-face { font-family: F${number}; src: url(/slow/hang?${number}) } "
        "h1 { font-family: F${number} }`; document.head.append(style) };"
        f"{repeat} ? setInterval(ask, 100) : {after} ? setTimeout(ask, {after}) : ask()</script>"
    )
    style = "<style>body{margin:0}h1{margin:0;font-size:60px;line-height:60px}</style>"
    return answer("Font", f"<h1>MMMMMMMM</h1>{script}", head=style)


async def application(request: web.Request) -> web.Response:
    """Show an application as high as the window, whose main part scrolls by itself.

    `?scroller=` is what scrolls: `main`, `body`, `none` (the rest is cut off), or `fixed`, a part
    whose height does not follow the window.
    """
    style = "<style>html,body{margin:0;height:100%;overflow:hidden}p{margin:0;height:500px}"
    style += {
        "main": "body{display:flex;flex-direction:column}main{flex:1;overflow-y:auto}",
        "body": "body{overflow-y:auto}",
        "none": "",
        "fixed": "main{height:600px;overflow-y:auto}",
    }[request.query.get("scroller", "main")]
    style += (
        "header{height:50px;background:rgb(0,0,200)}footer{height:30px;background:rgb(0,200,0)}"
    )
    parts = "".join(f'<p style="background:rgb(200,{20 * n},0)">{n}</p>' for n in range(8))
    late = '<img loading="lazy" src="/images/5.svg?delay_s=0.3" style="display:block;height:64px">'
    body = f"<header></header><main>{parts}{late}</main><footer></footer>"
    return answer("Application", body, head=f"{style}</style>")


async def motion(_request: web.Request) -> web.Response:
    """Show a box that moves, one that fades in, a shadow root, a frame, and what is not there."""
    style = (
        "<style>body{margin:0}div{width:100px;height:50px}#moving{animation:m 1s infinite linear;"
        "background:rgb(200,0,0)}@keyframes m{to{transform:translateX(500px)}}"
        "#fading{background:rgb(0,200,0);animation:f 100s forwards}"
        "@keyframes f{from{opacity:0}to{opacity:1}}#flat{height:0}#gone{display:none}"
        "iframe{border:0;width:300px;height:200px}</style>"
    )
    inner = (
        "<style>body{margin:0}</style><b id=inframe style='display:block;height:40px;width:60px;"
        "background:rgb(0,0,200)'></b>"
    )
    body = (
        '<div id="moving"></div><div id="fading"></div><div id="flat"></div><div id="gone"></div>'
        '<span class="twin" style="display:none">no</span><span class="twin">yes</span>'
        '<section><template shadowrootmode="open"><u id="shadowed" style="display:block;width:70px;'
        f'height:30px;background:rgb(200,200,0)"></u></template></section><iframe srcdoc="{inner}">'
        "</iframe>"
    )
    return answer("Motion", body, head=style)


async def drawing(_request: web.Request) -> web.Response:
    """Answer with an SVG, which is a document without a body."""
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="400" height="1500"><title>Drawn</title>'
        '<rect width="400" height="1500" fill="rgb(0,200,0)"/></svg>'
    )
    return web.Response(text=svg, content_type="image/svg+xml")


ROUTES = (
    web.get("/lazy", lazy),
    web.get("/tall", tall),
    web.get("/hanging-font", hanging_font),
    web.get("/application", application),
    web.get("/motion", motion),
    web.get("/drawing.svg", drawing),
)
