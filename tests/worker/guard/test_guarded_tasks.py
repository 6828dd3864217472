"""Tasks behind the guard: what they reach, what their callers learn, and what their record says."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from slotgrid.runtime.secrets import Redactor
from slotgrid.runtime.settings import Settings, SettingsError
from tests.harness.environment import KEY
from tests.harness.in_process.logs import node_logs
from tests.harness.in_process.worker import running_worker
from tests.harness.ports import free_ports
from worker.app import Worker

FUNCTIONS = {
    "opens.py": """
        @function(timeout_s=20)
        async def opens(context: Context, urls: list[str]) -> list[int | None]:
            page = await context.page()
            answers = [await page.goto(url) for url in urls]
            return [answer.status if answer else None for answer in answers]
    """,
    "fetches.py": """
        @function(timeout_s=20)
        async def fetches(context: Context, url: str, target: str) -> str:
            page = await context.page()
            await page.goto(url)
            return await page.evaluate(
                "url => fetch(url, {mode: 'no-cors'}).then(() => 'reached', e => e.name)", target
            )
    """,
    "draws.py": """
        @function(timeout_s=20)
        async def draws(context: Context, url: str) -> bool:
            page = await context.page()
            await page.set_content(f"<img src={url}><p>A page")
            return await page.evaluate("document.images[0].naturalWidth > 0")
    """,
    "opens_own.py": """
        @function(timeout_s=20)
        async def opens_own(context: Context, url: str) -> int:
            page = await context.page()
            own = await page.context.browser.new_context()
            answer = await (await own.new_page()).goto(url)
            await own.close()
            return answer.status
    """,
}
OPENED = "127.0.0.1"
SHIPPED = Path(__file__).parents[3] / "functions"
BODY = b"x" * 100_000


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """The port of a site with one page, on every address of this machine."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(body=b"<title>Open</title>" + BODY, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "0.0.0.0", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def test_a_refused_first_navigation_fails_the_task_and_names_the_setting(
    tmp_path: Path, port: int
) -> None:
    async with running_worker(tmp_path, FUNCTIONS, ALLOWED_PRIVATE_NETWORKS=OPENED) as worker:
        for url, rule in (
            (f"http://127.0.0.2:{port}/", "loopback"),
            ("https://10.0.0.1/", "private"),
            ("http://169.254.169.254/latest/meta-data/", "metadata"),
        ):
            problem = await worker.problem("opens", 403, urls=[url])
            assert problem["type"] == "/problems/forbidden-address"
            assert f"({rule})" in problem["detail"]
            assert "ALLOWED_PRIVATE_NETWORKS" in problem["detail"]
            log = await worker.log_of(problem["task_id"])
            assert rule in log
        refused = worker.events_logged("guard.refused")
        assert [line["rule"] for line in refused] == ["loopback", "private", "metadata"]
        metrics = (await worker.request("GET", "/metrics")).body.decode()
        assert 'slotgrid_guard_refused_total{rule="private"} 1.0' in metrics


async def test_what_a_page_is_refused_later_fails_that_request_alone(
    tmp_path: Path, port: int
) -> None:
    open_url, closed_url = f"http://127.0.0.1:{port}/", f"http://127.0.0.2:{port}/"
    async with running_worker(tmp_path, FUNCTIONS, ALLOWED_PRIVATE_NETWORKS=OPENED) as worker:
        answer = await worker.submit("opens", input={"urls": [open_url, closed_url, closed_url]})
        assert answer.json["result"] == [200, 403, 403]
        log = await worker.log_of(answer.json["id"])
        assert log.count("127.0.0.2") == 2  # the address and the host, of one line
        assert await worker.call("fetches", url=open_url, target=open_url) == "reached"


async def test_the_record_has_the_traffic_of_the_tasks_pages(tmp_path: Path, port: int) -> None:
    url = f"http://127.0.0.1:{port}/"
    async with running_worker(tmp_path, FUNCTIONS, ALLOWED_PRIVATE_NETWORKS=OPENED) as worker:
        answer = await worker.submit("opens", input={"urls": [url]})
        traffic = (await worker.task(answer.json["id"]))["traffic"]
        assert traffic["received_bytes"] > len(BODY)
        assert 0 < traffic["sent_bytes"] < 10_000
        assert traffic["connections"] >= 1
    (tmp_path / "off").mkdir()
    async with running_worker(tmp_path / "off", FUNCTIONS, TRAFFIC_GUARD="false") as worker:
        answer = await worker.submit("opens", input={"urls": [f"http://127.0.0.2:{port}/"]})
        assert answer.json["result"] == [200]
        assert (await worker.task(answer.json["id"]))["traffic"] is None


