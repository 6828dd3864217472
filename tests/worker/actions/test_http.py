"""HTTP requests without a browser."""

import base64
import gzip
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from tests.site.transfers import SAMPLES
from tests.slotgrid.conftest import certificate
from tests.worker.actions.conftest import World

__all__ = ["certificate"]

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _echo(request: web.Request) -> web.Response:
    """What arrived."""
    return web.json_response(
        {
            "method": request.method,
            "headers": {name.lower(): value for name, value in request.headers.items()},
            "body": (await request.read()).decode("latin-1"),
            "path": request.path_qs,
        }
    )


async def _cut(request: web.Request) -> web.StreamResponse:
    """Half of an answer."""
    response = web.StreamResponse(headers={"Content-Length": "100"})
    await response.prepare(request)
    await response.write(b"half")
    assert request.transport is not None
    request.transport.close()
    return response


async def _deletes(_request: web.Request) -> web.Response:
    """An answer that removes a cookie, and sets one for another site."""
    response = web.Response()
    response.del_cookie("session")
    response.set_cookie("theirs", "x", domain="example.org")
    return response


ODD: dict[str, dict[str, Any]] = {
    "to-script": {"status": 302, "headers": {"Location": "javascript:alert(1)"}},
    "to-nowhere": {"status": 302},
    "gzip": {"body": gzip.compress(b"a" * 100_000), "headers": {"Content-Encoding": "gzip"}},
    "no-type": {"body": "Größe".encode(), "headers": {"Content-Type": ""}},
    "bad-json": {"text": "{", "content_type": "application/json"},
    "binary": {"body": bytes(range(256)), "content_type": "application/octet-stream"},
}


async def _odd(request: web.Request) -> web.Response:
    """Answers as some servers give them."""
    return web.Response(**ODD[request.match_info["kind"]])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def echo() -> AsyncIterator[str]:
    """The address of a server that says what arrived."""
    app = web.Application()
    app.router.add_route("*", "/echo", _echo)
    app.router.add_get("/odd/cut", _cut)
    app.router.add_get("/odd/deletes", _deletes)
    app.router.add_get("/odd/{kind}", _odd)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def requested(world: World, url: str, **given: Any) -> Any:
    (answer,) = await world.commands(("http_request", {"url": url, **given}))
    return answer


async def test_http_request(world: World) -> None:
    (answer,) = await world.example("http_request")
    assert answer["status"] == 200
    assert answer["url"] == world.site.at("/catalogue")
    assert answer["headers"]["content-type"] == "text/html; charset=utf-8"
    assert "<title>" in answer["text"]
    assert not answer["truncated"]


@pytest.mark.parametrize(
    ("given", "kind", "body"),
    [
        ({"body": "Größe"}, "text/plain; charset=utf-8", "GrÃ¶Ã\x9fe"),
        ({"json": {"a": [1]}}, "application/json", '{"a":[1]}'),
        ({"form": {"a": "b c", "d": "&"}}, "application/x-www-form-urlencoded", "a=b+c&d=%26"),
        ({"body_base64": "AAH/"}, "application/octet-stream", "\0\x01\xff"),
        ({"body": "<a/>", "headers": {"Content-Type": "text/xml"}}, "text/xml", "<a/>"),
    ],
)
async def test_bodies(world: World, echo: str, given: Any, kind: str, body: str) -> None:
    answer = await requested(world, f"{echo}/echo", method="PUT", **given)
    arrived = answer["json"]
    assert arrived["method"] == "PUT"
    assert arrived["body"] == body
    assert arrived["headers"]["content-type"] == kind


async def test_one_body_alone_and_no_header_of_the_transport(world: World, echo: str) -> None:
    request = {"url": f"{echo}/echo"}
    failure = await world.failure(("http_request", {**request, "body": "a", "form": {}}))
    assert "give one of `body`, `json`, `form` and `body_base64`" in failure
    failure = await world.failure(("http_request", {**request, "headers": {"Host": "x"}}))
    assert "the header Host is set by the request itself" in failure


@pytest.mark.parametrize(
    ("code", "method", "arrives"),
    [(302, "POST", "GET"), (303, "PUT", "GET"), (307, "POST", "POST"), (308, "PUT", "PUT")],
)
async def test_redirects_are_followed_as_browsers_do(
    world: World, echo: str, code: int, method: str, arrives: str
) -> None:
    start = world.site.at(f"/redirect/{code}?to={echo}/echo%23part")
    headers = {"Authorization": "Bearer x", "X-Own": "kept"}
    answer = await requested(world, start, method=method, headers=headers, body="data")
    assert answer["json"]["method"] == arrives
    assert answer["json"]["body"] == ("" if arrives == "GET" else "data")
    assert "authorization" not in answer["json"]["headers"]
    assert answer["json"]["headers"]["x-own"] == "kept"
    assert answer["redirects"] == [start]
    assert answer["url"] == f"{echo}/echo#part"


async def test_a_redirect_may_be_the_answer(world: World) -> None:
    answer = await requested(world, world.site.at("/redirect/302"), follow_redirects=False)
    assert (answer["status"], answer["headers"]["location"]) == (302, "/arrived")


async def test_redirects_without_an_end_or_a_target(world: World, echo: str) -> None:
    failure = await world.failure(("http_request", {"url": world.site.at("/redirect/loop")}))
    assert "redirects more than 10 times" in failure
    failure = await world.failure(("http_request", {"url": f"{echo}/odd/to-script"}))
    assert "redirects to javascript:alert(1), which is not HTTP" in failure
    assert (await requested(world, f"{echo}/odd/to-nowhere"))["status"] == 302


