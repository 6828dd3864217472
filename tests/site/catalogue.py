"""A shop of 60 products: lists with paging, detail pages, and a link graph worth crawling.

The graph has loops (next, previous, related), several spellings of one address (fragments), links
that lead out (another host, mail, telephone, script), and a few that lead nowhere good: `BROKEN`.
"""

from dataclasses import asdict, dataclass

from aiohttp import web

from tests.site.markup import answer

PRODUCTS_COUNT = 60
PAGE_SIZE = 12
PAGES_COUNT = PRODUCTS_COUNT // PAGE_SIZE
CATEGORIES = ("lamps", "chairs", "tables", "clocks", "shelves")
BROKEN = {"/status/404": 404, "/status/500": 500}
"""Links on the catalogue's first page that answer with an error, and with which."""
PRIVATE = "/private/ledger"
"""A page that robots.txt asks to leave alone; the first page links to it."""


@dataclass(frozen=True)
class Product:
    """One record of the catalogue; `price` is in euros."""

    id: int
    name: str
    category: str
    price: float
    in_stock: bool
    rating: int

    @property
    def path(self) -> str:
        """The address of its detail page."""
        return f"/catalogue/product/{self.id}"


def product(number: int) -> Product:
    """Return product `number`, 1 to 60; the same one every time."""
    category = CATEGORIES[number % len(CATEGORIES)]
    return Product(
        id=number,
        name=f"{category[:-1].title()} no. {number}",
        category=category,
        price=round(5 + number * 1.25, 2),
        in_stock=number % 4 != 0,
        rating=number % 5 + 1,
    )


def products() -> list[Product]:
    """Return all products, by number."""
    return [product(number) for number in range(1, PRODUCTS_COUNT + 1)]


def page_paths() -> list[str]:
    """Return the path of every page of the catalogue that answers 200 and may be crawled."""
    lists = ["/catalogue", *(f"/catalogue?page={page}" for page in range(2, PAGES_COUNT + 1))]
    categories = [f"/catalogue/category/{category}" for category in CATEGORIES]
    return [*lists, *categories, *(one.path for one in products())]


def _card(one: Product) -> str:
    stock = "in stock" if one.in_stock else "sold out"
    return (
        f'<li class="product" data-id="{one.id}"><h2><a href="{one.path}">{one.name}</a></h2>'
        f'<span class="price">{one.price:.2f} €</span> <span class="stock">{stock}</span>'
        f'<img src="/images/{one.id}.svg" alt="{one.name}" width="64" height="64"></li>'
    )


async def list_page(request: web.Request) -> web.Response:
    """One page of the list, `?page=1` to 5."""
    try:
        page = int(request.query.get("page", "1"))
    except ValueError:
        raise web.HTTPBadRequest(text="page is a number") from None
    if not 1 <= page <= PAGES_COUNT:
        raise web.HTTPNotFound(text="no such page")
    first = (page - 1) * PAGE_SIZE
    cards = "\n".join(_card(one) for one in products()[first : first + PAGE_SIZE])
    before = f'<a rel="prev" href="{_list_path(page - 1)}">Previous</a>' if page > 1 else ""
    after = f'<a rel="next" href="{_list_path(page + 1)}">Next</a>' if page < PAGES_COUNT else ""
    body = f'<h1>Catalogue</h1>\n<ul class="products">\n{cards}\n</ul>\n<nav>{before} {after}</nav>'
    return answer(f"Catalogue, page {page}", body + (_front_matter() if page == 1 else ""))


def _list_path(page: int) -> str:
    return "/catalogue" if page == 1 else f"/catalogue?page={page}"


def _front_matter() -> str:
    categories = " ".join(f'<a href="/catalogue/category/{name}">{name}</a>' for name in CATEGORIES)
    broken = " ".join(f'<a href="{path}">broken</a>' for path in BROKEN)
    return (
        f"<nav>{categories}</nav>\n<footer>{broken}"
        ' <a href="/redirect/302?to=/catalogue/product/7">product of the week</a>'
        ' <a href="http://outside.invalid/">elsewhere</a>'
        ' <a href="mailto:shop@outside.invalid">mail</a> <a href="tel:+49301234">telephone</a>'
        ' <a href="javascript:void 0">nothing</a> <a href="#top">top</a>'
        ' <a href="/search?q=lamp" rel="nofollow">not for robots</a>'
        f' <a href="{PRIVATE}">ledger</a> <a href="/downloads/small.csv">price list</a></footer>'
    )


