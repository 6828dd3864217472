"""Calls of hooks: who is let in, what the task gets, and what the sender is answered."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from standardwebhooks import Webhook as Signer

from balancer.api import hooks as api
from balancer.hooks import hooks as service
from tests.balancer.flows.flow_folder import ended
from tests.harness.calls import Answer
from tests.harness.in_process.balancer import RunningBalancer, running_balancer
from tests.harness.waiting import until

SECRET = "a-long-secret-of-a-sender"
OTHER = "whsec_" + base64.b64encode(b"the key of standard webhooks").decode()
FILE = f"""
- {{name: plain, function: echo, verify: bearer, secret: {SECRET}, input: body}}
- {{name: waits, function: echo, verify: bearer, secret: {SECRET}, input: body, mode: sync}}
- {{name: whole, function: all, verify: bearer, secret: {SECRET}}}
- {{name: hub, function: all, verify: github, secret: [{SECRET}, another-secret-of-it]}}
- {{name: signed, function: echo, verify: standard-webhooks, secret: {OTHER}, input: body}}
- {{name: naps, function: nap, verify: bearer, secret: {SECRET}, input: body, mode: sync}}
- {{name: fails, function: fail, verify: bearer, secret: {SECRET}, input: body, mode: sync}}
- {{name: fixed, function: all, verify: bearer, secret: {SECRET}, defaults: {{body: 1, a: 2}}}}
- {{name: naming, function: echo, verify: bearer, secret: {SECRET}, input: body,
   defaults: {{value: 5}}}}
- {{name: off, function: echo, verify: bearer, secret: {SECRET}, input: body, enabled: false}}
- {{name: gone, function: nowhere, verify: bearer, secret: {SECRET}, input: body}}
"""
FLOW = """
kind: flow
input:
  body: any
  headers: object
  method: string
  query: object
  a: {type: any, required: false}
steps:
  - {name: all, function: echo, with: {value: "{{ input }}"}}