async def test_a_task_that_moves_too_many_bytes_fails(tmp_path: Path, port: int) -> None:
    url = f"http://127.0.0.1:{port}/"
    async with running_worker(
        tmp_path, FUNCTIONS, ALLOWED_PRIVATE_NETWORKS=OPENED, TRAFFIC_LIMIT="150kb"
    ) as worker:
        assert await worker.call("opens", urls=[url]) == [200]
        problem = await worker.problem("opens", urls=[url, f"{url}?again", f"{url}?more"])
        assert problem["reason"] == "traffic-limit"
        assert "TRAFFIC_LIMIT" in problem["detail"]
        assert await worker.call("opens", urls=[url]) == [200]


async def test_a_context_that_a_function_opens_itself_is_guarded(tmp_path: Path, port: int) -> None:
    async with running_worker(tmp_path, FUNCTIONS, ALLOWED_PRIVATE_NETWORKS=OPENED) as worker:
        assert await worker.call("opens_own", url=f"http://127.0.0.1:{port}/") == 200
        assert await worker.call("opens_own", url=f"http://127.0.0.2:{port}/") == 403


async def test_of_the_node_pages_reach_its_documented_pages_alone(tmp_path: Path) -> None:
    with free_ports(1) as (port,):
        pass
    async with running_worker(tmp_path, FUNCTIONS, PORT=port) as worker:
        assert await worker.call("opens", urls=[f"{worker.url}/problems/gone"]) == [200]
        for path in ("/health", "/tasks", "/docs/../tasks", "/problems/%2e%2e/tasks"):
            problem = await worker.problem("opens", 403, urls=[worker.url + path])
            assert "(node)" in problem["detail"], path


async def test_a_function_opens_a_server_of_its_own_to_its_pages_alone(tmp_path: Path) -> None:
    page = {
        "index.html": "<title>no</title><script type=module src=/a.js></script>",
        "a.js": "document.title = await fetch('/b.txt').then(answer => answer.text())",
        "b.txt": "Served here",
    }
    async with running_worker(tmp_path, SHIPPED, ALLOWED_PRIVATE_NETWORKS="") as worker:
        assert (await worker.call("render", files=page))["title"] == "Served here"
        served = worker.worker.services.instance("static_server").port
        problem = await worker.problem("page_title", 403, url=f"http://localhost:{served}/")
        assert problem["type"] == "/problems/forbidden-address"


async def test_a_shipped_function_says_why_it_has_no_page(tmp_path: Path, port: int) -> None:
    moving = f"<script>location = 'http://127.0.0.2:{port}/'</script>"
    with free_ports(1) as (closed,):
        pass
    async with running_worker(tmp_path, SHIPPED, ALLOWED_PRIVATE_NETWORKS=OPENED) as worker:
        problem = await worker.problem("render", files={"index.html": moving})
        assert f"127.0.0.2:{port} is closed to pages (loopback)" in problem["detail"]
        for url, reason in (
            (f"http://127.0.0.1:{closed}/", "nothing listens there"),
            ("http://no-such-host.invalid/", "its host name is not known"),
        ):
            problem = await worker.problem("page_title", url=url)
            assert problem["type"] == "/problems/function-failed"
            assert reason in problem["detail"]


async def test_a_refused_part_of_a_page_does_not_fail_its_task(tmp_path: Path, port: int) -> None:
    async with running_worker(tmp_path, FUNCTIONS, ALLOWED_PRIVATE_NETWORKS=OPENED) as worker:
        for url in (f"http://127.0.0.2:{port}/", "https://10.0.0.1/"):
            assert await worker.call("draws", url=url) is False


def test_a_proxy_of_the_environment_that_cannot_be_used_is_named_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "ftp://proxy.example:21")
    settings = Settings.from_env({"AUTH_KEY": KEY, "DATA_DIR": str(tmp_path)})
    with (
        node_logs(settings, Redactor([])) as logs,
        pytest.raises(SettingsError, match=r"HTTPS_PROXY .*http, https or socks5, not 'ftp'"),
    ):
        Worker(settings, logs=logs, redactor=Redactor([]), drain=lambda _: None)
