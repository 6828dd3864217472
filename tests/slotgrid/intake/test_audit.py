from ipaddress import ip_network

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from slotgrid.intake.caller_address import caller_address
from tests.harness.in_process.node import running_node

PROXIES = [ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")]


@pytest.mark.parametrize(
    ("remote", "forwarded", "address"),
    [
        ("192.0.2.7", "", "192.0.2.7"),
        ("192.0.2.7", "203.0.113.9", "192.0.2.7"),  # not a trusted one: it may say what it likes
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("2001:db8::1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", " , ", "10.0.0.1"),
        ("10.0.0.1", "unknown", "unknown"),
        (None, "203.0.113.9", None),
    ],
)
def test_the_callers_address_is_what_the_last_trusted_proxy_saw(
    remote: str | None, forwarded: str, address: str | None
) -> None:
    assert caller_address(remote, forwarded, PROXIES) == address


async def test_operations_are_logged_with_user_and_address(aiohttp_client: AiohttpClient) -> None:
    async with running_node(aiohttp_client) as node:
        for path in ("/off", "/on", "/tasks/cancel", "/drain"):
            async with node.caller.post(path) as answer:
                assert answer.status == 200, path
        told = [line for line in node.node.logs.entries() if line["event"].startswith("audit.")]
        assert [line["event"] for line in told] == [
            "audit.off",
            "audit.on",
            "audit.cancel",
            "audit.drain",
        ]
        assert {(line["user"], line["address"]) for line in told} == {("root", "127.0.0.1")}


async def test_the_next_request_of_a_connection_is_logged_without_the_task_of_the_last(
    aiohttp_client: AiohttpClient,
) -> None:
    async with running_node(aiohttp_client) as node:
        greet = {"function": "greet", "input": {"name": "Ada"}}
        for path, body in (("/task", greet), ("/off", {})):
            async with node.caller.post(path, json=body) as answer:
                assert answer.status == 200, path
        *_, done, off = node.node.logs.entries()
        assert (done["event"], off["event"]) == ("task.completed", "audit.off")
        assert done["task_id"]
        assert "task_id" not in off
        assert "slot" not in off
