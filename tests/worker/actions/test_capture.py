"""Pictures, PDFs and copies of pages."""

import base64
import io
from typing import Any

import pytest
from pypdf import PdfReader

from tests.worker.actions.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)


async def file_of(world: World, saved: dict[str, Any]) -> bytes:
    """The bytes of an artifact."""
    answer = await world.worker.request("GET", saved["url"])
    assert answer.status == 200, answer.body
    assert len(answer.body) == saved["size"]
    return answer.body


def text_of(pdf: bytes) -> list[str]:
    return [page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages]


async def test_screenshot(world: World) -> None:
    _, saved = await world.example("screenshot")
    assert saved["name"] == "catalogue.png"
    assert saved["loaded"]
    assert saved["base64"] is None
    picture = await file_of(world, saved)
    assert picture.startswith(b"\x89PNG")
    assert int.from_bytes(picture[16:20], "big") == 1280


async def test_a_second_picture_has_a_name_of_its_own_and_a_named_one_replaces(
    world: World,
) -> None:
    page = ("goto", {"url": world.site.at("/catalogue")})
    first, second, named, again = (
        await world.commands(
            page,
            ("screenshot", {"format": "jpeg"}),
            ("screenshot", {"format": "jpeg", "selector": "h1", "inline": True}),
            ("screenshot", {"path": "a.png"}),
            ("screenshot", {"path": "a.png", "selector": "h1"}),
        )
    )[1:]
    assert [one["name"] for one in (first, second, named, again)] == [
        "screenshot.jpeg",
        "screenshot (1).jpeg",
        "a.png",
        "a.png",
    ]
    inline = base64.b64decode(second["base64"])
    assert inline == await file_of(world, second)
    assert await file_of(world, again)
    assert again["size"] < named["size"]


async def test_pdf(world: World) -> None:
    _, saved = await world.example("pdf")
    first, *_ = text_of(await file_of(world, saved))
    assert "Page 1 of" in first
    assert saved["content_type"] == "application/pdf"


async def test_a_parameter_that_a_page_function_refuses_is_the_actions_own(world: World) -> None:
    given = {"format": "jpeg", "omit_background": True}
    listed = [{"action": "screenshot", "with": given}]
    problem = await world.worker.problem("commands", 400, commands=listed)
    assert problem["errors"][0]["pointer"] == "/input/commands/0/with/omit_background"
    text = "steps:\n  - {action: screenshot, with: {format: jpeg, omit_background: true}}\n"
    (world.worker.folder.path / "transparent.yaml").write_text(text)
    await world.worker.reload()
    problem = await world.worker.problem("transparent")
    assert "step screenshot (screenshot, line 2): with/" in problem["detail"]
    assert "omit_background: a JPEG cannot be transparent" in problem["detail"]


async def test_a_bad_range_and_a_bad_selector_are_said_in_words(world: World) -> None:
    page = ("goto", {"url": world.site.at("/catalogue")})
    failure = await world.failure(page, ("pdf", {"pages": "99-"}))
    assert failure.endswith("(pdf): pages: the document ends before '99-' begins")
    listed = [{"action": "screenshot", "with": {"selector": "h1["}}]
    problem = await world.worker.problem("commands", 400, commands=listed)
    (fault,) = problem["errors"]
    assert fault["pointer"] == "/input/commands/0/with/selector"
    assert "'h1[' is not a valid selector" in fault["message"]


async def test_html_to_pdf(world: World) -> None:
    (saved,) = await world.example("html_to_pdf")
    assert saved["name"] == "invoice.pdf"
    assert saved["missing"] == []
    (text,) = text_of(await file_of(world, saved))
    assert "Invoice 17" in text
    assert "1 of 1" in text


