"""Who sees what: the log-in, its cookie, its bounds, and what a key may do."""

import asyncio
from collections.abc import Mapping
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from aiohttp import ClientSession

from balancer.dashboard.access import COOKIE, GUESSES, SESSIONS
from balancer.dashboard.login_sessions import ATTEMPTS
from balancer.dashboard.routes import FILES
from balancer.fleet.worker_states import WorkerState
from slotgrid.core.principal import Principal, Scope
from slotgrid.intake.node_parts import NODE
from slotgrid.users.users import Key
from tests.harness.calls import Answer
from tests.harness.environment import KEY
from tests.harness.in_process.balancer import RunningBalancer, running_balancer


class Stranger:
    """A browser's requests, without a browser: no key, no redirects, its cookie by hand."""

    def __init__(self, balancer: RunningBalancer, cookie: str = "") -> None:
        self.balancer = balancer
        self.cookie = cookie

    async def get(self, path: str) -> Answer:
        return await self._ask("GET", path, {}, None)

    async def post(self, path: str, form: Mapping[str, str], **headers: str) -> Answer:
        return await self._ask("POST", path, headers, form)

    async def log_in(self, key: str, **headers: str) -> Answer:
        answer = await self.post("/dashboard/login", {"key": key}, **headers)
        if "Set-Cookie" in answer.headers:
            self.cookie = SimpleCookie(answer.headers["Set-Cookie"])[COOKIE].value
        return answer

    async def _ask(
        self, method: str, path: str, headers: Mapping[str, str], form: Mapping[str, str] | None
    ) -> Answer:
        sent = {"Cookie": f"{COOKIE}={self.cookie}", **headers}
        async with (
            ClientSession(self.balancer.url) as session,
            session.request(
                method, path, headers=sent, data=form, allow_redirects=False
            ) as response,
        ):
            return Answer(response.status, dict(response.headers), await response.read())


def logged_in(balancer: RunningBalancer, *scopes: Scope, name: str = "reader") -> Stranger:
    key = Key(Principal(name, frozenset(scopes)))
    return Stranger(balancer, balancer.app[SESSIONS].open(key))


def token_of(balancer: RunningBalancer, stranger: Stranger) -> str:
    session = balancer.app[SESSIONS].find(stranger.cookie)
    assert session is not None
    return session.token


async def test_the_root_leads_to_the_dashboard_and_that_to_the_log_in(
    balancer: RunningBalancer,
) -> None:
    stranger = Stranger(balancer)
    root = await stranger.get("/")
    assert (root.status, root.headers["Location"]) == (302, "/dashboard")
    page = await stranger.get("/dashboard")
    assert (page.status, page.headers["Location"]) == (303, "/dashboard/login")


async def test_a_key_opens_a_session_whose_cookie_does_not_hold_it(
    balancer: RunningBalancer,
) -> None:
    stranger = Stranger(balancer)
    answer = await stranger.log_in(KEY)
    assert (answer.status, answer.headers["Location"]) == (303, "/dashboard")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Path=/dashboard" in cookie
    assert "Secure" not in cookie
    assert KEY not in cookie
    page = await stranger.get("/dashboard")
    assert page.status == 200
    assert KEY.encode() not in page.body
    assert [one["user"] for one in balancer.events_logged("audit.login")] == ["root"]


async def test_behind_tls_the_cookie_is_secure(balancer: RunningBalancer) -> None:
    answer = await Stranger(balancer).log_in(KEY, **{"X-Forwarded-Proto": "https"})
    assert "Secure" in answer.headers["Set-Cookie"]


async def test_a_wrong_key_is_told_and_guessing_is_bounded(balancer: RunningBalancer) -> None:
    stranger = Stranger(balancer)
    balancer.app[GUESSES]._clock = lambda: 1000.0
    for _ in range(ATTEMPTS):
        answer = await stranger.log_in("a-wrong-key")
        assert answer.status == 401
        assert b"This key is unknown." in answer.body
    answer = await stranger.log_in(KEY)
    assert answer.status == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert b"too many wrong keys" in answer.body
    assert len(balancer.events_logged("audit.login_refused")) == ATTEMPTS


