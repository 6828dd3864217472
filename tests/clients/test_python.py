"""A client by openapi-python-client."""

import asyncio
import importlib
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import Served
from tests.harness.environment import KEY

pytestmark = pytest.mark.timeout(600)  # several processes, and on a busy machine
UNREADABLE = {
    "GET /tasks/{id}/logs",
    "GET /tasks/{id}/steps/{step}/logs",
    "GET /tasks/{id}/artifacts/{name}",
    "GET /docs/static/{name}",
    "GET /dashboard/static/{name}",
}
"""Their answers are no JSON, which it leaves to the caller."""


async def generate(document: Path, folder: Path) -> str:
    """Generate the package `grid` in the folder; returns what the generator wrote."""
    settings = folder / "settings.yaml"
    settings.write_text("post_hooks: []\n")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"),
        *("--path", document, "--output-path", folder / "grid", "--config", settings),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    written, _ = await process.communicate()
    assert process.returncode == 0, written.decode()
    return written.decode()


def part(name: str) -> Any:
    return importlib.import_module(f"grid.{name}")


async def test_every_function_can_be_called(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = await generate(served.document, tmp_path)
    assert "Unable to" not in written, written
    warned = set(re.findall(r"WARNING parsing (\w+ \S+) within", written))
    assert warned <= UNREADABLE, written
    monkeypatch.syspath_prepend(tmp_path)
    try:
        await call_everything(served.node.url)
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "grid"]:
            del sys.modules[name]


async def call_everything(url: str) -> None:
    models = part("models")
    submit, by_path = part("api.tasks.submit"), part("api.tasks.submit_to_function")
    async with part("client").AuthenticatedClient(base_url=url, token=KEY, timeout=60) as client:

        async def run(function: str, input_: Any) -> Any:
            body = models.Submission(function=function, input_=input_)
            answer = await submit.asyncio(client=client, body=body)
            assert isinstance(answer, models.TaskAnswer), answer
            return answer.to_dict()["result"]

        address = models.NestedInputAddress(street="High Street")
        person = models.NestedInputPerson(
            name="Ann",
            addresses=[address],
            colour=models.NestedInputColour.DARK_RED,
            level=models.NestedInputLevel.VALUE_2,
        )
        given = models.NestedInput(person=person, address=address, kind=1, odd="a_b", pair=[1, "b"])
        assert await run("nested", given) == {
            "name": "Ann",
            "addresses": [{"street": "High Street", "zip": None}],
            "colour": "dark red",
            "level": 2,
            "extra": {},
        }
        leaf = models.TreeInputNode(value=2)
        tree = models.TreeInputNode(value=1, children=[leaf], next_=leaf)
        assert await run("tree", models.TreeInput(tree=tree)) == {
            "tree": {"value": 1, "children": [{"value": 2}], "next": {"value": 2}}
        }
        assert await run("Task", models.TaskInput(input_="y")) == "y"
        assert await run("a/b", models.ABInput(value=7)) == 7
        assert await run("submission", models.SubmissionInput()) is None
        answer = await by_path.asyncio(client=client, name="a/b", body=models.ABInput(value=8))
        assert answer.to_dict()["result"] == 8
        refused = await submit.asyncio(client=client, body=models.Submission(function="tree"))
        assert refused.status == 400
        listed = await part("api.tasks.list_tasks").asyncio(client=client, limit=3)
        assert len(listed.tasks) == 3
        functions = await part("api.functions.list_functions").asyncio(client=client)
        assert functions.total == 7  # with `commands`, which is built in
