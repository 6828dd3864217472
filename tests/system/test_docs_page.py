"""The documentation page of a real worker, in a real browser."""

import json

from playwright.async_api import Browser, expect

from tests.harness.chromium import browser
from tests.harness.environment import KEY
from tests.harness.processes.worker import RunningWorker

__all__ = ["browser"]


async def test_a_real_task_can_be_tried_from_the_page(
    worker: RunningWorker, browser: Browser
) -> None:
    page = await browser.new_page()
    await page.goto(f"{worker.url}/docs")
    await page.click("button.authorize")
    await page.fill("#api_key_value", KEY)
    await page.click(".auth-container:has(#api_key_value) button.authorize")
    await page.click("button.btn-done")
    operation = page.locator("#operations-tasks-submit")
    await operation.locator(".opblock-summary-control").click()
    await operation.locator(".try-out__btn").click()
    task = {"function": "page_title", "input": {"url": f"{worker.url}/problems/gone"}}
    await operation.locator("textarea.body-param__text").fill(json.dumps(task))
    await operation.locator("button.execute").click()
    answers = operation.locator(".live-responses-table")
    await expect(answers.locator("tbody .response-col_status")).to_contain_text("200")
    shown = await answers.locator(".highlight-code").inner_text()
    answer = json.loads(shown[shown.index("{") : shown.rindex("}") + 1])
    assert answer["result"]["title"] == "The resource is gone"
    assert answer["worker"] == "worker-1"
