"""Pages whose main part is marked in the ways of the world, or not at all."""

from aiohttp import web

from tests.site.markup import document

_DEFERRED = "<style>div { content-visibility: auto; contain-intrinsic-size: 1px 900px }</style>"
_SHARED = (
    '<meta http-equiv="Content-Language" content="de">'
    '<meta property="og:description" content="As shared">'
)

BODIES = {
    "articles": (
        "<nav>Home</nav><div><h1>News</h1>"
        "<article><p>First story</p></article><article><p>Second story</p></article>"
        "<article><p>Third story</p></article><nav>Older</nav></div>"
    ),
    "article-with-comments": (
        "<header>Blog</header><article><p>The post</p>"
        "<article><p>First comment</p></article><article><p>Second comment</p></article></article>"
    ),
    "teaser": (
        "<div><p>Long text of the page that has a teaser beside it</p></div>"
        "<article>Teaser</article>"
    ),
    "empty-main": "<main><span hidden>x</span></main><p>Written beside the main part</p>",
    "views": (
        "<main hidden>The view that was left</main>"
        '<main style="visibility:hidden">Another</main><main>The view that is shown</main>'
    ),
    "two-mains": (
        "<div><main>Left half</main></div><aside>Beside</aside><div><main>Right half</main></div>"
    ),
    "main-in-shadow": (
        '<p>Outside</p><my-app class="a"><template shadowrootmode="open">'
        "<main><p>In the shadow</p><slot></slot></main></template><p>Slotted into it</p></my-app>"
    ),
    "role": '<div>Around</div><div role="main">By its role</div>',
    "landmarks": (
        "<header><nav>Home</nav>Harbour</header><div><h1>On tides</h1>"
        "<p>The sea comes and goes.</p></div><aside>Also read</aside>"
        '<div role="contentinfo">Imprint</div>'
    ),
    "nothing-but-navigation": "<nav>Home <a>Shop</a></nav>",
    "overlay": '<div role="dialog" aria-modal="true">Cookies?</div><p>Content</p>',
    "deferred": '<p>Above</p><p style="height:9000px"></p><div>Far below, and rendered late</div>',
    "framed": (
        '<p>Around it</p><iframe src="/reading/frame-1"></iframe>'
        '<iframe hidden src="/reading/frame-2"></iframe>'
    ),
    "frame-1": "First frame",
    "frame-2": "Second frame",
    "astral": (
        "<script>document.body.append('a\\u{1F600}\\u{1F601}\\u{1F602}\\u{1F603}\\ud83d')</script>"
    ),
    "odd": (
        '<p><a>x</a></p><form><input name="q"></form><script>'
        "const odd = 'a\\0b\\ud800c\\uffff', link = document.querySelector('a');"
        "document.title = odd; link.textContent = odd; link.href = '/reading/empty?' + odd;"
        "link.parentElement.title = odd;"
        "document.querySelector('form').onsubmit = event => {"
        " event.preventDefault(); link.textContent = odd + ' sent' }</script>"
    ),
    "empty": "",
}
"""The body of each page by its name."""

OTHERS = {
    "frameset": (
        "text/html",
        '<frameset cols="50%,50%"><frame src="/reading/frame-1"><frame src="/reading/frame-2">'
        "<noframes>No frames here</noframes></frameset>",
    ),
    "plain": ("text/plain", "a  b\n<c>\n"),
    "json": ("application/json", '{"a": [1, "x"]}'),
    "feed": (
        "application/rss+xml",
        '<?xml version="1.0"?>\n<rss><channel><title>News</title>'
        "<item><title>One</title></item></channel></rss>",
    ),
    "drawing": (
        "image/svg+xml",
        '<svg xmlns="http://www.w3.org/2000/svg" xml:lang="fr"><title>A drawing</title>'
        '<text y="20">Drawn</text></svg>',
    ),
}
"""Documents that are no plain HTML: content type and text."""


async def reading(request: web.Request) -> web.Response:
    """One of the pages."""
    name = request.match_info["name"]
    if name in OTHERS:
        content_type, text = OTHERS[name]
        return web.Response(text=text, content_type=content_type)
    if name not in BODIES:
        raise web.HTTPNotFound(text="no such page")
    head = {"deferred": _DEFERRED, "two-mains": _SHARED}.get(name, "")
    language = "" if name == "two-mains" else "en"
    text = document(name, BODIES[name], head=head, language=language)
    return web.Response(text=text, content_type="text/html")


ROUTES = (web.get("/reading/{name}", reading),)
