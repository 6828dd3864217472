"""The guide to users: every example runs, and its tables say what the code says."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from pytest_aiohttp.plugin import AiohttpClient

from slotgrid.cli.main import cli
from slotgrid.core.principal import Scope
from slotgrid.users.edit import read_users
from slotgrid.users.user import GIVABLE, parse_users
from slotgrid.users.users import Users
from tests.docs.pages import DOCS, blocks, table_after
from tests.harness.in_process.node import running_node

GUIDE = DOCS / "users.md"


def commands(containing: str) -> list[list[str]]:
    (found,) = [b.text for b in blocks(GUIDE) if b.language == "sh" and containing in b.text]
    return [shlex.split(line) for line in found.strip().splitlines()]


def test_the_tables_have_every_scope_and_limit() -> None:
    rows = [row.split("|")[1].strip(" `") for row in table_after(GUIDE, "## Scopes")[2:]]
    assert rows == [str(scope) for scope in GIVABLE]
    limits = "".join(table_after(GUIDE, "## Limits")[2:])
    assert set(re.findall(r"`--(\w+) ", limits)) == {"rate", "concurrency"}


def test_the_file_is_valid() -> None:
    (text,) = [block.text for block in blocks(GUIDE) if block.language == "json"]
    (ann,) = parse_users(text.encode())
    assert (ann.name, ann.concurrency, str(ann.rate)) == ("ann", 4, "100/m")


async def test_the_commands_make_users_and_keys_that_work(
    tmp_path: Path, aiohttp_client: AiohttpClient
) -> None:
    file = tmp_path / "users.json"
    keys: dict[str, str] = {}
    for command in (*commands("users add"), *commands("users rotate")[:2]):
        ran = CliRunner().invoke(cli, command[1:], env={"USERS_FILE": str(file)})
        assert ran.exit_code == 0, ran.output
        if command[2] in {"add", "rotate"}:
            keys[command[3]] = ran.stdout.strip()
    ann, reports = read_users(file)
    assert ann.scopes == {Scope.READ, Scope.SUBMIT}
    assert (str(reports.rate), reports.concurrency) == ("100/m", 4)
    users = Users(file)
    await users.look()
    async with running_node(aiohttp_client, users=users) as node:
        (call,) = commands("$ANNS_KEY")
        headers = dict(call[at + 1].split(": ", 1) for at, word in enumerate(call) if word == "-H")
        headers["Authorization"] = headers["Authorization"].replace("$ANNS_KEY", keys["ann"])
        body = call[call.index("-d") + 1].replace("echo", "greet").replace('{"value": 1}', "{}")
        async with node.caller.post("/task", headers=headers, data=body) as answer:
            assert answer.status == 200, await answer.text()
    (removing,) = commands("users rotate")[2:]
    assert CliRunner().invoke(cli, removing[1:], env={"USERS_FILE": str(file)}).exit_code == 0
    assert read_users(file) == ()


@pytest.mark.parametrize("event", ["audit.user_added", "audit.key_expired", "audit.key_refused"])
def test_the_events_of_the_audit_log_are_in_the_code(event: str) -> None:
    assert event in GUIDE.read_text(encoding="utf-8")
    code = [path.read_text(encoding="utf-8") for path in (DOCS.parent / "slotgrid").rglob("*.py")]
    assert any(f'"{event}"' in text for text in code)
