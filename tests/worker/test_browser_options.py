"""The `browser` field and logins in addresses on a whole worker: nothing secret is shown."""

import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from tests.harness.in_process.worker import RunningWorker, running_worker
from tests.harness.peers.forward_proxy import forward_proxy
from tests.harness.peers.receivers import receiver
from tests.site.fixtures import Site, running_site
from tests.site.sessions import USER

pytestmark = pytest.mark.asyncio(loop_scope="module")

FOLDER = Path(__file__).parents[2] / "functions"
SECRETS = {
    "header": "header-value-1",
    "cookie": "cookie-value-2",
    "basic": "basic-value-3",
    "proxy": "proxy-value-4",
    "stored": "stored-value-5",
    "local": "local-value-6",
    "url": "url%2Bvalue-7",
    "decoded": "url+value-7",
}
TALKS = '''
from slotgrid.function import Context, UrlWithPassword, function
from worker.pages.browser_options import Browser

@function(streaming=True, on_failure=("html", "trace"))
async def talks(context: Context, url: UrlWithPassword, browser: Browser = None) -> str:
    """Says all that it was given, and fails."""
    said = f"{url} {browser}"
    await context.log(said)
    await context.status(said)
    await context.emit("note", said, {"url": url, "cookies": [c.value for c in browser.cookies]})
    await context.stream(said)
    await context.save(f"{browser.headers['X-Key']}.txt", "the author's own")
    raise ValueError(said)
'''


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def worker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningWorker]:
    shipped = {str(one.relative_to(FOLDER)): one.read_text() for one in FOLDER.glob("*.py")}
    async with running_worker(
        tmp_path_factory.mktemp("options"),
        {**shipped, "talks.py": TALKS},
        SLOTS=2,
        ALLOWED_PRIVATE_NETWORKS="127.0.0.1",
    ) as worker:
        assert worker.worker.registry.broken == ()
        yield worker


@pytest_asyncio.fixture(loop_scope="module")
async def site() -> AsyncIterator[Site]:
    async with running_site() as site:
        yield site


async def shown(worker: RunningWorker, task_id: str) -> str:
    """Everything that anyone with a key can read of the task and in the logs."""
    below = f"/tasks/{task_id}"
    paths = (below, "/tasks", f"{below}/events", f"{below}/logs", f"{below}/artifacts", "/logs")
    answers = [await worker.request("GET", path) for path in paths]
    assert {answer.status for answer in answers} == {200}
    return "".join(answer.body.decode() for answer in answers)


def block() -> dict[str, object]:
    item = {"name": "k", "value": SECRETS["local"]}
    cookie = {"name": "s", "value": SECRETS["stored"], "domain": "x.example", "path": "/"}
    return {
        "headers": {"X-Key": SECRETS["header"]},
        "cookies": [{"name": "c", "value": SECRETS["cookie"]}, {"name": "short", "value": "true"}],
        "credentials": {"username": "u", "password": SECRETS["basic"]},
        "proxy": {"server": f"http://pu:{SECRETS['proxy']}@127.0.0.1:3128"},
        "storage_state": {
            "cookies": [cookie],
            "origins": [{"origin": "http://x.example", "localStorage": [item]}],
        },
    }


@pytest.mark.parametrize("mode", ["sync", "stream", "async"])
async def test_nothing_secret_is_shown(worker: RunningWorker, mode: str) -> None:
    url = f"http://ann:{SECRETS['url']}@127.0.0.1:1/"
    given = {"url": url, "browser": block()}
    answer = await worker.submit("talks", input=given, mode=mode)
    await worker.idle()
    listed = await worker.get("/tasks", function="talks", limit="1")
    task_id = listed["tasks"][0]["id"] if "tasks" in listed else listed["items"][0]["id"]
    text = answer.body.decode() + await shown(worker, task_id)
    for which, secret in SECRETS.items():
        assert secret not in text, which
    task = await worker.task(task_id)
    assert task["input"]["url"] == "http://ann:[redacted]@127.0.0.1:1/"
    assert task["input"]["browser"]["proxy"]["server"] == "http://pu:[redacted]@127.0.0.1:3128"
    assert task["input"]["browser"]["headers"] == {"X-Key": "[redacted]"}
    assert task["artifacts"][0]["name"] == "redacted.txt"


