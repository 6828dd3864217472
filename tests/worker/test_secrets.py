"""Secrets: inputs that are `Secret`, and the environment's, are nowhere but where they are used."""

from pathlib import Path

import pytest

from tests.harness.in_process.worker import RunningWorker, browserless_worker

PASSWORD = "correct-horse-battery"
TOKEN = "staple-of-the-environment"

LEAKS = """
    import structlog

    log = structlog.get_logger()

    @function(streaming=True, secrets=("SITE_TOKEN",), output={"type": "object"})
    async def leaks(context: Context, password: Secret, how: str = "") -> object:
        token = context.secrets["SITE_TOKEN"]
        said = f"{password} and {token}"
        await context.status(said)
        await context.progress(said, fraction=0.1)
        await context.log(said)
        await context.stream(said)
        await context.emit("note", said, {"list": [said], said: 1, "password": password})
        artifact = await context.save(f"{password}.txt", "what is inside is the author's own")
        log.info("leaks.logged", said=said, nested={"deep": [token]})
        try:
            raise KeyError(password)
        except KeyError as cause:
            if how == "raise":
                raise ValueError(said) from cause
            if how == "output":
                return said
            if how == "call":
                return await context.call("leaks", {"password": password, "how": "raise"})
        return {"artifact": artifact.name}
"""
CALLER = f"""
    @function()
    async def caller(context: Context) -> str:
        # Only the called function says that this is a secret.
        try:
            await context.call("called", {{"password": "{PASSWORD}"}})
        except ValueError as error:
            await context.log(str(error))
            raise
        return "done"
"""
CALLED = """
    @function()
    async def called(context: Context, password: Secret) -> None:
        await context.log(password)
        raise ValueError(password)
"""


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITE_TOKEN", TOKEN)


async def _all_that_is_shown(worker: RunningWorker, task_id: str) -> bytes:
    """Everything that anyone with a key can read of the task and in the logs."""
    paths = (
        f"/tasks/{task_id}",
        "/tasks",
        f"/tasks/{task_id}/events",
        f"/tasks/{task_id}/logs",
        f"/tasks/{task_id}/artifacts",
        "/logs",
        "/health",
        "/metrics",
    )
    shown = b""
    for path in paths:
        answer = await worker.request("GET", path)
        assert answer.status == 200
        shown += answer.body
    return shown


@pytest.mark.parametrize("how", ["", "raise", "output", "call"])
async def test_secrets_are_nowhere_but_in_the_function(tmp_path: Path, how: str) -> None:
    async with browserless_worker(tmp_path, {"leaks.py": LEAKS}) as worker:
        answer = await worker.submit("leaks", input={"password": PASSWORD, "how": how})
        assert answer.status == (200 if how == "" else 500)
        task_id = answer.json.get("id") or answer.json["task_id"]
        shown = answer.body + await _all_that_is_shown(worker, task_id)
        assert PASSWORD.encode() not in shown
        assert TOKEN.encode() not in shown
        assert worker.events_logged("leaks.logged") == []
        logged = "INFO leaks.logged said='[redacted] and [redacted]' nested={'deep': ["
        assert f"{logged}'[redacted]']}}" in await worker.log_of(task_id)


async def test_a_stream_hides_the_secrets_and_keeps_what_stands_beside_them(
    tmp_path: Path,
) -> None:
    async with browserless_worker(tmp_path, {"leaks.py": LEAKS}) as worker:
        events = await worker.stream("leaks", password=PASSWORD)
        assert events[0] == ("status", {"text": "[redacted] and [redacted]", "data": None})
        kind, artifact = events[5]
        assert kind == "artifact"
        assert artifact["data"]["size"] == 34
        assert PASSWORD not in str(events)
        assert TOKEN not in str(events)


async def test_what_only_a_called_function_calls_secret_is_hidden_from_then_on(
    tmp_path: Path,
) -> None:
    functions = {"caller.py": CALLER, "called.py": CALLED}
    async with browserless_worker(tmp_path, functions) as worker:
        problem = await worker.problem("caller")
        # The caller's own source holds the value, and so does the line that the traceback shows.
        assert problem["detail"] == "caller failed: ValueError: [redacted]"
        shown = await _all_that_is_shown(worker, problem["task_id"])
        assert PASSWORD.encode() not in shown


async def test_an_input_that_is_refused_does_not_show_its_secret(tmp_path: Path) -> None:
    functions = {
        "strict.py": """
            from typing import Annotated

            Short = Annotated[Secret, Meta(max_length=3)]

            @function()
            async def strict(context: Context, password: Short) -> None:
                pass
        """
    }
    async with browserless_worker(tmp_path, functions) as worker:
        answer = await worker.submit("strict", input={"password": PASSWORD})
        assert answer.status == 400
        assert answer.json["errors"][0]["pointer"] == "/input/password"
        assert PASSWORD.encode() not in answer.body
        assert PASSWORD.encode() not in (await worker.request("GET", "/logs")).body


async def test_the_secrets_of_a_function_left_behind_stay_hidden(tmp_path: Path) -> None:
    stop = tmp_path / "stop"
    functions = {
        "stubborn.py": f"""
            import asyncio
            from pathlib import Path
            import structlog

            @function()
            async def stubborn(context: Context, password: Secret) -> None:
                while not Path("{stop}").exists():
                    try:
                        await asyncio.sleep(0.05)
                    except asyncio.CancelledError:
                        pass
                structlog.get_logger().info("stubborn.ends", password_was=password)
        """
    }
    async with browserless_worker(tmp_path, functions) as worker:
        body = {"function": "stubborn", "input": {"password": PASSWORD}, "timeout_s": 0.2}
        assert (await worker.request("POST", "/task", json=body)).status == 504
        await worker.idle()
        stop.touch()
        while not (lines := worker.events_logged("stubborn.ends")):
            await worker.get("/health")
        assert lines[0]["password_was"] == "[redacted]"
        # Nobody is left who knows it, so nothing is searched for any more.
        assert PASSWORD not in worker.redactor.known.whole