async def category_page(request: web.Request) -> web.Response:
    """List one category's products."""
    category = request.match_info["category"]
    if category not in CATEGORIES:
        raise web.HTTPNotFound(text="no such category")
    cards = "\n".join(_card(one) for one in products() if one.category == category)
    body = f'<h1>{category}</h1><ul class="products">{cards}</ul><a href="/catalogue">all</a>'
    return answer(f"Category {category}", body)


async def product_page(request: web.Request) -> web.Response:
    """One product, with links to its neighbours: the last one's next is the first."""
    number = int(request.match_info["number"])
    if not 1 <= number <= PRODUCTS_COUNT:
        raise web.HTTPNotFound(text="no such product")
    one = product(number)
    following, previous = (
        product(number % PRODUCTS_COUNT + 1),
        product((number - 2) % PRODUCTS_COUNT + 1),
    )
    related = [product(number * step % PRODUCTS_COUNT + 1) for step in (7, 11, 13)]
    links = "".join(
        f'<li><a class="related" href="{other.path}#reviews">{other.name}</a></li>'
        for other in related
    )
    body = (
        f'<nav><a href="/catalogue">Catalogue</a> <a href="/catalogue/category/{one.category}">'
        f"{one.category}</a></nav>\n<main><h1>{one.name}</h1>"
        f'<p class="price">{one.price:.2f} €</p><p class="rating" data-stars="{one.rating}">'
        f"{'★' * one.rating}</p><p>A fine piece of the {one.category} range.</p>"
        f'<section id="reviews"><h2>Reviews</h2><ul>{links}</ul></section></main>'
        f'<a rel="prev" href="{previous.path}">{previous.name}</a>'
        f' <a rel="next" href="{following.path}">{following.name}</a>'
        f' <a href="{one.path}#reviews">reviews</a>'
    )
    return answer(one.name, body)


async def records(_request: web.Request) -> web.Response:
    """All products as JSON, for pages that fetch what they show."""
    return web.json_response({"products": [asdict(one) for one in products()]})


async def search(request: web.Request) -> web.Response:
    """List products whose name has `?q=` in it: a form that is sent by GET."""
    wanted = request.query.get("q", "").lower()
    found = [one for one in products() if wanted and wanted in one.name.lower()]
    form = '<form action="/search"><label>Search <input name="q"></label><button>Go</button></form>'
    cards = "".join(_card(one) for one in found)
    return answer(f"{len(found)} found", f'{form}<ul class="products">{cards}</ul>')


async def image(request: web.Request) -> web.Response:
    """Draw a picture in a colour that its number decides."""
    hue = int(request.match_info["number"]) * 37 % 360
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64">'
        f'<rect width="64" height="64" fill="hsl({hue} 60% 50%)"/></svg>'
    )
    return web.Response(text=svg, content_type="image/svg+xml")


async def private(_request: web.Request) -> web.Response:
    """Answer with what robots.txt asks to leave alone."""
    return answer("Ledger", "<p>For the keeper of the shop.</p>")


async def robots(request: web.Request) -> web.Response:
    """Ask robots to leave /private/ alone."""
    sitemap = request.url.origin().with_path("/sitemap.xml")
    return web.Response(text=f"User-agent: *\nDisallow: /private/\nSitemap: {sitemap}\n")


async def sitemap(request: web.Request) -> web.Response:
    """List the catalogue's pages."""
    origin = str(request.url.origin())
    entries = "".join(f"<url><loc>{origin}{path}</loc></url>" for path in page_paths())
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</urlset>'
    )
    return web.Response(text=text, content_type="application/xml")


ROUTES = (
    web.get("/catalogue", list_page),
    web.get("/catalogue.json", records),
    web.get("/catalogue/category/{category}", category_page),
    web.get(r"/catalogue/product/{number:\d+}", product_page),
    web.get("/search", search),
    web.get(r"/images/{number:\d+}.svg", image),
    web.get(PRIVATE, private),
    web.get("/robots.txt", robots),
    web.get("/sitemap.xml", sitemap),
)
