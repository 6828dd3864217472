"""The guide to hooks: every example runs, and its tables say what the code says."""

import asyncio
import os
import re
from pathlib import Path

import orjson

from balancer.hooks.hook import READERS, Verify
from balancer.hooks.hooks import parse_hooks
from balancer.hooks.signatures import IDS
from tests.balancer.flows.flow_folder import ended
from tests.docs.pages import DOCS, blocks, table_after
from tests.harness.in_process.balancer import RunningBalancer, running_balancer

GUIDE = DOCS / "hooks.md"


def examples(language: str, containing: str) -> str:
    (found,) = [b.text for b in blocks(GUIDE) if b.language == language and containing in b.text]
    return found


async def shell(script: str, folder: Path, **env: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *("sh", "-euc", script),
        cwd=folder,
        env={"PATH": os.environ["PATH"], **env},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, script
    return said.decode()


async def result_of(balancer: RunningBalancer, answer: str) -> object:
    receipt = orjson.loads(answer)
    assert receipt["success"], answer
    return (await ended(balancer, receipt["id"]))["result"]


def test_the_tables_have_every_member_and_sender() -> None:
    cells = [row.split("|")[1] for row in table_after(GUIDE, "## Members")[2:]]
    assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} == set(READERS)
    rows = [row.split("|") for row in table_after(GUIDE, "## Senders")[2:]]
    told = {row[1].strip(" `"): row[3].strip(" `") for row in rows}
    assert told == {str(verify): IDS[verify] for verify in Verify}


async def test_the_examples_run(tmp_path: Path) -> None:
    functions = tmp_path / "flows"
    functions.mkdir()
    (functions / "pushed.yaml").write_text(examples("yaml", "kind: flow"))
    (tmp_path / "hooks.yaml").write_text("[]")
    await shell(examples("sh", "openssl rand"), tmp_path)
    made = dict(line.split("=", 1) for line in (tmp_path / ".env").read_text().splitlines())
    secrets = {**made, "PAID_SECRET_BEFORE": made["PAID_SECRET"], "GITHUB_SECRET": "x" * 20}
    text = examples("yaml", "name: new-order")
    assert len(parse_hooks(text.encode(), variables=secrets)) == 3
    for name, secret in secrets.items():
        text = text.replace(f"${{{name}}}", secret)
    (tmp_path / "hooks.yaml").write_text(text)
    async with running_balancer(
        tmp_path, FUNCTIONS_DIR=functions, HOOKS_FILE=tmp_path / "hooks.yaml"
    ) as balancer:
        await balancer.worker()
        env = {**secrets, "SLOTGRID_URL": balancer.url}
        by_bearer = await shell(examples("sh", "hooks/new-order"), tmp_path, **env)
        assert await result_of(balancer, by_bearer) == 17
        by_github = await shell(examples("sh", "hooks/push"), tmp_path, **env)
        assert await result_of(balancer, by_github) == {"pages": "refs/heads/main"}
