"""The `browser` block of a task in a persistent pool: refused where it needs a new context."""

from pathlib import Path
from typing import Any

from tests.harness.in_process.worker import running_worker
from tests.site.fixtures import Site
from tests.worker.pools.profiles import a_pools_file

OPEN = """
from slotgrid.function import Context, function
from worker.pages.browser_options import Browser
from worker.pages.context_page import open_context_page, without_credentials


@function(pool="kept")
async def visit(context: Context, url: str, browser: Browser = None) -> int:
    page = await open_context_page(context, url, browser)
    return (await page.goto(without_credentials(url))).status
"""
OPTIONS = """
from slotgrid.function import Context, function


@function(pool="{pool}", context_options={{"locale": "de-DE"}})
async def options(context: Context) -> str:
    return await (await context.page()).evaluate("navigator.language")
"""


async def test_fields_that_need_a_new_context_are_refused(tmp_path: Path, site: Site) -> None:
    file = a_pools_file(tmp_path, "default: {size: 1}\nkept: {size: 1, isolation: persistent}\n")
    given: dict[str, Any] = {
        "user_agent": "Robot",
        "locale": "de-DE",
        "cookies": [{"name": "a", "value": "b"}],
        "mobile": True,
        "javascript": False,
        "ignore_tls_errors": True,
        "geolocation": {"latitude": 1, "longitude": 2},
        "credentials": {"username": "ann", "password": "sesame"},
        "headers": {"x-mark": "1"},
        "viewport": {"width": 300, "height": 300},
        "color_scheme": "dark",
    }
    async with running_worker(tmp_path, {"visit.py": OPEN}, POOLS_FILE=file) as worker:
        for name, value in given.items():
            block = {"url": site.url, "browser": {name: value}}
            problem = await worker.problem("visit", 400, **block)
            (error,) = problem["errors"]
            assert error["pointer"] == f"/input/browser/{name}"
            assert (
                'needs a new browser context, which the persistent pool "kept"'
                in (error["message"])
            )
            answer = await worker.submit("visit", input=block, place={"pool": "default"})
            assert answer.status == 200, answer.body
        with_login = site.url.replace("http://", "http://ann:sesame@")
        problem = await worker.problem("visit", 400, url=with_login)
        assert problem["errors"][0]["pointer"] == "/input/url"
        assert await worker.call("visit", url=site.url, browser={}) == 200


async def test_options_of_a_function_do_not_go_with_a_persistent_pool(tmp_path: Path) -> None:
    file = a_pools_file(tmp_path, "default: {size: 1}\nkept: {size: 1, isolation: persistent}\n")
    functions = {"options.py": OPTIONS.format(pool="default"), "b.py": OPTIONS.format(pool="kept")}
    async with running_worker(tmp_path, functions, POOLS_FILE=file) as worker:
        (broken,) = (await worker.get("/health"))["broken"]
        assert broken["path"] == "b.py"
        assert "context_options need a new context" in broken["error"]
        assert await worker.call("options") == "de-DE"
        answer = await worker.submit("options", input={}, place={"pool": "kept"})
        assert answer.status == 500
        assert (
            "`context_options` of the function: needs a new browser context"
            in (answer.json["error"])
        )
