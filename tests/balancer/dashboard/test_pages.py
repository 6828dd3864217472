"""The pages in a real browser, over workers that run as processes."""

from playwright.async_api import expect

from balancer.fleet.states import WorkerState
from tests.balancer.dashboard.pages import Dashboard
from tests.balancer.running import RunningBalancer


async def test_a_task_that_runs_shows_without_a_reload(
    balancer: RunningBalancer, dashboard: Dashboard
) -> None:
    await balancer.worker("worker-1")
    await dashboard.open()
    page = dashboard.page
    cells = page.locator('[data-cells="worker-1/default"]')
    await expect(cells).to_have_attribute("aria-label", "2 free")
    caller = balancer.start("nap", seconds=60)
    await expect(cells).to_have_attribute("aria-label", "1 running, 1 free")
    await expect(cells.locator("i").first).to_have_attribute("data-state", "running")
    row = page.get_by_role("row", name="nap")
    await expect(row).to_contain_text("worker-1")
    await expect(page.get_by_text("Slots that run a task").locator("..")).to_contain_text("1 of 2")
    await dashboard.picture("one-task")
    caller.cancel()
    await expect(cells).to_have_attribute("aria-label", "2 free")
    await expect(page.get_by_text("Nothing runs at the moment.")).to_be_visible()
    assert await dashboard.violations() == []


async def test_a_worker_is_switched_off_and_on_with_the_keyboard_alone(
    balancer: RunningBalancer, dashboard: Dashboard
) -> None:
    await balancer.worker("worker-1")
    page = dashboard.page
    await page.goto(f"{dashboard.url}/dashboard")
    await page.keyboard.type("a-key-of-the-tests-7Qm2")  # the field has the focus
    await page.keyboard.press("Enter")
    await dashboard.until_live()
    await tab_to(dashboard, "worker-1")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="worker-1")).to_be_visible()
    await tab_to(dashboard, "Switch off")
    await page.keyboard.press("Enter")
    await balancer.until_worker("worker-1", WorkerState.MAINTENANCE)
    await expect(page.locator("main .badge").first).to_have_text("maintenance")
    await dashboard.picture("worker")
    await tab_to(dashboard, "Switch on")
    await page.keyboard.press("Enter")
    await balancer.until_worker("worker-1", WorkerState.READY)
    await expect(page.locator("main .badge").first).to_have_text("ready")
    pressed = [one["event"] for one in balancer.logs.entries() if "audit.worker" in one["event"]]
    assert pressed == ["audit.worker.off", "audit.worker.on"]
    assert [one["user"] for one in balancer.events_logged("audit.worker.off")] == ["root"]
    assert await dashboard.violations() == []


async def tab_to(dashboard: Dashboard, name: str) -> None:
    """Press Tab until what has that name has the focus, and can be seen to have it."""
    for _ in range(40):
        await dashboard.page.keyboard.press("Tab")
        text, outline = await dashboard.page.evaluate(
            """() => [document.activeElement.textContent.trim(),
                      getComputedStyle(document.activeElement).outlineStyle]"""
        )
        if text == name:
            assert outline != "none"
            return
    raise AssertionError(f"no Tab leads to {name!r}")