"""


def write(balancer: RunningBalancer, text: str) -> None:
    file = balancer.balancer.settings.hooks_file
    partial = file.with_suffix(".new")
    partial.write_text(text)
    partial.rename(file)


@asynccontextmanager
async def with_hooks(folder: Path, text: str = FILE) -> AsyncIterator[RunningBalancer]:
    flows = folder / "flows"
    flows.mkdir(exist_ok=True)
    (flows / "all.yaml").write_text(FLOW)
    (folder / "hooks.yaml").write_text(text)
    async with running_balancer(
        folder, FUNCTIONS_DIR=flows, HOOKS_FILE=folder / "hooks.yaml"
    ) as balancer:
        await balancer.worker()
        yield balancer


@pytest.fixture
async def balancer(tmp_path: Path) -> AsyncIterator[RunningBalancer]:
    async with with_hooks(tmp_path) as running:
        yield running


async def post(
    balancer: RunningBalancer, name: str, data: Any = b'{"value": 1}', **headers: str
) -> Answer:
    """A call without a key; underscores of header names are dashes."""
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    if "Content-Type" not in named and isinstance(data, bytes):
        named["Content-Type"] = "application/json"
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{balancer.url}/hooks/{name}", data=data, headers=named) as answer,
    ):
        return Answer(answer.status, dict(answer.headers), await answer.read())


def bearer(**more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {SECRET}", **more}


def github(body: bytes, secret: str = SECRET, **more: str) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X_Hub_Signature_256": f"sha256={digest}", "X_GitHub_Event": "push", **more}


def signed(body: str, message: str = "msg_1", *, ago_s: float = 0) -> dict[str, str]:

    at = datetime.fromtimestamp(time.time() - ago_s, UTC)
    return {
        "webhook_id": message,
        "webhook_timestamp": str(int(at.timestamp())),
        "webhook_signature": Signer(OTHER).sign(message, at, body),
    }


async def tasks_of(balancer: RunningBalancer) -> int:
    return int((await balancer.get("/tasks"))["total"])


async def test_a_call_starts_a_task_of_the_owner_once(balancer: RunningBalancer) -> None:
    answer = await post(balancer, "plain", **bearer(Idempotency_Key="one"))
    assert answer.status == 202, answer.body
    assert answer.headers["Location"] == f"/tasks/{answer.json['id']}"
    task = await ended(balancer, answer.json["id"])
    assert (task["result"], task["owner"]) == (1, "root")
    assert task["source"] == {"kind": "hook", "id": "plain"}
    (started,) = balancer.events_logged("hook.started")
    assert (started["hook"], started["task_id"]) == ("plain", task["id"])
    again = await post(balancer, "plain", **bearer(Idempotency_Key="one"))
    assert (again.status, again.json["id"]) == (202, task["id"])
    both = await asyncio.gather(
        *(post(balancer, "plain", **bearer(Idempotency_Key="two")) for _ in range(8))
    )
    assert len({one.json["id"] for one in both}) == 1
    assert await tasks_of(balancer) == 2
    other = await post(balancer, "plain", b'{"value": 2}', **bearer(Idempotency_Key="one"))
    assert (other.status, other.json["type"]) == (409, "/problems/conflict")


async def test_a_sender_that_waits_gets_the_result_or_the_problem(
    balancer: RunningBalancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = await post(balancer, "waits", **bearer(Idempotency_Key="a"))
    assert (answer.status, answer.json["result"]) == (200, 1)
    again = await post(balancer, "waits", **bearer(Idempotency_Key="a"))
    assert (again.status, again.json["id"]) == (200, answer.json["id"])
    failed = await post(balancer, "fails", b"{}", **bearer())
    assert (failed.status, failed.json["type"]) == (500, "/problems/function-failed")
    monkeypatch.setattr(api, "ANSWER_WITHIN_S", 0.2)
    late = await post(balancer, "naps", b'{"seconds": 3}', **bearer())
    assert late.status == 202, late.body
    assert (await ended(balancer, late.json["id"]))["status"] == "completed"


async def test_a_repetition_after_a_restart_answers_from_the_record(tmp_path: Path) -> None:
    async with with_hooks(tmp_path) as balancer:
        good = await post(balancer, "waits", **bearer(Idempotency_Key="good"))
        bad = await post(balancer, "fails", b"{}", **bearer(Idempotency_Key="bad"))
        await balancer.idle()
    async with with_hooks(tmp_path) as balancer:
        again = await post(balancer, "waits", **bearer(Idempotency_Key="good"))
        assert (again.status, again.json) == (200, good.json)
        again = await post(balancer, "fails", b"{}", **bearer(Idempotency_Key="bad"))
        assert (again.status, again.json) == (500, bad.json)
        assert await tasks_of(balancer) == 2


async def test_the_task_goes_on_when_its_sender_hangs_up(balancer: RunningBalancer) -> None:
    calling = asyncio.create_task(post(balancer, "naps", b'{"seconds": 1}', **bearer()))
    await balancer.until_running(1)
    calling.cancel()
    (listed,) = (await balancer.get("/tasks"))["tasks"]
    assert (await ended(balancer, listed["id"]))["status"] == "completed"


async def test_the_input_is_the_request_without_its_proof(balancer: RunningBalancer) -> None:
    answer = await post(
        balancer,
        "whole?a=1&b=2&b=3",
        '{"text": "für"}'.encode(),
        **bearer(Cookie="a=b", X_Event="created", X_Api_Key="hidden"),
    )
    task = await ended(balancer, answer.json["id"])
    given = task["result"]["all"]
    assert given["body"] == {"text": "für"}
    assert given["query"] == {"a": "1", "b": ["2", "3"]}
    assert given["method"] == "POST"
    assert given["headers"]["x-event"] == "created"
    assert not given["headers"].keys() & {"authorization", "cookie", "x-api-key"}
    assert SECRET not in json.dumps(task)
    assert SECRET not in json.dumps(balancer.logs.entries())


@pytest.mark.parametrize(
    ("type_", "body", "value"),
    [
        ("application/x-www-form-urlencoded", b"a=1&b=%C3%BC&b=", {"a": "1", "b": ["ü", ""]}),
        ("application/x-www-form-urlencoded", b' {"a": 1}', {"a": 1}),
        ("text/plain; charset=iso-8859-1", "für".encode("latin-1"), "für"),
        ("application/cloudevents+json", b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        ("application/json", b"", None),
        ("text/plain", b"", None),
    ],
)
async def test_bodies_of_other_types(
    balancer: RunningBalancer, type_: str, body: bytes, value: Any
) -> None:
    answer = await post(balancer, "whole", body, **bearer(Content_Type=type_))
    assert answer.status == 202, answer.body
    assert (await ended(balancer, answer.json["id"]))["result"]["all"]["body"] == value


@pytest.mark.parametrize(
    ("type_", "body", "status", "words"),
    [
        ("application/json", b"{", 400, "not JSON"),
        ("text/plain; charset=utf-8", b"\xff", 400, "not text in utf-8"),
        ("text/plain; charset=nonsense", b"a", 400, "not text in nonsense"),
        ("application/x-www-form-urlencoded", b"a=%FF", 400, "form cannot be read"),
        ("image/png", b"a", 415, "image/png"),
        ("application/json", b"[" * 500 + b"]" * 500, 400, "deeper"),
    ],
)
async def test_a_body_that_cannot_be_read_is_said(
    balancer: RunningBalancer, type_: str, body: bytes, status: int, words: str
) -> None:
    answer = await post(balancer, "whole", body, **bearer(Content_Type=type_))
    assert answer.status == status, answer.body
    assert words in answer.json["detail"]
    assert await tasks_of(balancer) == 0


async def test_defaults_are_what_a_request_does_not_give(balancer: RunningBalancer) -> None:
    whole = await post(balancer, "fixed", b"{}", **bearer())
    given = (await ended(balancer, whole.json["id"]))["result"]["all"]
    assert (given["body"], given["a"]) == ({}, 2)
    for body, value in ((b"{}", 5), (b'{"value": 6}', 6)):
        answer = await post(balancer, "naming", body, **bearer())
        assert (await ended(balancer, answer.json["id"]))["result"] == value


async def test_the_body_alone_is_an_object(balancer: RunningBalancer) -> None:
    answer = await post(balancer, "plain", b"[1]", **bearer())
    assert (answer.status, "JSON object" in answer.json["detail"]) == (400, True)
    wrong = await post(balancer, "naps", b'{"seconds": "long"}', **bearer())
    assert (wrong.status, wrong.json["type"]) == (400, "/problems/invalid-input")
    gone = await post(balancer, "gone", b"{}", **bearer())
    assert (gone.status, gone.json["type"]) == (404, "/problems/unknown-function")


async def test_github_signs_the_body_and_names_the_delivery(balancer: RunningBalancer) -> None:
    body = b'{"ref": "main"}'
    first = await post(balancer, "hub", body, **github(body, X_GitHub_Delivery="d1"))
    assert first.status == 202, first.body
    task = await ended(balancer, first.json["id"])
    assert task["result"]["all"]["body"] == {"ref": "main"}
    assert task["result"]["all"]["headers"]["x-github-event"] == "push"
    assert "x-hub-signature-256" not in task["result"]["all"]["headers"]
    again = await post(balancer, "hub", body, **github(body, X_GitHub_Delivery="d1"))
    assert again.json["id"] == task["id"]
    rotated = await post(balancer, "hub", body, **github(body, "another-secret-of-it"))
    assert rotated.json["id"] != task["id"]
    form = b"payload=%7B%22ref%22%3A%22x%22%7D"
    as_form = await post(
        balancer, "hub", form, **github(form, Content_Type="application/x-www-form-urlencoded")
    )
    sent = (await ended(balancer, as_form.json["id"]))["result"]["all"]["body"]
    assert sent == {"ref": "x"}
    ping = await post(balancer, "hub", body, **(github(body) | {"X_GitHub_Event": "ping"}))
    assert (ping.status, ping.json) == (200, {"success": True})
    assert await tasks_of(balancer) == 3


async def test_standard_webhooks_are_signed_with_their_time(balancer: RunningBalancer) -> None:
    body = '{"value": "é"}'
    first = await post(balancer, "signed", body.encode(), **signed(body))
    assert first.status == 202, first.body
    later = await post(balancer, "signed", body.encode(), **signed(body, ago_s=100))
    assert later.json["id"] == first.json["id"]  # a repetition has a time of its own
    for headers in (
        signed(body, ago_s=400),
        signed(body, ago_s=-400),
        signed(body + " "),
        signed(body) | {"webhook_signature": "v1"},
        signed(body) | {"webhook_signature": "v1,%%%"},
        signed(body) | {"webhook_timestamp": "soon"},
        {key: value for key, value in signed(body).items() if key != "webhook_id"},
    ):
        refused = await post(balancer, "signed", body.encode(), **headers)
        assert (refused.status, refused.json["type"]) == (401, "/problems/unauthorized")
    binary = await post(balancer, "signed", b"\xff", **signed(body))
    assert binary.status == 401


async def test_a_wrong_secret_and_a_wrong_name_are_told_alike(balancer: RunningBalancer) -> None:
    body = b'{"value": 1}'
    refusals = [
        await post(balancer, "plain", body, Authorization="Bearer wrong"),
        await post(balancer, "plain", body),
        await post(balancer, "hub", body, **github(body, "a-secret-that-is-wrong")),
        await post(balancer, "hub", body, X_Hub_Signature_256="sha256=zz"),
        await post(balancer, "nobody", body, **bearer()),
        await post(balancer, "off", body, **bearer()),
    ]
    details = {
        one.json["detail"].replace(name, "NAME")
        for one, name in zip(
            refusals, ("plain", "plain", "hub", "hub", "nobody", "off"), strict=True
        )
    }
    assert {one.status for one in refusals} == {401}
    assert len(details) == 1
    assert await tasks_of(balancer) == 0
    (told,) = [e for e in balancer.events_logged("hook.refused") if e["hook"] == "plain"]
    assert told["others"] == 0
    listed = {one["name"]: one for one in (await balancer.get("/hooks"))["hooks"]}
    assert listed["plain"]["calls"]["outcomes"] == {"unauthorized": 2}


async def test_only_the_owner_of_a_key_sees_the_hooks(balancer: RunningBalancer) -> None:
    listed = await balancer.get("/hooks")
    assert listed["total"] == 11
    assert SECRET not in json.dumps(listed)
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{balancer.url}/hooks") as answer:
            assert answer.status == 401
        async with session.put(f"{balancer.url}/hooks/plain", headers=bearer()) as answer:
            assert answer.status == 405


async def raw(balancer: RunningBalancer, rest: str) -> bytes:
    """The answer to a request with this end of its header and this part of its body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(balancer.url.split(":")[-1]))
    head = f"POST /hooks/plain HTTP/1.1\r\nHost: x\r\nAuthorization: {SECRET}\r\n"
    writer.write((head + rest).encode())
    try:
        return await asyncio.wait_for(reader.readuntil(b"}"), 20)
    finally:
        writer.close()


