"""`/docs` and `/openapi`: who may see them, and that calls can be tried from the page."""

import json

import pytest
from playwright.async_api import Page, expect
from pytest_aiohttp.plugin import AiohttpClient

from slotgrid.intake.api.docs import FILES
from tests.harness.chromium import WatchedPage, browser, watched
from tests.harness.environment import KEY
from tests.harness.in_process.functions import offer
from tests.harness.in_process.node import RunningNode, problem_of, running_node

__all__ = ["browser", "watched"]


async def authorize(page: Page, key: str) -> None:
    await page.click("button.authorize")
    await page.fill("#auth-bearer-value, #api_key_value", key)
    await page.click(".auth-container:has(#api_key_value) button.authorize")
    await page.click("button.btn-done")


async def test_a_call_can_be_tried_from_the_page(node: RunningNode, watched: WatchedPage) -> None:
    page, faults = watched
    await page.goto(f"{node.url}/docs")
    await authorize(page, KEY)
    operation = page.locator("#operations-tasks-submit")
    await operation.locator(".opblock-summary-control").click()
    await operation.locator(".try-out__btn").click()
    await operation.locator(
        ".opblock-section-request-body select.examples-select-element"
    ).select_option("greet")
    await operation.locator("button.execute").click()
    await expect(
        operation.locator(".live-responses-table tbody .response-col_status")
    ).to_contain_text("200")
    shown = await operation.locator(".live-responses-table .highlight-code").inner_text()
    assert json.loads(shown[shown.index("{") : shown.rindex("}") + 1])["result"] == {
        "message": "Hello, World!"
    }
    assert faults == []


async def test_without_a_key_the_page_shows_the_refusal(
    node: RunningNode, watched: WatchedPage
) -> None:
    page, _ = watched
    await page.goto(f"{node.url}/docs#/tasks/list-tasks")
    operation = page.locator("#operations-tasks-list-tasks")
    await operation.locator(".try-out__btn").click()
    await operation.locator("button.execute").click()
    await expect(
        operation.locator(".live-responses-table tbody .response-col_status")
    ).to_contain_text("401")


async def test_a_link_to_an_operation_opens_it(node: RunningNode, watched: WatchedPage) -> None:
    page, faults = watched
    await page.goto(f"{node.url}/docs#/functions/get-function")
    operation = page.locator("#operations-functions-get-function")
    await expect(operation.locator(".opblock-body")).to_be_visible()
    await expect(operation.locator("select option[value='shop/price']")).to_be_attached()
    assert faults == []


async def test_the_key_survives_a_reload(node: RunningNode, watched: WatchedPage) -> None:
    page, faults = watched
    await page.goto(f"{node.url}/docs")
    await authorize(page, KEY)
    await page.reload()
    await expect(page.locator("button.authorize.locked")).to_be_visible()
    assert faults == []


async def test_where_the_document_needs_a_key_the_page_asks_for_it(
    aiohttp_client: AiohttpClient, watched: WatchedPage
) -> None:
    page, faults = watched
    async with running_node(aiohttp_client, docs_public=False) as node:
        await page.goto(f"{node.url}/docs")
        await page.fill("#key", "not-the-key")
        await page.click("#ask button")
        await expect(page.locator("#refusal")).to_contain_text("unknown")
        await page.fill("#key", KEY)
        await page.click("#ask button")
        await expect(page.locator("#operations-tasks-submit")).to_be_visible()
        await expect(page.locator("#ask")).to_be_hidden()
        await expect(page.locator("button.authorize.locked")).to_be_visible()
        await page.reload()
        await expect(page.locator("#operations-tasks-submit")).to_be_visible()
        await expect(page.locator("#ask")).to_be_hidden()
    assert [fault for fault in faults if "401" not in fault] == []


async def test_hostile_names_and_descriptions_stay_text(
    aiohttp_client: AiohttpClient, watched: WatchedPage
) -> None:
    page, faults = watched

    async def nothing(*_: object) -> None: ...

    hostile = "<img src=x onerror=\"document.title='broken in'\"><script>alert(1)</script>"
    async with running_node(aiohttp_client, offer("evil", nothing, description=hostile)) as node:
        await page.goto(f"{node.url}/docs#/tasks/submit")
        operation = page.locator("#operations-tasks-submit")
        await expect(operation.locator(".opblock-body")).to_be_visible()
        assert await page.title() == "Slotgrid of the tests"
    assert faults == []


async def test_the_page_and_its_files_are_public_and_hold_no_inline_script(
    node: RunningNode,
) -> None:
    async with node.stranger.get("/docs") as page:
        assert page.status == 200
        assert page.content_type == "text/html"
        policy = page.headers["Content-Security-Policy"]
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "<script>" not in await page.text()
    for name in FILES:
        async with node.stranger.get(f"/docs/static/{name}") as file:
            assert file.status == 200
            assert file.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", ["../docs.html", "..%2Fdocs.html", "LICENSE", "swagger-ui"])
async def test_no_other_file_can_be_asked_for(node: RunningNode, name: str) -> None:
    assert (await node.problem("GET", f"/docs/static/{name}"))["status"] == 404


async def test_a_private_document_asks_for_a_key(aiohttp_client: AiohttpClient) -> None:
    async with running_node(aiohttp_client, docs_public=False) as node:
        async with node.stranger.get("/openapi") as answer:
            assert (await problem_of(answer))["type"] == "/problems/unauthorized"
            assert "WWW-Authenticate" in answer.headers
        assert (await node.get("/openapi"))["openapi"] == "3.1.0"


async def test_a_public_document_does_not(node: RunningNode) -> None:
    async with node.stranger.get("/openapi") as answer:
        assert answer.status == 200


@pytest.mark.parametrize("path", ["/docs", "/openapi", "/docs/static/docs.js", "/"])
async def test_switched_off_there_is_none_of_it(aiohttp_client: AiohttpClient, path: str) -> None:
    async with running_node(aiohttp_client, docs_enabled=False) as node:
        assert (await node.problem("GET", path))["type"] == "/problems/not-found"


async def test_the_root_leads_to_the_page_under_the_prefix_of_a_proxy(
    aiohttp_client: AiohttpClient,
) -> None:
    async with (
        running_node(aiohttp_client, root_path="/grid") as node,
        node.stranger.get("/", allow_redirects=False) as answer,
    ):
        assert answer.status == 302
        assert answer.headers["Location"] == "/grid/docs"
