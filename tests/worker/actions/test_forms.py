"""Fields of forms: what they hold, choices, boxes, and files."""

from typing import Any

import pytest

from tests.worker.actions.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


def page(html: str) -> tuple[str, dict[str, Any]]:
    return "set_content", {"html": html}


async def test_fill(world: World) -> None:
    _, filled = await world.example("fill")
    assert filled["value"] == "ada@example.org"


async def test_a_field_named_by_its_label(world: World) -> None:
    _, filled = await world.commands(
        page("<label>E-mail<input></label>"), ("fill", {"text": "e-mail", "value": "a@b.c"})
    )
    assert filled["value"] == "a@b.c"


async def test_what_cannot_be_filled_says_why(world: World) -> None:
    html = "<p>x</p><input readonly><input type=date><input id=short maxlength=2>"
    cases: list[tuple[dict[str, Any], str]] = [
        ({"selector": "p", "value": "1"}, "takes no text: it is no field"),
        ({"selector": "[readonly]", "value": "1", "timeout_s": 0.3}, "is read-only"),
        ({"selector": "[type=date]", "value": "tomorrow"}, "does not take 'tomorrow'"),
    ]
    for given, words in cases:
        assert words in await world.failure(page(html), ("fill", given))


async def test_select(world: World) -> None:
    _, chosen = await world.example("select")
    assert chosen["values"] == ["red", "blue"]


async def test_a_choice_by_value_and_place_and_its_faults(world: World) -> None:
    goto = ("goto", {"url": world.site.at("/forms/order")})
    _, by_value, by_place = await world.commands(
        goto,
        ("select", {"selector": "#size", "value": "small"}),
        ("select", {"selector": "#size", "index": 3}),
    )
    assert (by_value["values"], by_place["values"]) == (["small"], ["large"])
    cases: list[tuple[dict[str, Any], str]] = [
        ({"selector": "#size", "label": "Huge", "timeout_s": 0.3}, "its options are '', 'Small'"),
        ({"selector": "#size", "value": ["small", "large"]}, "it takes only one"),
        ({"selector": "h1", "value": "x"}, "is no <select>"),
    ]
    for given, words in cases:
        assert words in await world.failure(goto, ("select", given))


async def test_check(world: World) -> None:
    _, checked = await world.example("check")
    assert checked["checked"] is True


async def test_uncheck(world: World) -> None:
    *_, cleared = await world.example("uncheck")
    assert cleared["checked"] is False


async def test_boxes_that_the_page_draws_itself(world: World) -> None:
    html = (
        "<input id=a type=checkbox style='display:none'><label for=a>Drawn</label>"
        "<div role=switch aria-checked=false onclick=\"this.setAttribute('aria-checked', 'true')\">"
        "Switch</div><input id=stuck type=checkbox onclick='return false'>"
        "<input type=radio checked id=one>"
    )
    _, drawn, switched = await world.commands(
        page(html), ("check", {"selector": "#a"}), ("check", {"role": "switch"})
    )
    assert drawn["checked"]
    assert switched["checked"]
    failure = await world.failure(page(html), ("check", {"selector": "#stuck"}))
    assert "kept its state" in failure
    failure = await world.failure(page(html), ("uncheck", {"selector": "#one"}))
    assert "is a radio button" in failure


async def test_upload(world: World) -> None:
    _, given = await world.example("upload")
    assert given["files"] == ["plan.txt"]


NAMES = "(async () => { const out = []; for (const one of document.querySelector('input').files) out.push([one.name, one.type, await one.text()]); return out })()"  # noqa: E501


async def test_files_of_the_functions_folder_and_file_choosers(world: World) -> None:
    folder = world.worker.folder.path
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data" / "Прайс (1).csv").write_text("a,b", encoding="utf-8")
    html = (
        "<input type=file multiple style='display:none'>"
        "<button onclick=\"document.querySelector('input').click()\">Choose</button>"
    )
    files = ["data/Прайс (1).csv", {"name": "b.bin", "base64": "aGk="}]
    _, _, direct, _, _, chosen = await world.commands(
        page(html),
        ("upload", {"selector": "input", "files": files}),
        ("evaluate", {"script": NAMES}),
        page(html),
        ("upload", {"text": "Choose", "files": files}),
        ("evaluate", {"script": NAMES}),
    )
    assert direct == chosen == [
        ["Прайс (1).csv", "text/csv", "a,b"],
        ["b.bin", "application/octet-stream", "hi"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("html", "files", "words"),
    [
        ("<input type=file>", ["../../etc/passwd"], "is outside of the functions folder"),
        ("<input type=file>", ["/../../../etc/passwd"], "is outside of the functions folder"),
        ("<input type=file>", ["none.csv"], "has no file 'none.csv'"),
        ("<input type=file>", [{"name": "a"}], "needs its content"),
        ("<input type=file>", [{"name": "a", "base64": "%"}], "is not valid base64"),
        ("<input type=file>", [{"name": n, "text": ""} for n in "ab"], "takes only one file"),
        ("<input>", [{"name": "a", "text": ""}], "opened no dialog for files"),
    ],
)
async def test_files_that_cannot_be_given(
    world: World, html: str, files: list[Any], words: str
) -> None:
    failure = await world.failure(page(html), ("upload", {"selector": "input", "files": files}))
    assert words in failure


async def test_a_file_larger_than_a_step_reads(world: World) -> None:
    (world.worker.folder.path / "large.bin").write_bytes(bytes(12 * 1024 * 1024))
    _, given, size = await world.commands(
        page("<input type=file>"),
        ("upload", {"selector": "input", "files": ["/large.bin"]}),
        ("evaluate", {"script": "document.querySelector('input').files[0].size"}),
    )
    assert given["files"] == ["large.bin"]
    assert size == 12 * 1024 * 1024
