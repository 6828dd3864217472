"""What a function saves a file from: a path, an open file, pieces; and what is refused."""

import os
from pathlib import Path
from typing import Any

import pytest

from slotgrid.records.artifact_limits import ArtifactFault, ArtifactLimits
from slotgrid.records.artifacts import ArtifactStore
from tests.harness.in_process.worker import browserless_worker
from tests.harness.waiting import until
from tests.worker.talks import talks

SAVED = """
import io
from pathlib import Path
out = Path("{folder}")
"""


def saves(body: str, folder: Path, **terms: Any) -> dict[str, str]:
    return {"talks.py": talks(SAVED.format(folder=folder) + body, **terms)}


async def test_paths_open_files_and_pieces_are_saved_byte_by_byte(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    contents = bytes(range(256)) * 10_000
    (out / "made.bin").write_bytes(contents)
    (out / "latest.bin").symlink_to("made.bin")
    (out / "empty.bin").touch()
    body = """
async def pieces():
    for start in range(0, 2_560_000, 640_000):
        yield (out / "made.bin").read_bytes()[start:start + 640_000]

with (out / "made.bin").open("rb") as file:
    file.seek(1_000_000)
    return [(await context.save(name, data)).size for name, data in (
        ("path.bin", out / "made.bin"), ("link.bin", out / "latest.bin"), ("open.bin", file),
        ("pieces.bin", pieces()), ("empty.bin", out / "empty.bin"), ("bytes.bin", bytearray(b"ab")),
    )]
"""
    async with browserless_worker(tmp_path, saves(body, out)) as worker:
        *_, done = [data for _, data in await worker.stream("talks")]
        assert done["result"] == [2_560_000, 2_560_000, 1_560_000, 2_560_000, 0, 2]
        for name in ("path.bin", "link.bin", "pieces.bin"):
            assert await worker.artifact(done["id"], name) == contents
        assert await worker.artifact(done["id"], "open.bin") == contents[1_000_000:]
        assert await worker.artifact(done["id"], "empty.bin") == b""
        assert await worker.artifact(done["id"], "bytes.bin") == b"ab"
        assert (out / "made.bin").read_bytes() == contents


async def test_a_large_file_does_not_pass_through_memory_as_a_whole(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with (out / "large.bin").open("wb") as file:
        file.truncate(90 * 1024 * 1024)
    body = """
import tracemalloc
tracemalloc.start()
try:
    artifact = await context.save("large.bin", out / "large.bin")
    return artifact.size, tracemalloc.get_traced_memory()[1]
finally:
    tracemalloc.stop()
"""
    async with browserless_worker(tmp_path, saves(body, out)) as worker:
        size, peak = await worker.call("talks")
        assert size == 90 * 1024 * 1024
        assert peak < 8 * 1024 * 1024


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("out", "is not a regular file"),
        ("out / 'pipe'", "is not a regular file"),
        ("Path('/dev/zero')", "is not a regular file"),
        ("out / 'passwords'", "is a link that leads out of its folder"),
        ("out / 'up' / 'secret.txt'", ""),
        ("out / 'circle'", "cannot be read: "),
        ("out / 'missing.txt'", "missing.txt cannot be read: No such file or directory"),
        ("out / 'text.txt' / 'below'", "cannot be read: Not a directory"),
        ("io.StringIO('text')", "is open in text mode; open it in binary mode ('rb')"),
        ("['a list']", "an asynchronous iterator of bytes, got list"),
        ("None", "got NoneType"),
    ],
)
async def test_what_is_no_file_is_refused_with_the_reason(
    tmp_path: Path, data: str, reason: str
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    os.mkfifo(out / "pipe")
    (out / "circle").symlink_to("circle")
    (out / "text.txt").write_text("text")
    (tmp_path / "secret.txt").write_text("secret")
    (out / "passwords").symlink_to("/etc/passwd")
    (out / "up").symlink_to("..")
    body = f"""
try:
    await context.save("a.txt", {data})
except ValueError as error:
    return str(error)
"""
    async with browserless_worker(tmp_path, saves(body, out)) as worker:
        if not reason:  # a folder on the way may be a link, as /tmp is on some machines
            assert await worker.call("talks") is None
            return
        said = await worker.call("talks")
        assert said.startswith("'a.txt' cannot be saved: ")
        assert reason in said
        assert not list((tmp_path / "data").glob("artifacts/*/*"))


@pytest.mark.parametrize("at_once", [False, True])
async def test_the_files_of_a_task_together_have_a_limit(tmp_path: Path, at_once: bool) -> None:
    body = f"""
async def pieces(size):
    for _ in range(size):
        yield b"x"
        await asyncio.sleep(0)

saving = [context.save(f"{{number}}.bin", pieces(700)) for number in range(3)]
if {at_once}:
    said = await asyncio.gather(*saving, return_exceptions=True)
    saved = [one.name for one in said if isinstance(one, Artifact)]
    return saved, [str(one) for one in said if isinstance(one, ValueError)]
saved = []
for one in saving:
    try:
        saved.append((await one).name)
    except ValueError as error:
        return saved, [str(error)]
"""
    files = {"talks.py": talks(body)}
    async with browserless_worker(tmp_path, files, TASK_ARTIFACTS_LIMIT="1500b") as worker:
        saved, refused = await worker.call("talks")
        assert len(saved) == 2 if not at_once else len(saved) <= 2
        assert refused[0].endswith("together they may have 1500 (TASK_ARTIFACTS_LIMIT)")
        assert not list((tmp_path / "data").glob("artifacts/*/.*"))


async def test_a_file_beyond_the_limit_is_not_even_begun(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with (out / "sparse.bin").open("wb") as file:
        file.truncate(10**12)
    body = """
async def endless():
    while True:
        yield bytes(500)

said = []
for data in (out / "sparse.bin", endless(), b"x" * 2000, "x" * 2000):
    try:
        await context.save("a.bin", data)
    except ValueError as error:
        said.append(str(error))
return said, context.file_limit_bytes
"""
    async with browserless_worker(tmp_path, saves(body, out), ARTIFACT_LIMIT="1kb") as worker:
        said, limit = await worker.call("talks")
        assert limit == 1024
        sizes = ("1000000000000", "1500", "2000", "2000")
        assert said == [
            f"a.bin has {size} bytes; a file may have 1024 (ARTIFACT_LIMIT)" for size in sizes
        ]


async def test_an_end_in_the_middle_of_a_file_leaves_nothing_behind(tmp_path: Path) -> None:
    body = """
async def pieces():
    yield b"x" * 100_000
    await context.log("half")
    await asyncio.sleep(60)

await context.save("a.bin", pieces())
"""
    async with browserless_worker(tmp_path, {"talks.py": talks(body)}) as worker:
        started = await worker.start("talks")
        artifacts = tmp_path / "data" / "artifacts" / started.task.id
        await until(lambda: any(file.stat().st_size == 100_000 for file in artifacts.glob(".*")))
        await worker.request("POST", f"/tasks/{started.task.id}/cancel")
        await worker.idle()
        assert list(artifacts.iterdir()) == []


async def test_a_plain_function_saves_paths_and_large_files(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with (out / "large.bin").open("wb") as file:
        file.truncate(5_000_000)
    plain = f'''
    import os, threading
    from pathlib import Path
    from slotgrid.function import PlainContext

    @function(timeout_s=30)
    def plain(context: PlainContext) -> list:
        os.chdir("{out}")
        said = [context.save("path.bin", Path("large.bin")).size]
        talking = threading.Thread(target=lambda: [context.log(str(n)) for n in range(50)])
        talking.start()
        with open("large.bin", "rb") as file:
            said.append(context.save("open.bin", file).size)
        talking.join()
        said.append(context.save("bytes.bin", b"x" * 3_000_000).size)
        said.append(context.save("exact.bin", b"x" * 2**21).size)
        for data in (open("large.bin"), 5, Path("/dev/zero"), open("/dev/zero", "rb")):
            try:
                context.save("refused.bin", data)
            except ValueError as error:
                said.append(str(error))
        return said + [context.save("after.txt", "still here").size]
    '''
    async with browserless_worker(tmp_path, {"plain.py": plain}, ARTIFACT_LIMIT="8mb") as worker:
        said = await worker.call("plain")
        assert said[:4] == [5_000_000, 5_000_000, 3_000_000, 2**21]
        assert "open it in binary mode" in said[4]
        assert said[5].endswith("expected bytes, text, a Path or an open binary file, got int")
        assert said[6].endswith("/dev/zero is not a regular file")
        assert said[7].endswith("a file may have 8388608 (ARTIFACT_LIMIT)")
        assert said[8:] == [10]


async def test_a_file_that_another_program_wrote_has_the_same_limits(tmp_path: Path) -> None:
    async with browserless_worker(tmp_path, {"talks.py": talks("pass")}) as worker:
        started = await worker.start("talks")
        await started.ended()
        store = ArtifactStore(tmp_path / "made", ArtifactLimits(file_bytes=10))
        path = store.new_path(started.task, "trace.zip")
        path.write_bytes(b"x" * 10)
        assert store.adopt(started.task, path).size == 10
        path.write_bytes(b"x" * 11)
        with pytest.raises(ArtifactFault, match=r"^trace\.zip has 11 bytes; a file may have 10"):
            store.adopt(started.task, path)
        assert not path.exists()