async def test_logging_out_ends_the_session_for_good(balancer: RunningBalancer) -> None:
    stranger = Stranger(balancer)
    await stranger.log_in(KEY)
    token = token_of(balancer, stranger)
    answer = await stranger.post("/dashboard/logout", {"token": token})
    assert (answer.status, answer.headers["Location"]) == (303, "/dashboard/login")
    assert (await stranger.get("/dashboard")).status == 303
    assert (await stranger.get("/dashboard/changes")).status == 401


async def test_a_page_ends_with_the_key_of_its_session(balancer: RunningBalancer) -> None:
    key = Key(Principal("reader", frozenset({Scope.READ})))
    cookie = balancer.app[SESSIONS].open(key)
    async with (
        ClientSession(balancer.url, headers={"Cookie": f"{COOKIE}={cookie}"}) as session,
        session.get("/dashboard/changes") as answer,
    ):
        assert (await answer.content.readline()).startswith(b"id: ")
        key.ended.set()
        async with asyncio.timeout(20):
            await answer.content.read()
    assert (await Stranger(balancer, cookie).get("/dashboard")).status == 303


@pytest.mark.parametrize("path", ["/off", "/workers/worker-1/off", "/logout"])
async def test_a_form_of_another_site_does_nothing(balancer: RunningBalancer, path: str) -> None:
    stranger = logged_in(balancer, *(set(Scope) - {Scope.PUBLIC}), name="root")
    token = token_of(balancer, stranger)
    forgeries: list[tuple[dict[str, str], dict[str, str]]] = [
        ({}, {}),
        ({"token": "made-up"}, {}),
        ({"token": token}, {"Sec-Fetch-Site": "cross-site"}),
    ]
    for form, headers in forgeries:
        answer = await stranger.post(f"/dashboard{path}", form, **headers)
        assert answer.status == 403, answer.body
    assert balancer.balancer.status.state == "ready"
    assert balancer.app[SESSIONS].find(stranger.cookie) is not None


async def test_nobody_is_logged_in_by_another_site(balancer: RunningBalancer) -> None:
    answer = await Stranger(balancer).log_in(KEY, **{"Sec-Fetch-Site": "cross-site"})
    assert answer.status == 403
    assert "Set-Cookie" not in answer.headers


async def test_the_balancer_itself_has_a_switch(balancer: RunningBalancer) -> None:
    stranger = logged_in(balancer, Scope.READ, Scope.OPERATE, name="operator")
    form = {"token": token_of(balancer, stranger)}
    assert (await stranger.post("/dashboard/off", form)).status == 303
    assert balancer.balancer.status.state == "maintenance"
    assert b"Switch balancer on" in (await stranger.get("/dashboard")).body
    assert (await stranger.post("/dashboard/on", form)).status == 303
    assert balancer.balancer.status.state == "ready"
    assert [one["user"] for one in balancer.events_logged("audit.off")] == ["operator"]


async def test_what_a_key_may_not_do_is_not_shown_to_it(balancer: RunningBalancer) -> None:
    await balancer.worker("worker-1")
    reader = logged_in(balancer, Scope.READ)
    _ = balancer.start("nap", seconds=60)
    await balancer.until_running(1)
    for path in ("/dashboard", "/dashboard/workers/worker-1"):
        page = await reader.get(path)
        assert page.status == 200
        assert b"Switch" not in page.body
        assert b"/log" not in page.body.replace(b"/logout", b"")
        assert b'scope="row">nap<' not in page.body.split(b"Last tasks")[-1]  # it is root's task
    form = {"token": token_of(balancer, reader)}
    for path in ("/off", "/workers/worker-1/off"):
        answer = await reader.post(f"/dashboard{path}", form)
        assert answer.status == 403
        assert b"operate" in answer.body
    assert (await reader.get("/dashboard/workers/worker-1/log")).status == 403
    operator = logged_in(balancer, Scope.READ, Scope.OPERATE, name="operator")
    page = await operator.get("/dashboard")
    assert b'scope="row">nap<' in page.body
    await balancer.until_worker("worker-1", WorkerState.READY)


