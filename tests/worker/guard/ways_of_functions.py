"""The ways of a function to the network: what Playwright offers it, beside what its pages do."""

from collections.abc import Awaitable, Callable

from playwright.async_api import BrowserContext, Route

Way = Callable[[BrowserContext, str, str], Awaitable[object]]
"""Uses a context to reach a URL, the second argument; the first is that of a site that is open."""


async def _goto(context: BrowserContext, site: str, url: str) -> None:
    await (await context.new_page()).goto(url)


async def _goto_source(context: BrowserContext, site: str, url: str) -> None:
    await (await context.new_page()).goto(f"view-source:{url}")


async def _goto_redirect(context: BrowserContext, site: str, url: str) -> None:
    await (await context.new_page()).goto(f"{site}/redirect?code=302&to={url}")


async def _content(context: BrowserContext, site: str, url: str) -> None:
    await (await context.new_page()).set_content(f"<img src='{url}'>")


async def _frame_in_content(context: BrowserContext, site: str, url: str) -> None:
    await (await context.new_page()).set_content(f"<iframe src='{url}'></iframe>")


async def _evaluate(context: BrowserContext, site: str, url: str) -> None:
    await (await context.new_page()).evaluate("url => fetch(url)", url)


async def _script_tag(context: BrowserContext, site: str, url: str) -> None:
    await (await context.new_page()).add_script_tag(url=url)


async def _style_tag(context: BrowserContext, site: str, url: str) -> None:
    await (await context.new_page()).add_style_tag(url=url)


async def _get(context: BrowserContext, site: str, url: str) -> None:
    await context.request.get(url)


async def _post(context: BrowserContext, site: str, url: str) -> None:
    await context.request.post(url, data="a")


async def _get_https(context: BrowserContext, site: str, url: str) -> None:
    await context.request.get(url.replace("http", "https"), ignore_https_errors=True)


async def _get_redirect(context: BrowserContext, site: str, url: str) -> None:
    await context.request.get(f"{site}/redirect?code=302&to={url}")


async def _get_of_page(context: BrowserContext, site: str, url: str) -> None:
    await (await context.new_page()).request.get(url)


async def _route(context: BrowserContext, site: str, handle: Callable[[Route], object]) -> None:
    page = await context.new_page()
    await page.route("**/empty", handle)
    await page.goto(f"{site}/empty")


async def _route_fetch(context: BrowserContext, site: str, url: str) -> None:
    async def handle(route: Route) -> None:
        try:
            await route.fetch(url=url)
        finally:
            await route.abort()

    await _route(context, site, handle)


async def _route_redirected(context: BrowserContext, site: str, url: str) -> None:
    await _route(context, site, lambda route: route.continue_(url=url))


async def _own_context(context: BrowserContext, site: str, url: str) -> None:
    assert context.browser is not None
    own = await context.browser.new_context()
    try:
        await (await own.new_page()).goto(url)
    finally:
        await own.close()


async def _own_context_get(context: BrowserContext, site: str, url: str) -> None:
    assert context.browser is not None
    own = await context.browser.new_context()
    try:
        await own.request.get(url)
    finally:
        await own.close()


async def _navigate_by_protocol(context: BrowserContext, site: str, url: str) -> None:
    session = await context.new_cdp_session(await context.new_page())
    await session.send("Page.navigate", {"url": url})


async def _load_by_protocol(context: BrowserContext, site: str, url: str) -> None:
    page = await context.new_page()
    await page.goto(f"{site}/empty")
    session = await context.new_cdp_session(page)
    frame = (await session.send("Page.getFrameTree"))["frameTree"]["frame"]["id"]
    await session.send(
        "Network.loadNetworkResource",
        {
            "frameId": frame,
            "url": url,
            "options": {"disableCache": True, "includeCredentials": False},
        },
    )


WAYS: dict[str, Way] = {
    "goto": _goto,
    "goto of a source": _goto_source,
    "goto of a redirect": _goto_redirect,
    "content": _content,
    "frame in content": _frame_in_content,
    "evaluate": _evaluate,
    "script tag": _script_tag,
    "style tag": _style_tag,
    "request of a context": _get,
    "request of a context, post": _post,
    "request of a context, https": _get_https,
    "request of a context, redirect": _get_redirect,
    "request of a page": _get_of_page,
    "route, fetch": _route_fetch,
    "route, other URL": _route_redirected,
    "context of the function's own": _own_context,
    "request of a context of the function's own": _own_context_get,
    "navigation by protocol": _navigate_by_protocol,
    "load by protocol": _load_by_protocol,
}
