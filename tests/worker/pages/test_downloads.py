"""Downloads become artifacts: their bytes, their names, and why one could not be kept."""

from urllib.parse import quote

import pytest
from playwright.async_api import Download

from slotgrid.core.deadlines import Deadline
from tests.functions.conftest import context
from tests.functions.fakes import RecordingContext
from tests.harness.chromium import browser
from tests.harness.waiting import until
from tests.site.attachments import REPORT
from tests.site.fixtures import Site, site
from worker.pages import downloads
from worker.pages.downloads import save_download
from worker.pages.errors import DownloadFailed

__all__ = ["browser", "context", "site"]


async def begun(context: RecordingContext, site: Site, how: str, name: str = "") -> Download:
    """A download that has begun."""
    page = await context.page()
    await page.goto(site.at(f"/sending/{how}") + (f"?name={quote(name)}" if name else ""))
    async with page.expect_download() as downloading:
        await page.click("a")
    return await downloading.value


@pytest.mark.parametrize(
    ("how", "name", "contents"),
    [
        ("whole", "Report.pdf", REPORT),
        ("chunked", "chunked.bin", REPORT),
        ("compressed", "compressed.csv", REPORT),
        ("empty", "empty.txt", b""),
    ],
)
async def test_a_download_is_kept_byte_by_byte(
    context: RecordingContext, site: Site, how: str, name: str, contents: bytes
) -> None:
    download = await begun(context, site, how)
    temporary = await download.path()
    artifact = await save_download(context, download)
    assert (artifact.name, artifact.size) == (name, len(contents))
    assert context.saved == {name: contents}
    assert not temporary.exists()


async def test_names_are_kept_as_sites_give_them_and_made_unlike(
    context: RecordingContext, site: Site
) -> None:
    for name in ("Report (1).pdf", "Отчёт.pdf", "漢字 😀.txt", "a/b", "Report (1).pdf"):
        await save_download(context, await begun(context, site, "whole", name))
    await save_download(context, await begun(context, site, "whole", "Ж" * 200 + ".pdf"))
    *names, long = context.saved
    assert names == ["Report (1).pdf", "Отчёт.pdf", "漢字 😀.txt", "a_b", "Report (1) (1).pdf"]
    assert long.startswith("Ж" * 100)
    assert long.endswith("Ж.pdf")


async def test_a_download_that_breaks_off_says_so_and_keeps_nothing(
    context: RecordingContext, site: Site
) -> None:
    download = await begun(context, site, "broken")
    with pytest.raises(DownloadFailed, match=r"^the download 'broken.bin' broke off: the server"):
        await save_download(context, download)
    cancelled = await begun(context, site, "trickling")
    await cancelled.cancel()
    with pytest.raises(DownloadFailed, match=r"^the download 'trickling.bin' broke off"):
        await save_download(context, cancelled)
    assert context.saved == {}


@pytest.mark.parametrize("how", ["/downloads/endless.bin", "/downloads/large.bin?size_mb=3"])
async def test_a_download_beyond_the_limit_is_cancelled(
    context: RecordingContext, site: Site, how: str
) -> None:
    page = await context.page()
    await page.set_content(f'<a href="{site.at(how)}">The file</a>')
    async with page.expect_download() as downloading:
        await page.click("a")
    download = await downloading.value
    with pytest.raises(DownloadFailed, match=r"bin' has more than 2000000 bytes, the limit"):
        await save_download(context, download, limit_bytes=2_000_000)
    assert context.saved == {}
    files = downloads._partial_paths(download)
    assert files
    await until(lambda: not any(file.exists() for file in files))


async def test_a_download_is_given_up_before_the_task_s_time_is_over(
    context: RecordingContext, site: Site
) -> None:
    download = await begun(context, site, "trickling")
    context.deadline = Deadline.after(downloads.RESERVE_S + 0.5)
    with pytest.raises(DownloadFailed, match="not complete when the task's time was over: ") as why:
        await save_download(context, download)
    assert not str(why.value).endswith(": 0 bytes had arrived")
    assert context.deadline.remaining_s > 0


async def test_a_download_whose_file_is_gone_names_no_path(
    context: RecordingContext, site: Site
) -> None:
    download = await begun(context, site, "whole")
    (await download.path()).unlink()
    with pytest.raises(DownloadFailed) as why:
        await save_download(context, download)
    assert str(why.value) == ("the download 'Report.pdf' cannot be read: No such file or directory")
