"""Functions that use the browser in every way that the tests of pages look at."""

FUNCTIONS = """
@function(timeout_s=20)
async def twice(context: Context) -> list[bool]:
    first, second = await asyncio.gather(context.page(), context.page())
    third = await context.page()
    return [first is second, first is third, context.browser_context is first.context]

@function(timeout_s=20)
async def too_early(context: Context) -> None:
    context.browser_context

@function(timeout_s=20)
async def closes_page(context: Context) -> bool:
    page = await context.page()
    await page.close()
    return page.is_closed()

@function(timeout_s=20)
async def closes_page_and_fails(context: Context) -> None:
    await (await context.page()).close()
    raise ValueError("after the page")

@function(timeout_s=20)
async def goes_on_with_a_closed_page(context: Context) -> None:
    page = await context.page()
    await page.close()
    await page.goto("data:,late")

@function(timeout_s=20)
async def closes_context(context: Context) -> int:
    await context.page()
    await context.browser_context.close()
    return 1

@function(timeout_s=20)
async def closes_browser(context: Context) -> int:
    await context.page()
    await context.browser_context.browser.close()
    return 1

@function(timeout_s=20)
async def opens_many(context: Context) -> int:
    page = await context.page()
    for _ in range(5):
        await context.browser_context.new_page()
    async with page.expect_popup():
        await page.evaluate("open('about:blank')")
    return len(context.browser_context.pages)

@function(timeout_s=20)
async def bad_listeners(context: Context) -> int:
    page = await context.page()
    def raises(message):
        raise ValueError("in a listener")
    async def raises_later(message):
        raise ValueError("in an async listener")
    page.on("console", raises)
    page.on("console", raises_later)
    await page.evaluate("console.log(1)")
    return await page.evaluate("6 * 7")

@function(timeout_s=20)
async def exits_in_a_listener(context: Context) -> int:
    page = await context.page()
    page.on("console", lambda _: sys.exit(3))
    await page.evaluate("console.log(1)")
    return await page.evaluate("6 * 7")

@function(timeout_s=20)
async def exits_in_an_async_listener(context: Context) -> int:
    page = await context.page()

    async def exits(message) -> None:
        sys.exit(3)

    page.on("console", exits)
    await page.evaluate("console.log(1)")
    return await page.evaluate("6 * 7")

@function(timeout_s=20)
async def floods(context: Context) -> int:
    page = await context.page()
    heard = []
    page.on("console", lambda message: heard.append(message.text))
    await page.goto("data:text/html,<script>setTimeout(flood);"
                    "function flood() { for (let i = 0; i < 3e4; i++) console.log(i) }</script>")
    await asyncio.sleep(1)
    return len(heard)

@function(timeout_s=20)
async def works_for_a_while(context: Context) -> int:
    page = await context.page()
    await context.status("begins")
    done = 0
    for _ in range(30):
        done += await page.evaluate("1")
        await asyncio.sleep(0.05)
    return done

@function(timeout_s=20)
async def never_resolves(context: Context) -> None:
    page = await context.page()
    await context.status("evaluating")
    await page.evaluate("new Promise(() => {})")

@function(timeout_s=20)
async def never_yields(context: Context) -> None:
    page = await context.page()
    await context.status("evaluating")
    await page.evaluate("() => { while (true); }")

@function(timeout_s=20)
async def fails(context: Context) -> None:
    page = await context.page()
    await page.goto("data:text/html,<title>seen</title><h1>What was there</h1>")
    raise ValueError("with a page open")

@function(timeout_s=20)
async def fails_while_busy(context: Context) -> None:
    page = await context.page()
    await context.status("busy")
    await page.evaluate("setTimeout(() => { while (true); })")
    await asyncio.sleep(0.2)
    raise ValueError("while the page is busy")

@function(timeout_s=20)
async def title(context: Context) -> str:
    page = await context.page()
    await page.goto("data:text/html,<title>A title</title>")
    return await page.title()

@function(timeout_s=20)
async def half_a_pair(context: Context) -> str:
    page = await context.page()
    return await page.evaluate("'a\\\\ud800b'")

@function(timeout_s=20)
async def playwright_fails(context: Context) -> None:
    page = await context.page()
    await page.click("#nowhere", timeout=100)

@function(timeout_s=20)
async def leaves_work_behind(context: Context) -> int:
    page = await context.page()
    left = asyncio.ensure_future(page.wait_for_timeout(60_000))
    left.add_done_callback(lambda left: left.exception())
    await asyncio.sleep(0)
    return 1

@function(on_failure=("screenshot", "html", "trace"), retries=1)
async def keeps_all(context: Context) -> None:
    page = await context.page()
    await page.goto("data:text/html,<title>seen</title><h1>What was there</h1>")
    raise ValueError("with a page open")

@function(on_failure=())
async def keeps_nothing(context: Context) -> None:
    page = await context.page()
    await page.goto("data:text/html,<title>seen</title><h1>What was there</h1>")
    raise ValueError("with a page open")

@function(on_failure=("html", "trace"))
async def keeps_a_secret(context: Context, password: Secret) -> None:
    page = await context.page()
    await page.set_content(f"<p>{password}</p>")
    raise ValueError("with a secret on the page")

@function(context_options={"viewport": {"width": 321, "height": 400}, "locale": "de-DE"})
async def mobile(context: Context) -> list:
    page = await context.page()
    return await page.evaluate("[innerWidth, navigator.language]")

@function(context_options={"viewport": {"width": 321, "height": 400}, "locale": "de-DE"})
async def asks(context: Context, first: dict, then: dict = {}) -> list:
    prepared = []
    async def prepare(page):
        prepared.append(page.url)
    page = await context.page(first, prepare=prepare)
    assert await context.page(then, prepare=prepare) is page
    return await page.evaluate("[innerWidth, navigator.language]") + prepared

@function(context_options={"locale": 5}, retries=2)
async def refused(context: Context) -> None:
    await context.page()

@function()
async def shares(context: Context) -> list:
    page = await context.page()
    await page.set_content("<title>of the caller</title>")
    return await context.call("looks")

@function(context_options={"locale": "fr-FR"})
async def looks(context: Context) -> list:
    page = await context.page()
    return [await page.title(), context.browser_context is page.context]
"""


def each_in_its_file(text: str) -> dict[str, str]:
    """Functions that stand below each other, as files named after them."""
    parts = [f"@function{part}" for part in text.split("@function")[1:]]
    return {
        f"{part.split('async def ')[1].split('(')[0]}.py": f"import asyncio, sys\n\n\n{part}"
        for part in parts
    }
