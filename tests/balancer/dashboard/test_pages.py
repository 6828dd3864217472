"""The pages in a real browser, over workers that run as processes."""

from playwright.async_api import expect

from balancer.dashboard.access import LIVE, SESSIONS
from balancer.fleet.worker_states import WorkerState
from tests.balancer.dashboard.pages import Dashboard
from tests.balancer.test_slots import HAS_LOGINS, Slotted
from tests.harness.in_process.balancer import RunningBalancer
from tests.harness.peers.fake_worker import fake_worker


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
    await expect(page.locator(".figures")).to_contain_text("1 of 2 slots")
    await dashboard.picture("one-task")
    caller.cancel()
    await expect(cells).to_have_attribute("aria-label", "2 free")
    await expect(page.get_by_text("No task runs at the moment.")).to_be_visible()
    assert await dashboard.violations() == []


async def test_a_worker_shows_which_slots_of_a_persistent_pool_are_free(
    balancer: RunningBalancer, dashboard: Dashboard
) -> None:
    async with fake_worker(balancer, **HAS_LOGINS) as link:
        worker = Slotted(link, 0, 2)
        await dashboard.open()
        page = dashboard.page
        await page.get_by_role("link", name="fake").click()
        pool = page.locator(".pool.large", has_text="logins")
        await expect(pool).to_contain_text("persistent; free slots: 0, 2")
        await dashboard.picture("persistent-pool")
        worker.free = set()
        worker.report()
        await expect(pool).to_contain_text("persistent; free slots: none")
        await expect(page.locator(".pool.large", has_text="default")).not_to_contain_text("free")
        assert await dashboard.violations() == []
        await worker.rest(balancer)


async def test_a_worker_is_switched_off_and_on_with_the_keyboard_alone(
    balancer: RunningBalancer, dashboard: Dashboard
) -> None:
    await balancer.worker("worker-1")
    page = dashboard.page
    await page.goto(f"{dashboard.url}/dashboard")
    await expect(page.get_by_label("Key")).to_be_focused()
    await page.keyboard.type("a-key-of-the-tests-7Qm2")
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


async def test_a_page_whose_session_has_ended_leads_to_the_log_in(
    balancer: RunningBalancer, dashboard: Dashboard
) -> None:
    await dashboard.open()
    context = dashboard.page.context
    (cookie,) = await context.cookies(f"{dashboard.url}/dashboard")
    balancer.app[SESSIONS].close(cookie["value"])
    await expect(dashboard.page.get_by_label("Key")).to_be_visible()
    await dashboard.picture("login")


async def test_a_wrong_key_is_told_where_it_was_entered(dashboard: Dashboard) -> None:
    await dashboard.log_in("a-wrong-key")
    await expect(dashboard.page.get_by_role("alert")).to_have_text("This key is unknown.")
    field = dashboard.page.get_by_label("Key")
    await expect(field).to_be_focused()
    await expect(field).to_have_accessible_description("This key is unknown.")
    await dashboard.log_in()
    await dashboard.until_live()


async def test_a_link_that_is_pressed_while_its_part_changes_is_followed(
    balancer: RunningBalancer, dashboard: Dashboard
) -> None:
    await balancer.worker("worker-1")
    await dashboard.open()
    page = dashboard.page
    tile = page.locator(".tile")
    await tile.get_by_role("link").hover()
    await page.mouse.down()
    live = balancer.app[LIVE]
    answer = await balancer.request("POST", "/workers/worker-1/off")
    assert answer.status == 200
    await balancer.until_worker("worker-1", WorkerState.MAINTENANCE)
    for _ in range(3):
        await live.news()
    await page.mouse.up()
    await expect(page.get_by_role("heading", name="worker-1")).to_be_visible()
    await expect(page.locator("main .badge").first).to_have_text("maintenance")
    await page.go_back()
    await expect(tile).to_have_attribute("data-state", "maintenance")
    await page.mouse.move(0, 0)
    await page.mouse.down()  # where nothing is to be followed: what waited is shown
    answer = await balancer.request("POST", "/workers/worker-1/on")
    assert answer.status == 200
    await balancer.until_worker("worker-1", WorkerState.READY)
    for _ in range(3):
        await live.news()
    await page.mouse.up()
    await expect(tile).to_have_attribute("data-state", "ready")
    assert await dashboard.violations() == []


async def test_a_lost_worker_and_a_torn_contract_are_told(
    balancer: RunningBalancer, dashboard: Dashboard
) -> None:
    one = await balancer.worker("worker-1")
    await balancer.worker("worker-2")
    await dashboard.open()
    attention = dashboard.page.locator(".attention")
    await expect(attention).to_have_count(0)
    # Two to one: were it one to one, a pause of the other's link would make it the odd one.
    odd = await balancer.worker("worker-3")
    (odd.folder / "functions" / "echo.py").unlink()
    await balancer.until_worker("worker-3", WorkerState.MISMATCH)
    await expect(attention).to_contain_text("it lacks echo")
    one.kill()
    await expect(attention).to_contain_text("worker-1 The link is down.")
    await dashboard.page.get_by_role("link", name="worker-3").first.click()
    await dashboard.page.wait_for_url("**/workers/worker-3")
    await expect(dashboard.page.locator(".warning")).to_contain_text("it lacks echo")
    await dashboard.until_live()
    await dashboard.picture("mismatch")
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