async def test_a_huge_a_slow_and_a_crowd(
    balancer: RunningBalancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert b"413 " in await raw(balancer, "Content-Length: 1000001\r\n\r\n")
    piece = f"186a0\r\n{'x' * 100_000}\r\n"
    assert b"413 " in await raw(balancer, "Transfer-Encoding: chunked\r\n\r\n" + piece * 11)
    monkeypatch.setattr(api, "BODY_WITHIN_S", 0.3)
    slow = await raw(balancer, "Content-Length: 100\r\n\r\n{")
    assert b"400 " in slow
    assert b"did not arrive within 0.3 s" in slow
    monkeypatch.setattr(service, "BODIES_AT_ONCE", 0)
    crowd = await post(balancer, "plain", **bearer())
    assert (crowd.status, crowd.json["type"]) == (503, "/problems/queue-full")
    assert crowd.headers["Retry-After"]
    monkeypatch.undo()
    assert (await post(balancer, "plain", **bearer())).status == 202


async def test_maintenance_refuses_so_that_senders_try_again(balancer: RunningBalancer) -> None:
    await balancer.request("POST", "/off")
    refused = await post(balancer, "plain", **bearer())
    assert (refused.status, refused.json["type"]) == (503, "/problems/maintenance")
    assert refused.headers["Retry-After"]
    await balancer.request("POST", "/on")
    assert (await post(balancer, "plain", **bearer())).status == 202


async def test_a_broken_file_keeps_the_last_good_one_and_says_so(
    balancer: RunningBalancer,
) -> None:
    hooks = balancer.balancer.hooks
    write(balancer, "- {name: x}")
    await until(lambda: hooks.health()["file_fault"] is not None)
    fault = (await balancer.get("/health"))["hooks"]["file_fault"]
    assert "line 1: `function` is required" in fault
    assert (await post(balancer, "plain", **bearer())).status == 202
    assert len(balancer.events_logged("hooks.kept_the_last_good_list")) == 1
    write(balancer, f"- {{name: new, function: echo, verify: bearer, secret: {SECRET}}}")
    await until(lambda: hooks.health() == {"in_file": 1, "file_fault": None})
    assert (await post(balancer, "plain", **bearer())).status == 401
    balancer.balancer.settings.hooks_file.unlink()
    await until(lambda: hooks.health() == {"in_file": 0, "file_fault": None})
    assert (await post(balancer, "new", **bearer())).status == 401


async def test_an_owner_who_is_gone_starts_nothing(
    balancer: RunningBalancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(balancer.balancer.hooks, "_owner_exists", lambda _: False)
    refused = await post(balancer, "plain", **bearer())
    assert (refused.status, "was removed" in refused.json["detail"]) == (403, True)
    assert "was removed" in (await balancer.get("/hooks"))["hooks"][0]["fault"]


async def test_an_id_too_long_is_refused(balancer: RunningBalancer) -> None:
    refused = await post(balancer, "plain", **bearer(Idempotency_Key="x" * 300))
    assert (refused.status, "255" in refused.json["detail"]) == (400, True)