async def test_the_log_of_a_worker_is_shown_by_level(balancer: RunningBalancer) -> None:
    await balancer.worker("worker-1")
    operator = logged_in(balancer, Scope.READ, Scope.OPERATE)
    page = await operator.get("/dashboard/workers/worker-1/log")
    assert page.status == 200
    assert b"worker.listening" in page.body
    page = await operator.get("/dashboard/workers/worker-1/log?level=warning")
    assert b"worker.listening" not in page.body
    assert (await operator.get("/dashboard/workers/worker-1/log?level=x")).status == 400


async def test_an_unknown_worker_is_a_page_that_says_so(balancer: RunningBalancer) -> None:
    reader = logged_in(balancer, Scope.READ)
    page = await reader.get("/dashboard/workers/nobody")
    assert page.status == 404
    assert b"there is no worker" in page.body


async def test_a_worker_page_lists_tasks_that_only_the_database_holds(tmp_path: Path) -> None:
    async with running_balancer(tmp_path, HISTORY_LIMIT=1) as balancer:
        await balancer.worker("worker-1")
        ids = {}
        for mode, function, value in (
            ("async", "echo", 1),
            ("async", "fail", None),
            ("sync", "echo", 2),
        ):
            given = {"input": {"value": value}} if function == "echo" else {}
            answer = (await balancer.submit(function, mode=mode, **given)).json
            ids[mode, function] = answer["id"]
            if mode == "async":
                await balancer.get(f"/tasks/{answer['id']}", wait_s="20")
        evicted = ids["async", "echo"], ids["async", "fail"]
        assert [balancer.app[NODE].tasks._history.get(task_id) for task_id in evicted] == [
            None,
            None,
        ]
        page = await logged_in(balancer, Scope.READ, Scope.OPERATE).get(
            "/dashboard/workers/worker-1"
        )
        assert page.status == 200, page.body
        for task_id in ids.values():
            assert task_id.encode() in page.body
        assert b"it never works" in page.body
        listed = (await balancer.get("/tasks"))["tasks"]
        assert {row["id"] for row in listed} == set(ids.values())
        shown = (await balancer.get("/workers/worker-1"))["worker"]["tasks"]
        assert shown == listed


async def test_everything_works_under_a_prefix(tmp_path: Path) -> None:
    async with running_balancer(tmp_path, ROOT_PATH="/slots") as balancer:
        stranger = Stranger(balancer)
        assert (await stranger.get("/")).headers["Location"] == "/slots/dashboard"
        answer = await stranger.log_in(KEY)
        assert answer.headers["Location"] == "/slots/dashboard"
        assert "Path=/slots/dashboard" in answer.headers["Set-Cookie"]
        page = (await stranger.get("/dashboard")).body.decode()
        addresses = [
            part.split('"')[0] for part in page.replace('action="', 'href="').split('href="')
        ]
        assert [one for one in addresses[1:] if not one.startswith(("/slots/", "#"))] == []
        assert 'data-changes="/slots/dashboard/changes?' in page


async def test_pages_and_files_forbid_what_is_inline_and_what_is_elsewhere(
    balancer: RunningBalancer,
) -> None:
    stranger = Stranger(balancer)
    for path in ("/dashboard/login", *(f"/dashboard/static/{name}" for name in FILES)):
        answer = await stranger.get(path)
        assert answer.status == 200
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert (await stranger.get("/dashboard/static/..%2Froutes.py")).status == 404
    assert (await stranger.get("/dashboard/static/LICENSE")).status == 404