async def test_a_login_in_the_address_is_for_its_origin(world: World, echo: str) -> None:
    login = world.site.url.replace("http://", "http://reader:open%20sesame@")
    assert (await requested(world, f"{login}/basic-auth"))["status"] == 200
    away = await requested(world, f"{login}/redirect/307?to={echo}/echo")
    assert "authorization" not in away["json"]["headers"]


async def test_forbidden_addresses_are_refused_in_words(world: World) -> None:
    failure = await world.failure(("http_request", {"url": "http://10.0.0.1/"}))
    assert "10.0.0.1:80 is closed to pages (private)" in failure
    moved = world.site.at("/redirect/302?to=http://169.254.169.254/latest")
    failure = await world.failure(("http_request", {"url": moved}))
    assert "169.254.169.254:80 is closed to pages (metadata)" in failure
    failure = await world.failure(("http_request", {"url": "https://10.0.0.1/"}))
    assert "is closed to pages (private)" in failure


async def test_addresses_where_nothing_answers(world: World) -> None:
    failure = await world.failure(("http_request", {"url": "http://127.0.0.1:9/"}))
    assert "nothing listens there" in failure
    failure = await world.failure(("http_request", {"url": "http://nowhere.invalid/"}))
    assert "its host name is not known" in failure
    failure = await world.failure(("http_request", {"url": "http://[x/"}))
    assert "is not a valid address" in failure


async def test_certificates_are_checked_unless_told_not_to(
    world: World, certificate: tuple[Path, Path]
) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(*certificate)
    app = web.Application()
    app.router.add_get("/echo", _echo)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        url = f"https://127.0.0.1:{runner.addresses[0][1]}/echo"
        failure = await world.failure(("http_request", {"url": url}))
        assert "its certificate is not valid: " in failure
        assert (await requested(world, url, ignore_tls_errors=True))["status"] == 200
    finally:
        await runner.cleanup()


async def test_time_limits_say_what_was_waited_for(world: World) -> None:
    for path in ("/slow/hang", "/slow/stalled-body"):
        url = world.site.at(path)
        failure = await world.failure(("http_request", {"url": url, "timeout_s": 0.3}))
        assert f"the answer to GET {url}: not within 0.3 s" in failure


async def test_bodies_are_bounded(world: World, echo: str) -> None:
    answer = await requested(world, world.site.at("/slow/endless-body"), max_body_bytes=1000)
    assert answer["truncated"]
    assert answer["size"] == 1000
    unpacked = await requested(world, f"{echo}/odd/gzip", max_body_bytes=5000)
    assert (unpacked["text"], unpacked["truncated"]) == ("a" * 5000, True)
    cut = await requested(world, f"{echo}/odd/no-type", max_body_bytes=3)
    assert (cut["text"], cut["truncated"]) == ("Gr", True)


async def test_bodies_of_all_kinds(world: World, echo: str) -> None:
    assert (await requested(world, f"{echo}/odd/no-type"))["text"] == "Größe"
    binary = await requested(world, f"{echo}/odd/binary")
    assert binary["text"] is None
    assert base64.b64decode(binary["base64"]) == bytes(range(256))
    broken = await requested(world, f"{echo}/odd/bad-json")
    assert (broken["text"], broken["json"]) == ("{", None)


@pytest.mark.parametrize("charset", SAMPLES)
async def test_text_is_in_the_encoding_of_the_header_or_the_page(
    world: World, charset: str
) -> None:
    for told_by in ("header", "meta"):
        page = await requested(world, world.site.at(f"/encoded/{charset}/{told_by}"))
        assert f"<p>{SAMPLES[charset].text}</p>" in page["text"]


async def test_a_body_that_breaks_off_is_no_answer(world: World, echo: str) -> None:
    failure = await world.failure(("http_request", {"url": f"{echo}/odd/cut"}))
    assert "the connection was cut within its body" in failure


async def test_a_body_may_become_an_artifact(world: World, echo: str) -> None:
    url = f"{echo}/odd/gzip"
    answer = await requested(world, url, path="a.txt")
    assert answer["text"] is None
    assert answer["file"]["size"] == 100_000
    failure = await world.failure(
        ("http_request", {"url": url, "path": "a.txt", "max_body_bytes": 10})
    )
    assert "raise `max_body_bytes`" in failure


async def test_cookies_are_those_of_the_browser_only_when_asked(world: World) -> None:
    _, without, with_them, after = await world.commands(
        ("goto", {"url": world.site.at("/cookies/set?a=1&http_only=1")}),
        ("http_request", {"url": world.site.at("/cookies")}),
        (
            "http_request",
            {
                "url": world.site.at("/login"),
                "method": "POST",
                "form": {"user": "reader", "password": "open sesame"},
                "cookies": True,
            },
        ),
        ("goto", {"url": world.site.at("/account")}),
    )
    assert "{}" in without["text"]
    assert "Hello, reader" in with_them["text"]  # the cookie of the redirect came along
    assert after["title"] == "Account"


async def test_an_answer_removes_cookies_and_sets_none_of_other_sites(
    world: World, echo: str
) -> None:
    *_, answer = await world.commands(
        (
            "http_request",
            {
                "url": world.site.at("/login"),
                "method": "POST",
                "form": {"user": "reader", "password": "open sesame"},
                "cookies": True,
            },
        ),
        ("http_request", {"url": f"{echo}/odd/deletes", "cookies": True}),
        ("http_request", {"url": f"{echo}/echo", "cookies": True}),
    )
    assert "cookie" not in answer["json"]["headers"]
