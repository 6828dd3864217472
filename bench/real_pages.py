"""The main job on pages that nobody here wrote: a documentation package, served on loopback.

    apt-get install python3.11-doc
    python -m bench.real_pages /usr/share/doc/python3.11/html --out /tmp/real-pages

Crawls 200 of its pages, takes a screenshot and a PDF of ten of them through one worker, and
prints what came of it and how long it took. Look at the pictures: they are left in `--out`.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from bench.processes import KEY, worker
from slotgrid.client import Client

FUNCTIONS = Path(__file__).parent.parent / "functions"
SLOTS = 4
CRAWLED = 200
PICTURED = 10


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[str]:
    """The folder on a free port of loopback; yields its address."""
    app = web.Application()
    app.router.add_static("/", folder, show_index=False)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def crawl(client: Client, start: str) -> list[dict[str, Any]]:
    """The pages that the crawl visited, as it reported them."""
    fields = {"max_pages": CRAWLED, "max_depth": 10, "delay_s": 0}
    began = time.perf_counter()
    answer = await client.call("crawl", {"url": start, **fields})
    took_s = time.perf_counter() - began
    result: Any = answer.result
    pages: list[dict[str, Any]] = result["pages"]
    titled = sum(bool(page["title"]) for page in pages)
    print(
        f"crawl: {len(pages)} pages, {titled} with a title, {result['failed']} failed, "
        f"{result['found']} addresses found, {took_s:.1f} s, {len(pages) / took_s:.1f} pages/s"
    )
    return pages


async def picture(client: Client, function: str, urls: list[str], out: Path) -> None:
    """Write a file of each page into `out`, all in parallel as far as slots allow."""
    began = time.perf_counter()
    answers = await asyncio.gather(*(client.call(function, {"url": url}) for url in urls))
    took_s = time.perf_counter() - began
    sizes = []
    for number, answer in enumerate(answers, 1):
        for artifact in await client.artifacts(answer.id):
            content = b"".join([piece async for piece in client.artifact(answer.id, artifact.name)])
            sizes.append(len(content))
            path = out / f"{number:02}-{artifact.name}"
            await asyncio.to_thread(path.write_bytes, content)
    kb = statistics.median(sizes) / 1024
    run_ms = statistics.median(answer.run_ms for answer in answers)
    print(
        f"{function}: {len(sizes)} files, median {kb:.0f} kB, "
        f"median run {run_ms:.0f} ms, {took_s:.1f} s for all"
    )


async def run(folder: Path, out: Path) -> None:
    """Crawl, then take pictures of the first pages that have a title."""
    with tempfile.TemporaryDirectory() as scratch:
        async with (
            site(folder) as address,
            worker(Path(scratch), FUNCTIONS, slots=SLOTS) as server,
            Client(f"http://127.0.0.1:{server.port}", KEY) as client,
        ):
            pages = await crawl(client, f"{address}/index.html")
            urls = [page["url"] for page in pages if page["title"]][:PICTURED]
            await picture(client, "screenshot", urls, out)
            await picture(client, "pdf", urls, out)
            for page in pages[:PICTURED]:
                print(f"  {page['status']}  {page['url'].removeprefix(address)}  {page['title']}")


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="where the HTML is, with an index.html")
    parser.add_argument("--out", type=Path, default=Path("real-pages"), help="for the pictures")
    given = parser.parse_args()
    if not (given.folder / "index.html").is_file():
        sys.exit(f"{given.folder} has no index.html")
    given.out.mkdir(parents=True, exist_ok=True)
    asyncio.run(run(given.folder, given.out))


if __name__ == "__main__":
    main()
