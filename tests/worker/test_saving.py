"""The files that a function saves with its task."""

from pathlib import Path

from tests.harness.in_process.worker import browserless_worker
from tests.worker.talks import talks


async def test_files_are_kept_with_their_task(tmp_path: Path) -> None:
    body = """
artifact = await context.save("notes é 1.txt", "text")
await context.save("page.html", b"<script>alert(1)</script>")
await context.save("page.html", b"<b>again</b>")
return artifact
"""
    async with browserless_worker(tmp_path, {"talks.py": talks(body)}) as worker:
        events = await worker.stream("talks")
        assert [kind for kind, _ in events] == ["artifact", "artifact", "artifact", "done"]
        done = events[-1][1]
        assert done["result"] == events[0][1]["data"]
        assert await worker.artifact(done["id"], "notes é 1.txt") == b"text"
        page = await worker.request("GET", f"/tasks/{done['id']}/artifacts/page.html")
        assert page.body == b"<b>again</b>"
        assert page.headers["Content-Disposition"].startswith("attachment")
        listed = await worker.get(f"/tasks/{done['id']}/artifacts")
        assert [file["name"] for file in listed["artifacts"]] == ["notes é 1.txt", "page.html"]


async def test_names_that_are_no_plain_file_names_are_refused(tmp_path: Path) -> None:
    body = """
refused = 0
for name in ("../up", "/etc/passwd", "a/b", "", ".", "..", ".hidden", "a" * 201, "a\\0b", "a\\nb"):
    try:
        await context.save(name, b"")
    except ValueError:
        refused += 1
return refused
"""
    async with browserless_worker(tmp_path, {"talks.py": talks(body)}) as worker:
        assert await worker.call("talks") == 10


async def test_a_file_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    body = """
try:
    await context.save("big.bin", bytes(100 * 1024 * 1024 + 1))
except ValueError as error:
    return str(error)
"""
    async with browserless_worker(tmp_path, {"talks.py": talks(body)}) as worker:
        said = await worker.call("talks")
        assert said.startswith("big.bin has 104857601 bytes; a file may have 104857600")
