"""Files of durable tasks where every node reads them: a folder, and S3."""

import asyncio
import errno
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from moto.server import ThreadedMotoServer

from slotgrid.records.artifacts import ArtifactStore
from slotgrid.records.shared_files import SharedFolder
from slotgrid.runtime.settings import Settings, SettingsError
from tests.harness.in_process.durable_worker import FUNCTIONS, accepted, durable_worker, finished
from tests.harness.in_process.worker import RunningWorker

LARGE = 6 * 1024 * 1024
"""More than one piece of an upload."""
SAVING = {
    "large.py": f'''
from slotgrid.function import Context, function

@function()
async def large(context: Context) -> None:
    """Keep a file that is sent in pieces."""
    await context.save("large.bin", bytes(range(256)) * ({LARGE} // 256))
''',
    "saves_and_fails.py": '''
from slotgrid.function import Context, function

@function()
async def saves_and_fails(context: Context) -> None:
    """Keep a file, then fail."""
    await context.save("why.txt", "because")
    raise RuntimeError("it is broken")
''',
}


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of a server that speaks S3, with a bucket named `files`."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    with urlopen(Request(f"{url}/files", method="PUT")):  # makes the bucket
        pass
    yield url
    server.stop()


@pytest.fixture(params=["folder", "s3"])
async def shared(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[str]:
    """An `ARTIFACTS_URL`."""
    if request.param == "folder":
        yield str(tmp_path / "shared")
        return
    monkeypatch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("s3"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    yield f"s3://files/{tmp_path.name}"


def local(folder: Path) -> list[str]:
    kept = folder / "data" / "artifacts"
    return sorted(path.name for path in kept.iterdir()) if kept.is_dir() else []


async def until_gone(folder: Path) -> None:
    async with asyncio.timeout(20):
        while local(folder):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_files_are_read_wherever_their_task_ran(tmp_path: Path, shared: str) -> None:
    functions = {**FUNCTIONS, **SAVING}
    async with durable_worker(tmp_path, functions, ARTIFACTS_URL=shared) as worker:
        text = await finished(worker, await accepted(worker, "save", input={"text": "kept"}))
        large = await finished(worker, await accepted(worker, "large"))
        failed = await finished(worker, await accepted(worker, "saves_and_fails"))
        assert [each["status"] for each in (text, large, failed)] == [
            "completed",
            "completed",
            "failed",
        ]
        await until_gone(tmp_path)  # one copy is enough
        sync = await worker.submit("save", input={"text": "a caller's"})
        assert sync.status == 200
        assert len(local(tmp_path)) == 1
    (tmp_path / "elsewhere").mkdir()
    async with durable_worker(tmp_path / "elsewhere", functions, ARTIFACTS_URL=shared) as other:
        # Of another database, it does not know the tasks: only where their files are.
        for task, name, size in ((text, "text.txt", 4), (large, "large.bin", LARGE)):
            found = await other.worker.artifacts.open(task["id"], name)
            assert found is not None
            assert len(await read(found)) == size
    async with durable_worker(tmp_path, functions, ARTIFACTS_URL=shared) as worker:
        assert await worker.artifact(text["id"], "text.txt") == b"kept"
        assert await worker.artifact(failed["id"], "why.txt") == b"because"
        whole = await worker.artifact(large["id"], "large.bin")
        assert whole == bytes(range(256)) * (LARGE // 256)
        head = await worker.request("HEAD", f"/tasks/{large['id']}/artifacts/large.bin")
        assert (head.status, head.headers["Content-Length"]) == (200, str(LARGE))
        await worker.worker.artifacts.remove_ids([text["id"], large["id"]])
        gone = await worker.request("GET", f"/tasks/{text['id']}/artifacts/text.txt")
        assert gone.status == 410
        assert await worker.artifact(failed["id"], "why.txt") == b"because"


async def read(found: Path | AsyncIterator[bytes]) -> bytes:
    if isinstance(found, Path):
        return found.read_bytes()
    return b"".join([piece async for piece in found])


async def test_a_task_whose_file_cannot_be_kept_fails_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "a-file").touch()
    shared = str(tmp_path / "a-file" / "below")
    async with durable_worker(tmp_path, ARTIFACTS_URL=shared) as worker:
        task = await finished(worker, await accepted(worker, "save", input={"text": "lost"}))
        assert task["status"] == "failed"
        assert "text.txt" in task["error"]["error"]
        assert "could not be kept" in task["error"]["error"]
        assert await saved_by_a_caller(worker) == b"fine"
        await worker.idle()


async def saved_by_a_caller(worker: RunningWorker) -> bytes:
    answer = await worker.submit("save", input={"text": "fine"})
    assert answer.status == 200
    return await worker.artifact(answer.json["id"], "text.txt")


async def test_a_task_has_its_end_whatever_the_store_raises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    functions, url = {**FUNCTIONS, **SAVING}, str(tmp_path / "shared")
    async with durable_worker(tmp_path, functions, ARTIFACTS_URL=url) as worker:
        with monkeypatch.context() as broken:

            async def fails(*_: object) -> None:
                raise RuntimeError("a defect of a library")

            broken.setattr(SharedFolder, "put", fails)
            failed = await finished(worker, await accepted(worker, "saves_and_fails"))
            assert failed["status"] == "failed"
        assert await worker.artifact(failed["id"], "why.txt") == b"because"  # the local copy stays
        task = await finished(worker, await accepted(worker, "large"))
        assert task["status"] == "completed"


async def test_a_file_that_cannot_be_reached_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ArtifactStore(tmp_path)
    store.shared = SharedFolder(tmp_path / "shared")

    def refused(path: Path) -> bool:  # as `stat` is in a folder that nobody may enter
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", refused)
    assert await store.open("01a22c1a-c830-7683-a935-539553d37b16", "why.txt") is None


@pytest.mark.parametrize("url", ["ftp://host/folder", "s3://", "http://host/bucket"])
def test_what_is_no_place_for_files_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="ARTIFACTS_URL"):
        Settings.from_env({"ARTIFACTS_URL": url})


NAMES = [
    "Report (1).pdf",
    "Отчёт 😀.pdf",
    "100% %2F #1 [a] {b} ^~`'.txt",
    "a;b=c&d+e@f,g!$.txt",
    "Ж" * 118 + ".txt",
]


async def test_a_file_of_any_name_is_stored_and_removed(tmp_path: Path, shared: str) -> None:
    functions = {
        "names.py": """
from slotgrid.function import Context, function

@function()
async def names(context: Context, names: list[str]) -> list[str]:
    return [(await context.save(name, name)).name for name in names]
"""
    }
    async with durable_worker(tmp_path, functions, ARTIFACTS_URL=shared) as worker:
        task = await finished(worker, await accepted(worker, "names", input={"names": NAMES}))
        assert task["result"] == NAMES
        await until_gone(tmp_path)
        for file in task["artifacts"]:
            content = file["name"].encode()
            assert (await worker.request("GET", file["url"])).body == content
            part = await worker.request("GET", file["url"], headers={"Range": "bytes=2-5"})
            assert (part.status, part.body) == (206, content[2:6])
        await worker.worker.artifacts.remove_ids([task["id"]])
        for file in task["artifacts"]:
            assert (await worker.request("GET", file["url"])).status == 410
