"""What goes wrong anywhere becomes a problem in one place."""

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from slotgrid.core.errors import Conflict, NoWorker, OverQuota, Unauthorized, WaitExceeded
from slotgrid.intake.problems import answer_to, problem_response


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


def test_a_caller_who_has_left_is_no_defect() -> None:
    with pytest.raises(ConnectionResetError):
        answer_to(ConnectionResetError(), make_mocked_request("GET", "/path"))
