"""What goes wrong anywhere becomes a problem in one place."""

import logging
from collections.abc import Awaitable, Callable

import orjson
import pytest
import structlog
from aiohttp import ClientError, web
from aiohttp.test_utils import TestClient, make_mocked_request
from aiohttp.typedefs import Handler

from slotgrid.core.errors import Conflict, NoWorker, OverQuota, Unauthorized, WaitExceeded
from slotgrid.intake.problems import BEGUN, answer_to, problem_response

Client = TestClient[web.Request, web.Application]


@pytest.mark.parametrize(
    ("status", "name"),
    [(403, "forbidden"), (404, "not-found"), (406, "invalid-request"), (502, "internal")],
)
def test_what_the_server_library_refuses_is_told_in_our_words(status: int, name: str) -> None:
    class Refusal(web.HTTPException):
        status_code = status

    answer = answer_to(Refusal(text="for a reason"), make_mocked_request("GET", "/path"))
    assert isinstance(answer.body, bytes)
    assert orjson.loads(answer.body)["type"] == f"/problems/{name}"


def test_429_and_503_always_say_when_to_come_back() -> None:
    assert problem_response(OverQuota("too much", retry_after_s=7)).headers["Retry-After"] == "7"
    assert int(problem_response(NoWorker("nobody")).headers["Retry-After"]) > 0
    assert "Retry-After" not in problem_response(Conflict("no"))
    assert problem_response(WaitExceeded("late", retry_after_s=2)).headers["Retry-After"] == "2"


def test_401_says_how_to_show_a_key() -> None:
    assert problem_response(Unauthorized("no key")).headers["WWW-Authenticate"].startswith("Bearer")


def test_half_a_surrogate_pair_in_an_error_is_no_second_error() -> None:
    assert b"\xef\xbf\xbd" in bytes(problem_response(Conflict("half: \ud800")).body or b"")  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [ConnectionResetError(), Conflict("too late"), ValueError()])
async def test_a_stream_that_breaks_is_cut_and_only_a_defect_is_logged(
    error: Exception,
    aiohttp_client: Callable[[web.Application], Awaitable[Client]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    @web.middleware
    async def answering(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Exception as raised:
            return answer_to(raised, request)

    async def breaking(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        request[BEGUN] = True
        await response.prepare(request)
        await response.write(b"a piece")
        raise error

    app = web.Application(middlewares=[answering])
    app.router.add_get("/", breaking)
    client = await aiohttp_client(app)
    with structlog.testing.capture_logs() as logged:
        async with client.get("/") as answer:
            assert answer.status == 200
            with pytest.raises(ClientError):
                await answer.read()
    assert [line["event"] for line in logged] == (
        ["request.defect"] if isinstance(error, ValueError) else []
    )
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