async def test_a_login_in_the_address_is_used_and_not_shown(
    worker: RunningWorker, site: Site
) -> None:
    url = site.at("/basic-auth").replace("://", f"://{USER}:open%20sesame@")
    for name, given in (
        ("page_title", {}),
        ("crawl", {"max_pages": 1}),
        ("extract", {"item": "h1", "fields": {"text": "h1"}}),
        ("page_text", {}),
        ("pdf", {}),
        ("screenshot", {}),
    ):
        answer = await worker.submit(name, input={"url": url, **given})
        assert answer.status == 200, answer.body
        text = answer.body.decode() + await shown(worker, answer.json["id"])
        assert "sesame" not in text, name
        assert (await worker.task(answer.json["id"]))["input"]["url"].startswith(
            f"http://{USER}:[redacted]@127.0.0.1"
        )
    assert "Hello, reader" in str(await worker.call("page_text", url=url, selector="h1"))
    closed = await worker.submit("page_title", input={"url": "http://ann:x@127.0.0.1:1/"})
    assert ":x@" not in closed.body.decode() + await shown(worker, closed.json["task_id"])


async def test_options_that_cannot_be_fulfilled_are_invalid_inputs(worker: RunningWorker) -> None:
    url = "http://127.0.0.1:1/"
    for given, pointer, message in (
        ({"timezone": "Mars/Base"}, "timezone", "Invalid timezone ID: Mars/Base"),
        ({"locale": "de-"}, "locale", "does not match"),
        ({"locale": "abcdefgh-x"}, "locale", "Invalid locale name"),
        ({"headers": {"Host": "x"}}, "", "`headers`: the browser itself sets 'Host'"),
        ({"headers": {"Cookie": "x"}}, "", "`headers`: use `cookies` instead of 'Cookie'"),
        ({"proxy": {"server": "http://10.0.0.1:1"}}, "proxy/server", "ALLOWED_PRIVATE_NETWORKS"),
        ({"proxy": {"server": "socks5://a:b@127.0.0.1"}}, "proxy", "at a socks5 proxy"),
        ({"proxy": {"server": "127.0.0.1:1"}}, "proxy/server", "does not match"),
        ({"storage_state": "/etc/passwd"}, "storage_state", "object"),
        ({"cookies": [{"name": "a", "value": "b", "path": "y"}]}, "cookies/0/path", "match"),
        ({"viewports": {}}, "", "('viewports' was unexpected)"),
    ):  # fmt: skip
        problem = await worker.problem("page_title", 400, url=url, browser=given)
        assert problem["type"] == "/problems/invalid-input", given
        (fault,) = problem["errors"]
        assert fault["pointer"] == f"/input/browser/{pointer}".rstrip("/"), given
        assert message in fault["message"], given


async def test_a_proxy_at_an_allowed_address_is_used(worker: RunningWorker, site: Site) -> None:
    async with forward_proxy(login=f"pu:{SECRETS['proxy']}") as proxy:
        server = f"http://pu:{SECRETS['proxy']}@127.0.0.1:{proxy.port}"
        given = {"url": site.at("/arrived"), "browser": {"proxy": {"server": server}}}
        answer = await worker.submit("page_title", input=given)
        assert answer.json["result"]["title"] == "Arrived"
        assert site.url.removeprefix("http://") in proxy.asked  # a tunnel to the checked address
        assert SECRETS["proxy"] not in await shown(worker, answer.json["id"])


async def test_rendered_files_are_reached_past_a_proxy(worker: RunningWorker) -> None:
    async with forward_proxy() as proxy:
        block = {"proxy": {"server": f"http://127.0.0.1:{proxy.port}"}, "locale": "fr-FR"}
        files = {"index.html": "<script>document.title = navigator.language</script>"}
        assert (await worker.call("render", files=files, browser=block))["title"] == "fr-FR"
        assert proxy.asked == []


async def test_a_certificate_that_is_not_valid_can_be_ignored(
    worker: RunningWorker, tmp_path: Path
) -> None:
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-keyout", str(key), "-out", str(chain)),
        ],
        check=True,
        capture_output=True,
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(chain, key)

    async def secure(_: web.Request) -> web.Response:
        return web.Response(text="<title>Secure</title>", content_type="text/html")

    async with receiver(secure, tls=tls) as server:
        refused = await worker.problem("page_title", url=server.url)
        assert "its certificate is not valid" in refused["detail"]
        assert "`ignore_tls_errors`" in refused["detail"]
        block = {"ignore_tls_errors": True}
        assert (await worker.call("page_title", url=server.url, browser=block))["title"] == "Secure"
