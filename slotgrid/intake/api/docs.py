"""`GET /docs` and `GET /openapi`: the API for people and for programs.

Unless it is public, the document requires a key (scope `read`), as it describes this node. The page
and its files are always public: they are the same in every copy of Slotgrid, and a browser that
opens an address sends no key. The page itself prompts for the key.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from aiohttp import web
from aiohttp_apispec import docs

from slotgrid.core.errors import NotFound
from slotgrid.core.principal import Scope
from slotgrid.core.schema import JsonSchema
from slotgrid.intake import openapi_parts as d
from slotgrid.intake.cached_file import cached_file
from slotgrid.intake.node_parts import NODE
from slotgrid.intake.openapi import (
    Answer,
    Handler,
    Parameter,
    json_answer,
    with_scope,
)
from slotgrid.intake.openapi_document import NO_COMPONENTS, OpenApiDocument

STATIC = Path(__file__).parent.parent / "static"
PAGE = STATIC / "docs.html"
# An allowlist: no other file is served.
FILES = {
    "docs.js": STATIC / "docs.js",
    "docs.css": STATIC / "docs.css",
    **{
        name: STATIC / "swagger-ui" / name
        for name in (
            "swagger-ui-bundle.js",
            "swagger-ui.css",
            "favicon-16x16.png",
            "favicon-32x32.png",
        )
    },
}
HEADERS = {
    # Swagger UI's style sheet draws its arrows with `data:` images.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
DOCUMENT = web.AppKey("document", OpenApiDocument)


def add_docs(
    app: web.Application,
    *,
    enabled: bool,
    public: bool,
    title: str,
    version: str,
    root_path: str = "",
    at_root: bool = True,
    components: Mapping[str, JsonSchema] = NO_COMPONENTS,
    mounts_version: Callable[[], int] = lambda: 0,
) -> None:
    """Add the routes of the documentation; call it after every other route is added.

    `public`: the document requires no key. `root_path` is the prefix under which a proxy serves the
    node. `at_root`: `/` redirects to the page. `components` are schemas that only this kind of node
    has, `mounts_version` changes with the static mounts. Unless `enabled`, these paths are 404.
    """
    if not enabled:
        return
    prefix = root_path.rstrip("/")
    app[DOCUMENT] = OpenApiDocument(
        app,
        app[NODE].catalog,
        title=title,
        version=version,
        root_path=prefix,
        components=components,
        mounts_version=mounts_version,
    )
    app.add_routes(
        [
            web.get("/docs", docs_page),
            web.get("/docs/static/{name}", docs_file),
            web.get("/openapi", with_scope(openapi, Scope.PUBLIC if public else Scope.READ)),
        ]
    )
    if at_root:
        app.add_routes([web.get("/", leading_to(f"{prefix}/docs"))])


@docs(
    summary="This document",
    tags=["docs"],
    scope=Scope.READ,
    responses={200: json_answer("OpenAPI 3.1, with the functions that the node offers now")},
)
async def openapi(request: web.Request) -> web.Response:
    """`GET /openapi`."""
    return web.Response(
        body=request.config_dict[DOCUMENT].current(),
        content_type="application/json",
        headers={"Cache-Control": "no-cache"},
    )


@docs(
    summary="This document as a page, on which each endpoint can be tried",
    tags=["docs"],
    scope=Scope.PUBLIC,
    responses={200: Answer("Swagger UI", {"text/html": {"type": "string"}}), 304: d.NOT_CHANGED},
)
async def docs_page(request: web.Request) -> web.Response:
    """`GET /docs`."""
    return cached_file(PAGE, request, HEADERS)


@docs(
    summary="A file of the Swagger UI page",
    tags=["docs"],
    scope=Scope.PUBLIC,
    parameters=(Parameter("name", "The file", {"type": "string", "enum": [*FILES]}, "path"),),
    responses={
        200: Answer("The file", {"*/*": {"type": "string", "format": "binary"}}),
        304: d.NOT_CHANGED,
    },
    problems=(NotFound,),
)
async def docs_file(request: web.Request) -> web.Response:
    """`GET /docs/static/{name}`."""
    name = request.match_info["name"]
    if name not in FILES:
        raise NotFound(f"the page has no file {name!r}")
    return cached_file(FILES[name], request, HEADERS)


def leading_to(address: str) -> Handler:
    """A handler that redirects to that address."""

    @docs(
        summary="Redirects to the page",
        tags=["docs"],
        scope=Scope.PUBLIC,
        responses={302: Answer("The page's address", headers={"Location": "The page"})},
    )
    async def root(_: web.Request) -> NoReturn:
        raise web.HTTPFound(address)

    return root