async def test_a_file_loads_what_is_beside_it_and_nothing_else(world: World) -> None:
    folder = world.worker.folder.path / "_papers"
    (folder / "img").mkdir(parents=True, exist_ok=True)
    (folder / "img" / "dot.png").write_bytes(PIXEL)
    (folder / "style.css").write_text("p { font-size: 30pt } p::after { content: ' Schluß' }")
    (world.worker.folder.path / "_secret.json").write_text('{"a": 1}')
    (folder / "data.json").write_text("fetched")
    (folder / "letter.html").write_text(
        "<link rel=stylesheet href=style.css><p>Größe: <b id=b></b><img src='img/dot.png'>"
        "<script>b.textContent = document.cookie + location.hostname;"
        "fetch('data.json').then(r => r.text()).then(t => { b.textContent = t })</script>"
        f"<img src='{world.site.at('/images/1.svg')}'><img src=..%2f_secret.json>"
    )
    hits = world.site.hits["/images/1.svg"]
    (saved,) = await world.commands(("html_to_pdf", {"file": "/_papers/letter.html"}))
    (text,) = text_of(await file_of(world, saved))
    assert "Größe: document.slotgrid.invalid" in text
    assert "Schluß" in text
    away = world.site.at("/images/1.svg")
    assert sorted(saved["missing"]) == ["../_secret.json", "data.json", away]
    assert world.site.hits["/images/1.svg"] == hits
    await world.commands(("html_to_pdf", {"file": "/_papers/letter.html", "network": True}))
    assert world.site.hits["/images/1.svg"] == hits + 1


async def test_html_to_pdf_leaves_the_current_tab_alone(world: World) -> None:
    opened, _, after = await world.commands(
        ("goto", {"url": world.site.at("/catalogue")}),
        ("html_to_pdf", {"html": "<p>aside"}),
        ("save_html", {}),
    )
    html = (await file_of(world, after)).decode()
    assert f"<title>{opened['title']}</title>" in html


async def test_inline_html_has_no_folder(world: World) -> None:
    (saved,) = await world.commands(("html_to_pdf", {"html": "<img src=_papers/img/dot.png>x"}))
    assert saved["missing"] == ["_papers/img/dot.png"]


@pytest.mark.parametrize(
    "way",
    [
        "<script>location = '/other'</script>",
        "<script>setTimeout(() => location.reload())</script>",
        "<meta http-equiv=refresh content='0;url=http://127.0.0.1:9/'>",
        "<script>open('http://127.0.0.1:9/'); alert(1); print()</script>",
        "<iframe src=http://127.0.0.1:9/></iframe>",
    ],
)
async def test_a_document_that_moves_on_or_opens_windows_is_printed(world: World, way: str) -> None:
    (saved,) = await world.commands(("html_to_pdf", {"html": f"<p>Stays {way}"}))
    assert "Stays" in text_of(await file_of(world, saved))[0]


@pytest.mark.parametrize("given", [{}, {"html": "a", "file": "b"}])
async def test_html_to_pdf_takes_one_document(world: World, given: dict[str, str]) -> None:
    assert "give either `html` or `file`" in await world.failure(("html_to_pdf", given))


async def test_a_file_outside_of_the_functions_folder_is_refused(world: World) -> None:
    failure = await world.failure(("html_to_pdf", {"file": "../../etc/passwd"}))
    assert "outside of the functions folder" in failure


async def test_save_mhtml(world: World) -> None:
    _, saved = await world.example("save_mhtml")
    copy = await file_of(world, saved)
    assert copy.startswith(b"From: <Saved by Blink>")
    assert b"/catalogue" in copy


async def test_save_html(world: World) -> None:
    _, saved = await world.example("save_html")
    html = (await file_of(world, saved)).decode()
    assert html.startswith("<!DOCTYPE html>")
    assert saved["name"] == "catalogue.html"


async def test_save_html_has_what_scripts_made_and_shadow_roots(world: World) -> None:
    _, saved = await world.commands(
        ("goto", {"url": world.site.at("/pages/forms/shadow.html")}),
        ("save_html", {}),
    )
    html = (await file_of(world, saved)).decode()
    assert '<template shadowrootmode="open">' in html
