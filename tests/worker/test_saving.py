"""The files that a function saves with its task."""

import errno
from pathlib import Path

import pytest

from slotgrid.records import artifacts
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


async def test_an_unusual_name_is_made_safe_and_the_answer_has_it(tmp_path: Path) -> None:
    body = """
given = ("Report (1).pdf", "../up", "a/b", "", "..", ".hidden", "Ж" * 201 + ".txt", "a\\0b", "CON")
return [await context.save(name, name) for name in given]
"""
    async with browserless_worker(tmp_path, {"talks.py": talks(body)}) as worker:
        saved = await worker.call("talks")
        names = [file["name"] for file in saved]
        long = "Ж" * 118 + ".txt"
        assert names[:3] == ["Report (1).pdf", "_up", "a_b"]
        assert names[3:] == ["file", "file", "hidden", long, "a_b", "_CON"]
        for name, given in (("Report (1).pdf", "Report (1).pdf"), (long, "Ж" * 201 + ".txt")):
            (file,) = (one for one in saved if one["name"] == name)
            assert (await worker.request("GET", file["url"])).body == given.encode()


async def test_without_replace_a_second_file_of_a_name_gets_a_number(tmp_path: Path) -> None:
    body = """
one = context.save("Report.pdf", b"1" * 100_000, replace=False)
two = context.save("report.pdf", b"2" * 100_000, replace=False)
both = [file.name for file in await asyncio.gather(one, two)]
await context.save("Report.pdf", b"3")
return [*both, (await context.save("Report (1).pdf", b"4", replace=False)).name]
"""
    async with browserless_worker(tmp_path, {"talks.py": talks(body)}) as worker:
        *_, done = [data for _, data in await worker.stream("talks")]
        assert done["result"] == ["Report.pdf", "report (1).pdf", "Report (1) (1).pdf"]
        assert await worker.artifact(done["id"], "Report.pdf") == b"3"
        assert await worker.artifact(done["id"], "report (1).pdf") == b"2" * 100_000


async def test_the_same_name_twice_at_once_leaves_one_whole_file(tmp_path: Path) -> None:
    body = """
await asyncio.gather(*(context.save("same.bin", bytes([n]) * 200_000) for n in range(8)))
"""
    async with browserless_worker(tmp_path, {"talks.py": talks(body)}) as worker:
        *_, done = [data for _, data in await worker.stream("talks")]
        contents = await worker.artifact(done["id"], "same.bin")
        assert (len(contents), len(set(contents))) == (200_000, 1)


async def test_a_next_attempt_replaces_the_files_of_the_one_before(tmp_path: Path) -> None:
    body = """
file = await context.save("a.txt", str(context.attempt), replace=False)
if context.attempt == 1:
    raise ValueError("once more")
return file.name
"""
    files = {"talks.py": talks(body, options="streaming=True, retries=1")}
    async with browserless_worker(tmp_path, files) as worker:
        *_, done = [data for _, data in await worker.stream("talks")]
        assert done["result"] == "a.txt"
        assert await worker.artifact(done["id"], "a.txt") == b"2"


async def test_a_secret_does_not_come_back_when_a_name_is_made_safe(tmp_path: Path) -> None:
    body = """
return [(await context.save(name, b"")).name for name in (
    "sesame\\u200b-open.txt", "open-se\\u200bsame.txt", "open-sesame.txt"
)]
"""
    source = talks(body).replace("context: Context", "context: Context, key: Secret")
    async with browserless_worker(tmp_path, {"talks.py": source}) as worker:
        assert await worker.call("talks", key="open-sesame") == [
            "sesame-open.txt",
            "redacted.txt",
            "redacted.txt",
        ]


async def test_a_disk_that_refuses_a_file_is_told_without_the_node_s_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, _content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    body = """await context.save("a.txt", b"")"""
    async with browserless_worker(tmp_path, {"talks.py": talks(body)}) as worker:
        monkeypatch.setattr(artifacts, "_write", full)
        problem = await worker.problem("talks")
        assert problem["detail"].endswith(
            "the file 'a.txt' cannot be written: No space left on device"
        )
        assert str(tmp_path) not in str(problem)


async def test_a_file_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    body = """
try:
    await context.save("big.bin", bytes(100 * 1024 * 1024 + 1))
except ValueError as error:
    return str(error)
"""
    async with browserless_worker(tmp_path, {"talks.py": talks(body)}) as worker:
        said = await worker.call("talks")
        assert said == "big.bin has 104857601 bytes; a file may have 104857600 (ARTIFACT_LIMIT)"
