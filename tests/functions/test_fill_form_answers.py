"""Where the answer to a form is: another page, a new tab, a file, or nowhere."""

import json
from functools import partial

import pytest

from functions.fill_form import fill_form
from tests.functions.fakes import RecordingContext
from tests.functions.form_answers import received
from tests.site.fixtures import Site
from worker.pages.downloads import save_download
from worker.pages.errors import DownloadFailed, PageUnreachable
from worker.pages.form_values import FieldValue

CITY: dict[str, FieldValue] = {"City": "Bonn"}


async def test_the_answer_in_a_new_tab_is_read_there(context: RecordingContext, site: Site) -> None:
    for name in ("new-tab", "window-open"):
        outcome = await fill_form(
            context, site.at(f"/pages/forms/{name}.html"), fields=CITY, wait_for_after="pre",
            screenshot=True,
        )  # fmt: skip
        assert (outcome.submitted, outcome.followed, outcome.status) == (True, "tab", 200)
        assert (outcome.title, received(outcome)["city"]) == ("Received", "Bonn")
        assert outcome.url.startswith(site.at("/form-cases/received"))
        await (await context.page()).context.pages[-1].close()


async def test_the_answer_in_a_frame_that_is_seen_is_read_there(
    context: RecordingContext, site: Site
) -> None:
    outcome = await fill_form(context, site.at("/pages/forms/into-frame.html"), fields=CITY)
    assert (outcome.followed, outcome.status, outcome.title) == ("request", 200, "Received")
    assert received(outcome) == {"city": "Bonn"}


async def test_the_answer_that_is_a_file_is_kept(context: RecordingContext, site: Site) -> None:
    outcome = await fill_form(context, site.at("/pages/forms/file.html"), fields=CITY)
    assert (outcome.submitted, outcome.followed, outcome.status) == (True, "download", 201)
    assert outcome.url == site.at("/pages/forms/file.html")
    assert outcome.download is not None
    assert outcome.download.name == "Order (1).json"
    assert json.loads(context.saved["Order (1).json"]) == {"city": ["Bonn"]}


async def test_a_file_without_end_is_given_up_with_the_reason(
    context: RecordingContext, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_a_little = partial(save_download, limit_bytes=2**20)
    monkeypatch.setattr("functions.fill_form.save_download", save_a_little)
    with pytest.raises(DownloadFailed, match=r"'endless\.bin' has more than 1048576 bytes"):
        await fill_form(context, site.at("/pages/forms/endless-file.html"), fields=CITY)


async def test_an_answer_that_moves_on_within_settle_s_is_followed(
    context: RecordingContext, site: Site
) -> None:
    outcome = await fill_form(
        context, site.at("/pages/forms/moves-on.html"), fields=CITY, settle_s=2
    )
    assert outcome.url == site.at("/form-cases/received?city=Bonn")
    assert received(outcome) == {"city": "Bonn"}


async def test_a_form_that_gets_no_answer_says_why(context: RecordingContext, site: Site) -> None:
    with pytest.raises(PageUnreachable, match=r"sent to http.*/cut, but no answer .*EMPTY_RESPON"):
        await fill_form(context, site.at("/pages/forms/cut-connection.html"), fields=CITY)


async def test_an_answer_without_a_page_leaves_the_form(
    context: RecordingContext, site: Site
) -> None:
    outcome = await fill_form(context, site.at("/pages/forms/no-content.html"), fields=CITY)
    assert (outcome.submitted, outcome.status) == (True, 204)
    assert outcome.url == site.at("/pages/forms/no-content.html")
