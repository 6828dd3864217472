"""Functions of tasks in a persistent pool `kept`, harmless and hostile, and its file."""

from pathlib import Path

_HEAD = """
import asyncio
from slotgrid.function import Context, function


@function(pool="kept", timeout_s=30)
async def {name}(context: Context, url: str{more}):
    page = await context.page()
    whole = context.browser_context
"""

_BODIES = {
    "login": """
    await page.goto(url)
    await page.evaluate('''name => {
        localStorage.setItem("name", name);
        document.cookie = `session=${name}`;
        document.cookie = `long=${name}; max-age=99999`;
    }''', name)
""",
    "logout": """
    await page.goto(url)
    await whole.clear_cookies()
""",
    "who": """
    await page.goto(url)
    storage, cookies = await page.evaluate(
        '[localStorage.getItem("name"), document.cookie.split("; ").sort().join("; ")]'
    )
    return {"storage": storage, "cookies": cookies}
""",
    "status": """
    answer = await page.goto(url)
    return answer.status
""",
    "stay": """
    await page.goto(url)
    await context.status("here")
    await page.wait_for_selector("#never", timeout=20_000)
""",
    "popups": """
    await page.goto(url)
    await page.evaluate("for (let n = 0; n < 20; n++) open('/', '_blank')")
    for _ in range(3):
        await whole.new_page()
""",
    "dialog": """
    page.on("dialog", lambda _: None)
    await page.goto(url)
    await page.evaluate("setTimeout(() => alert('hello'))")
    await asyncio.sleep(0.2)
""",
    "alerts": """
    page.on("dialog", lambda dialog: dialog.dismiss())
    await page.goto(url)
    await page.evaluate("setTimeout(() => { while (true) alert('again') })")
    await asyncio.sleep(0.3)
""",
    "download": """
    await page.goto(url)
    async with page.expect_download() as waited:
        await page.evaluate('''() => {
            const link = document.createElement("a");
            link.href = URL.createObjectURL(new Blob(["x".repeat(1000000)]));
            link.download = "big.txt";
            document.body.append(link);
            link.click();
        }''')
    await (await waited.value).path()
""",
    "worker_of_site": """
    await page.goto(url + "/pages/service-worker.html")
    await page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    await asyncio.sleep(0.2)
""",
    "timers": """
    await page.goto(url)
    await page.evaluate('''() => {
        setInterval(() => { const end = Date.now() + 50; while (Date.now() < end); }, 60);
        setInterval(() => fetch("/"), 100);
    }''')
    await asyncio.sleep(0.3)
""",
    "listeners": """
    whole.on("page", lambda _: 1 / 0)
    whole.on("request", lambda _: 1 / 0)
    page.on("console", lambda _: 1 / 0)
    await page.goto(url)
""",
    "traces": """
    cdp = await whole.browser.new_browser_cdp_session()
    kinds = [one["type"] for one in (await cdp.send("Target.getTargets"))["targetInfos"]]
    await cdp.detach()
    return {
        "pages": [one.url for one in whole.pages],
        "workers": kinds.count("service_worker"),
        "listeners": len(whole._impl_obj.listeners("request")),
    }
""",
    "routes": """
    await whole.route("**/*", lambda route: route.abort())
""",
    "init_script": """
    await whole.add_init_script("window.mark = 'init script'")
""",
    "binding": """
    await whole.expose_function("mark", lambda: "binding")
""",
    "headers": """
    await whole.set_extra_http_headers({"x-mark": "headers"})
""",
    "clock": """
    await page.clock.install(time=0)
""",
    "own_context": """
    await whole.browser.new_context()
""",
    "offline": """
    await whole.set_offline(True)
""",
    "marks": """
    answer = await page.goto(url)
    marks = await page.evaluate("[window.mark, Date.now() < 1e12 && 'clock', !navigator.onLine]")
    return [one for one in [*marks, answer.request.headers.get("x-mark")] if one]
""",
    "stubborn": """
    while True:
        try:
            await asyncio.sleep(30)
            return
        except asyncio.CancelledError:
            pass
""",
}


def function_text(name: str, body: str, more: str = "") -> str:
    """A function of the pool `kept` that has its page as `page` and the context as `whole`."""
    return _HEAD.format(name=name, more=more) + body


FUNCTIONS = {
    f"{name}.py": function_text(name, body, ", name: str" if name == "login" else "")
    for name, body in _BODIES.items()
}


def a_pools_file(folder: Path, text: str) -> Path:
    """A `pools.yaml` of that text."""
    file = folder / "pools.yaml"
    file.write_text(text)
    return file
