"""Mounts of a real node: the list, the files, and what a change of file or folder does."""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from openapi_spec_validator import validate
from yarl import URL

from slotgrid.mounts import folder_files
from slotgrid.mounts import mounts as mounts_module
from tests.harness.calls import Calls
from tests.harness.environment import KEY
from tests.harness.in_process.balancer import running_balancer
from tests.harness.in_process.worker import RunningWorker, browserless_worker
from tests.harness.waiting import until

ONE = "- {prefix: /files, dir: '${OUT}', recursive: true}"


@asynccontextmanager
async def serving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str = ONE, **env: object
) -> AsyncIterator[RunningWorker]:
    """A worker with these mounts, of the folder `out`."""
    (tmp_path / "out").mkdir(exist_ok=True)
    (tmp_path / "mounts.yaml").write_text(text)
    monkeypatch.setenv("OUT", str(tmp_path / "out"))
    monkeypatch.setattr(mounts_module, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(mounts_module, "CHECK_EVERY_S", 0.02)
    async with browserless_worker(
        tmp_path, {}, MOUNTS_FILE=tmp_path / "mounts.yaml", **env
    ) as worker:
        yield worker


async def raw(url: str, path: bytes, key: str = KEY) -> tuple[int, bytes]:
    """The answer to a path as it is written, which a client would tidy up."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n")
    writer.write(f"Authorization: {key}\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return int(answer.split(b" ")[1]), answer


async def problem(calls: Calls, path: str, status: int, method: str = "GET") -> Any:
    answer = await calls.request(method, path)
    assert answer.status == status, answer.body
    return answer.json


async def test_a_folder_is_listed_and_its_files_are_read_by_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [
        *("Report (1).pdf", "Отчёт за год.txt", "100% & more?.txt", "a+b=c;d.txt", "UPPER.TXT"),
        *("e\u0301 is not é.txt", "漢字 😀.txt", "sub/in it.txt", "%2e%2e", 'it\'s "so".txt'),
    ]
    async with serving(tmp_path, monkeypatch) as worker:
        (tmp_path / "out" / "sub").mkdir()
        for name in names:
            (tmp_path / "out" / name).write_text(name)
        (tmp_path / "out" / os.fsdecode(b"not \xff UTF-8.txt")).write_text("bytes")
        listing = await worker.get("/files")
        assert (listing["prefix"], listing["count"], listing["total"]) == ("/files", 11, 11)
        entries = {entry["name"]: entry for entry in listing["entries"]}
        assert set(entries) == {*names, "not \ufffd UTF-8.txt"}
        assert list(entries) == sorted(entries, key=str.encode)
        for name, entry in entries.items():
            async with worker.caller.get(URL(entry["url"], encoded=True)) as answer:
                body = await answer.read()
            assert body.decode() == (name if name in names else "bytes")
            assert entry["size"] == len(body)
            assert entry["modified_at"].endswith("Z")
        page = await worker.get("/files/", limit="2", offset="9")
        assert (page["count"], page["total"]) == (2, 11)
        assert page["entries"] == listing["entries"][9:]


async def test_files_have_safe_headers_ranges_and_conditions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path, monkeypatch) as worker:
        for name in ("a.txt", "page.html", "page.XHTML", "p.svg", "p.xml", "p.rss", "p.png", "p"):
            (tmp_path / "out" / name).write_text("0123456789")
        shown = {}
        for entry in (await worker.get("/files"))["entries"]:
            answer = await worker.request("GET", entry["url"])
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Content-Security-Policy"].startswith("sandbox")
            shown[entry["name"]] = answer.headers["Content-Disposition"].partition(";")[0]
        assert [name for name, how in shown.items() if how == "inline"] == ["a.txt", "p.png"]

        part = await worker.request("GET", "/files/a.txt", headers={"Range": "bytes=-3"})
        assert (part.status, part.body) == (206, b"789")
        assert part.headers["Content-Range"] == "bytes 7-9/10"
        assert (
            await worker.request("GET", "/files/a.txt", headers={"Range": "bytes=10-"})
        ).status == 416
        head = await worker.request("HEAD", "/files/a.txt")
        assert (head.status, head.headers["Content-Length"], head.body) == (200, "10", b"")
        for name, value in (
            ("If-None-Match", head.headers["Etag"]),
            ("If-Modified-Since", head.headers["Last-Modified"]),
        ):
            same = await worker.request("GET", "/files/a.txt", headers={name: value})
            assert same.status == 304
        assert (await worker.request("HEAD", "/files")).status == 200


async def test_no_path_leads_out_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path, monkeypatch) as worker:
        (tmp_path / "secret.txt").write_text("the secret")
        (tmp_path / "out" / ".env").write_text("the secret")
        (tmp_path / "out" / "link.txt").symlink_to("../secret.txt")
        os.mkfifo(tmp_path / "out" / "pipe")
        expected = {
            b"/files/../secret.txt": 403,
            b"/files/%2e%2e/secret.txt": 403,
            b"/files/..%2fsecret.txt": 403,
            b"/files/..%5Csecret.txt": 403,
            b"/files/..\\secret.txt": 403,
            b"/files/%252e%252e%252fsecret.txt": 404,
            b"/files/%252e%252e/secret.txt": 404,
            b"/files/secret.txt%00": 403,
            b"/files//etc/passwd": 404,
            b"/files//../secret.txt": 403,
            b"/files/%2fetc%2fpasswd": 403,
            b"/files/link.txt": 403,
            b"/files/pipe": 403,
            b"/files/.env": 404,
            b"/files/%2eenv": 404,
            b"/files/": 200,
            b"/files/%ff": 404,
            b"/filesx": 404,
            b"/Files": 404,
            b"//files": 404,
            b"/%66iles": 200,
            b"/files/../health": 403,
        }
        for path, status in expected.items():
            found, answer = await raw(worker.url, path)
            assert b"the secret" not in answer
            assert (path, found) == (path, status)
            assert status == 200 or b"application/problem+json" in answer
            assert status != 403 or b"/problems/forbidden-file" in answer
        assert (await worker.get("/files"))["entries"] == []


async def test_a_key_is_needed_and_other_methods_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path, monkeypatch) as worker:
        (tmp_path / "out" / "a.txt").write_text("a")
        for path in ("/files", "/files/a.txt", "/files/b.txt", "/files/../a.txt"):
            status, answer = await raw(worker.url, path.encode(), "wrong")
            assert (status, b"a.txt" in answer) == (401, False)
        answered = await problem(worker, "/files/a.txt", 405, "DELETE")
        assert "GET" in answered["detail"]
        assert (await problem(worker, "/files?page=2", 400))["errors"][0]["pointer"] == "?page"
        await problem(worker, "/files?limit=1001", 400)
        await problem(worker, "/task", 405)
        await problem(worker, "/nowhere", 404)


async def test_list_and_serve_can_be_switched_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """
- {prefix: /only/listed, dir: "${OUT}", serve: false}
- {prefix: /only/served, dir: "${OUT}", list: false}
"""
    async with serving(tmp_path, monkeypatch, text) as worker:
        (tmp_path / "out" / "a.txt").write_text("a")
        (entry,) = (await worker.get("/only/listed"))["entries"]
        assert (entry["name"], entry["url"]) == ("a.txt", None)
        await problem(worker, "/only/listed/a.txt", 403)
        await problem(worker, "/only/served", 403)
        assert (await worker.request("GET", "/only/served/a.txt")).body == b"a"
        await problem(worker, "/only", 404)
        paths = (await worker.get("/openapi"))["paths"]
        assert [path for path in paths if path.startswith("/only")] == [
            "/only/listed",
            "/only/served/{path}",
        ]


async def test_a_changed_file_counts_at_once_and_a_bad_one_keeps_the_last_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mounts.yaml"
    async with serving(tmp_path, monkeypatch, "") as worker:
        mounts = worker.worker.mounts
        await problem(worker, "/files", 404)
        file.write_text(ONE)
        await until(lambda: mounts.version == 1)
        assert (await worker.get("/files"))["total"] == 0
        document = await worker.get("/openapi")
        validate(document)
        assert document["paths"]["/files"]["get"]["operationId"] == "list-mount-files"
        assert {"/files", "/files/{path}"} <= set(document["paths"])

        file.write_text("- {prefix: /health, dir: '${OUT}'}")
        await until(lambda: mounts.fault is not None)
        assert (await worker.get("/files"))["total"] == 0
        health = (await worker.get("/health"))["mounts"]
        fault = "line 1: `prefix` /health would hide /health of the API"
        assert health == {"prefixes": ["/files"], "unavailable": [], "file_fault": fault}
        (line,) = worker.events_logged("mounts.kept_the_last_good_list")
        assert line["fault"] == fault

        file.unlink()
        await until(lambda: mounts.version == 2)
        await problem(worker, "/files", 404)
        assert "/files" not in (await worker.get("/openapi"))["paths"]
        assert (await worker.get("/health"))["mounts"]["file_fault"] is None


async def test_a_folder_that_is_away_is_503_and_heals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    async with serving(tmp_path, monkeypatch) as worker:
        mounts = worker.worker.mounts
        (out / "a.txt").write_text("a")
        out.rename(tmp_path / "away")
        for path in ("/files", "/files/a.txt"):
            answered = await problem(worker, path, 503)
            assert answered["type"] == "/problems/folder-unavailable"
            assert answered["detail"].startswith("the folder of /files is not available: No such")
            assert str(tmp_path) not in answered["detail"]
        await until(lambda: mounts.unavailable == {"/files"})
        assert (await worker.get("/health"))["mounts"]["unavailable"] == ["/files"]
        (tmp_path / "away").rename(out)
        assert (await worker.request("GET", "/files/a.txt")).body == b"a"
        await until(lambda: not mounts.unavailable)


async def test_a_folder_that_hangs_blocks_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()
    real = folder_files.list_files

    def hanging(mount: Any, **page: int) -> Any:
        if mount.prefix == "/hangs":
            go.wait(20)
        return real(mount, **page)

    monkeypatch.setattr(mounts_module, "list_files", hanging)
    monkeypatch.setattr(mounts_module, "GIVE_UP_S", 0.3)
    text = "- {prefix: /hangs, dir: '${OUT}'}\n- {prefix: /files, dir: '${OUT}'}"
    async with serving(tmp_path, monkeypatch, text) as worker:
        (tmp_path / "out" / "a.txt").write_text("a")
        try:
            hung = asyncio.create_task(problem(worker, "/hangs", 503))
            assert (await worker.request("GET", "/files/a.txt")).body == b"a"
            assert (await hung)["detail"].endswith("it did not answer within 0.3 s")
        finally:
            go.set()
        await until(lambda: not worker.worker.mounts.unavailable)
        assert (await worker.get("/hangs"))["total"] == 1


async def test_a_huge_folder_does_not_stop_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "0.txt").touch()
    for number in range(1, 30_000):  # links are as cheap to make as files are to list
        os.link(tmp_path / "out" / "0.txt", tmp_path / "out" / f"{number}.txt")
    async with serving(tmp_path, monkeypatch) as worker:
        listing = asyncio.create_task(worker.get("/files", offset="29990"))
        ticks: list[float] = []
        while not listing.done():
            await asyncio.sleep(0.001)
            ticks.append(time.monotonic())
        page = await listing
        assert (page["count"], page["total"]) == (10, 30_000)
        assert len(ticks) > 5  # the loop went on while the folder was read


async def test_a_balancer_has_mounts_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.txt").write_text("a")
    (tmp_path / "mounts.yaml").write_text(f"- {{prefix: /files, dir: '{tmp_path}/out'}}")
    async with running_balancer(tmp_path, MOUNTS_FILE=tmp_path / "mounts.yaml") as balancer:
        (entry,) = (await balancer.get("/files"))["entries"]
        assert (await balancer.request("GET", entry["url"])).body == b"a"
        assert (await balancer.get("/health"))["mounts"]["prefixes"] == ["/files"]
        document = await balancer.get("/openapi")
        validate(document)
        assert "/files/{path}" in document["paths"]


async def test_pages_of_other_origins_may_read_mounts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path, monkeypatch, CORS_ENABLED="true") as worker:
        (tmp_path / "out" / "a.txt").write_text("a")
        origin = {"Origin": "https://app.example"}
        for path in ("/files", "/files/a.txt"):
            answer = await worker.request("GET", path, headers=origin)
            assert answer.status == 200
            assert answer.headers["Access-Control-Allow-Origin"] == origin["Origin"]
            asked = {**origin, "Access-Control-Request-Method": "GET"}
            preflight = await worker.request("OPTIONS", path, headers=asked)
            assert preflight.status == 200, preflight.body


async def test_an_answer_that_is_not_read_leaves_no_file_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path, monkeypatch) as worker:
        file = tmp_path / "out" / "a.bin"
        with file.open("wb") as sparse:
            sparse.truncate(50_000_000)
        (tmp_path / "out" / "a.txt").write_text("a")

        def opened() -> int:
            links = []
            for link in Path("/proc/self/fd").iterdir():
                try:
                    links.append(link.readlink())
                except OSError:  # the one that this listing has open
                    continue
            return sum(link.parent == tmp_path / "out" for link in links)

        parts = urlsplit(worker.url)
        _, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(
            f"GET /files/a.bin HTTP/1.1\r\nHost: x\r\nAuthorization: {KEY}\r\n\r\n".encode()
        )
        await until(lambda: opened() > 0)
        writer.transport.abort()
        await until(lambda: opened() == 0)
        tag = (await worker.request("GET", "/files/a.txt")).headers["Etag"]
        await worker.request("GET", "/files/a.txt", headers={"If-None-Match": tag})
        await worker.request("HEAD", "/files/a.txt")
        await until(lambda: opened() == 0)