async def test_a_task_with_secrets_garbles_no_other_tasks_words(tmp_path: Path) -> None:
    functions = {
        "keeps.py": """
            @function()
            async def keeps(context: Context, password: Secret) -> str:
                return await context.call("talks")
        """,
        "talks.py": """
            @function(streaming=True)
            async def talks(context: Context) -> str:
                await context.status("a common word")
                return "a common word"
        """,
    }
    async with browserless_worker(tmp_path, functions) as worker:
        assert await worker.call("keeps", password="common") == "a common word"
        events = await worker.stream("talks")
        assert events[0] == ("status", {"text": "a common word", "data": None})


async def test_a_plain_functions_secrets_are_hidden_too(tmp_path: Path) -> None:
    functions = {
        "plain.py": """
            import sys

            @function(secrets=("SITE_TOKEN",))
            def plain(context: Context, password: Secret) -> None:
                said = password + " and " + context.secrets["SITE_TOKEN"]
                print(said)
                print(said, file=sys.__stderr__)
                context.status(said)
                raise ValueError(said)
        """
    }
    async with browserless_worker(tmp_path, functions) as worker:
        problem = await worker.problem("plain", password=PASSWORD)
        assert problem["detail"] == "plain failed: ValueError: [redacted] and [redacted]"
        shown = await _all_that_is_shown(worker, problem["task_id"])
        assert PASSWORD.encode() not in shown
        assert TOKEN.encode() not in shown


async def test_a_missing_environment_variable_is_told_and_the_function_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SITE_TOKEN")
    async with browserless_worker(tmp_path, {"leaks.py": LEAKS}) as worker:
        answer = await worker.submit("leaks", input={"password": PASSWORD})
        assert answer.status == 404
        [broken] = (await worker.get("/health"))["broken"]
        assert broken["path"] == "leaks.py"
        assert "SITE_TOKEN" in broken["error"]


WAYS = """
    import base64, json
    from urllib.parse import quote

    @function(streaming=True, secrets=("SITE_TOKEN",), output={"title": "anything"})
    async def ways(context: Context, how: str) -> object:
        token = context.secrets["SITE_TOKEN"]
        match how:
            case "stream":
                for piece in ("begin ", token[:7], token[7:9], token[9:], " end ", token[:5]):
                    await context.stream(piece)
                    await context.status("beside")
                return None
            case "cut":
                raise ValueError("x" * 480 + token)
            case "traceback":
                raise ValueError("x" * 30_000 + token * 200 + "y" * 100_000)
            case "long line":
                await context.log("x" * 16_375 + token)
            case "output":
                return [token, {"token": "mine", token: quote(token)}, "Basic "
                        + base64.b64encode(b"user:" + token.encode()).decode(), 17]
"""


@pytest.mark.parametrize("accept", ["text/event-stream", "application/x-ndjson", "text/plain"])
async def test_a_secret_in_pieces_of_a_stream_is_hidden(tmp_path: Path, accept: str) -> None:
    async with browserless_worker(tmp_path, {"ways.py": WAYS}) as worker:
        body = {"function": "ways", "mode": "stream", "input": {"how": "stream"}}
        answer = await worker.request("POST", "/task", json=body, headers={"Accept": accept})
        assert answer.status == 200
        for piece in ("staple-", "of", "-the-environment"):
            assert piece.encode() not in answer.body.replace(b"[redacted]", b"")
        if accept == "text/plain":
            # A part of a secret is none: what the function ended with is shown.
            assert answer.body == b"begin [redacted] end stapl"


async def test_a_result_is_without_the_secrets_that_its_function_names(tmp_path: Path) -> None:
    async with browserless_worker(tmp_path, {"ways.py": WAYS}) as worker:
        answer = await worker.submit("ways", input={"how": "output"})
        [first, second, third, number] = answer.json["result"]
        assert first == "[redacted]"
        assert second == {"token": "mine", "[redacted]": "[redacted]"}
        assert third.startswith("Basic ")
        assert "[redacted]" in third
        assert number == 17
        assert TOKEN.encode() not in await _all_that_is_shown(worker, answer.json["id"])


async def test_a_short_secret_stays_where_a_result_has_it_by_chance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SITE_TOKEN", "seven77")
    functions = {
        "shows.py": """
            @function(secrets=("SITE_TOKEN",))
            async def shows(context: Context, password: Secret) -> list[str]:
                return ["a picture with seven77 in it", "seven77", password]
        """
    }
    async with browserless_worker(tmp_path, functions) as worker:
        shown = await worker.call("shows", password=PASSWORD)
        assert shown == ["a picture with seven77 in it", "[redacted]", PASSWORD]


@pytest.mark.parametrize("how", ["cut", "traceback", "long line"])
async def test_no_part_of_a_secret_is_left_where_a_text_is_cut(tmp_path: Path, how: str) -> None:
    async with browserless_worker(tmp_path, {"ways.py": WAYS}) as worker:
        answer = await worker.submit("ways", input={"how": how})
        task_id = answer.json.get("id") or answer.json["task_id"]
        shown = answer.body + await _all_that_is_shown(worker, task_id)
        assert TOKEN[:4].encode() not in shown
        assert b"environment" not in shown
