"""The files that a task saved."""

import pytest
from pytest_aiohttp.plugin import AiohttpClient
from yarl import URL

from tests.harness.in_process.functions import offer
from tests.harness.in_process.node import RunningNode, running_node
from tests.slotgrid.intake.api.tasks import ended


async def test_artifacts_are_listed_and_served(node: RunningNode) -> None:
    files = {"a.txt": "ü", "page.html": "<script>alert(1)</script>", "b c.csv": "1,2", "x.bin": ""}
    task_id = await ended(node, "save", {"files": files})
    listed = await node.get(f"/tasks/{task_id}/artifacts")
    assert listed["total"] == 4
    for artifact in listed["artifacts"]:
        async with node.caller.get(artifact["url"]) as answer:
            assert await answer.text("utf-8") == files[artifact["name"]]
            assert answer.content_type == artifact["content_type"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Content-Security-Policy"].startswith("sandbox")
            attached = answer.headers["Content-Disposition"].startswith("attachment")
            assert attached is (artifact["name"] in {"page.html", "x.bin"})
    path = f"/tasks/{task_id}/artifacts"
    async with node.caller.get(f"{path}/b%20c.csv", headers={"Range": "bytes=1-"}) as part:
        assert (part.status, await part.text()) == (206, ",2")
    async with node.caller.get(f"{path}/a.txt", headers={"Range": "bytes=99-"}) as outside:
        assert outside.status == 416
    async with node.caller.get(f"{path}/a.txt") as first:
        tag = first.headers["ETag"]
    async with node.caller.get(f"{path}/a.txt", headers={"If-None-Match": tag}) as same:
        assert same.status == 304
    async with node.caller.get(f"{path}/a.txt", headers={"If-Match": '"other"'}) as changed:
        assert changed.status == 412


@pytest.mark.parametrize(
    ("name", "filename"),
    [
        ("Report (1).pdf", 'filename="Report (1).pdf"'),
        ("it's; a=b.pdf", 'filename="it\'s; a=b.pdf"'),
        ("Ж é.pdf", "filename=\"_ _.pdf\"; filename*=UTF-8''%D0%96%20%C3%A9.pdf"),
        ("%2F.pdf", "filename=\"_2F.pdf\"; filename*=UTF-8''%252F.pdf"),
    ],
)
async def test_a_file_is_sent_under_its_name(node: RunningNode, name: str, filename: str) -> None:
    task_id = await ended(node, "save", {"files": {name: "text"}})
    (artifact,) = (await node.get(f"/tasks/{task_id}/artifacts"))["artifacts"]
    assert artifact["name"] == name
    async with node.caller.get(URL(artifact["url"], encoded=True)) as answer:
        assert (answer.status, await answer.text()) == (200, "text")
        header = answer.headers["Content-Disposition"]
        assert header == f"inline; {filename}"
        assert answer.content_disposition is not None
        assert answer.content_disposition.filename == name


async def test_a_compressed_neighbour_is_a_file_of_its_own(node: RunningNode) -> None:
    files = {"a.csv": "1,2", "a.csv.gz": "zip", "b.html.br": "zip", "c.Z": "zip"}
    task_id = await ended(node, "save", {"files": files})
    kinds = {}
    for artifact in (await node.get(f"/tasks/{task_id}/artifacts"))["artifacts"]:
        headers = {"Accept-Encoding": "gzip, br"}
        async with node.caller.get(artifact["url"], headers=headers) as answer:
            assert "Content-Encoding" not in answer.headers
            assert await answer.text() == files[artifact["name"]]
            kinds[artifact["name"]] = answer.content_type
    assert kinds == {
        "a.csv": "text/csv",
        "a.csv.gz": "application/gzip",
        "b.html.br": "application/x-brotli",
        "c.Z": "application/octet-stream",
    }


@pytest.mark.parametrize("name", ["other.txt", "..%2F..%2Fetc%2Fpasswd", "%2e%2e", "a.txt%00"])
async def test_only_what_the_task_saved_is_served(node: RunningNode, name: str) -> None:
    task_id = await ended(node, "save", {"files": {"a.txt": "text"}})
    assert (await node.problem("GET", f"/tasks/{task_id}/artifacts/{name}"))["status"] == 404


async def test_a_file_that_was_removed_is_gone(node: RunningNode) -> None:
    task_id = await ended(node, "save", {"files": {"a.txt": "text"}})
    node.node.artifacts.path(task_id, "a.txt").unlink()
    problem = await node.problem("GET", f"/tasks/{task_id}/artifacts/a.txt")
    assert problem["type"] == "/problems/gone"


async def test_a_function_s_list_of_artifacts_says_what_it_says_in_the_task(
    aiohttp_client: AiohttpClient,
) -> None:
    async def nothing(*_: object) -> None: ...

    async with running_node(aiohttp_client, offer("nothing", nothing)) as node:
        task_id = await ended(node, "nothing")
        assert await node.get(f"/tasks/{task_id}/artifacts") == {"artifacts": [], "total": 0}
        task = (await node.get(f"/tasks/{task_id}"))["task"]
        assert (task["artifacts"], task["result"], task["error"]) == ([], None, None)
