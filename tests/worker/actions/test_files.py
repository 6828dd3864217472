"""Files of the functions folder as values, and values as artifacts."""

import base64
import csv
import io
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests.worker.actions.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


def put(world: World, name: str, data: str | bytes) -> None:
    """Write a file into the functions folder."""
    path = Path(world.worker.folder.path) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)


async def read(world: World, name: str, data: str | bytes, **given: Any) -> Any:
    put(world, f"data/{name}", data)
    (value,) = await world.commands(("read_file", {"path": f"/data/{name}", **given}))
    return value


async def unreadable(world: World, name: str, data: str | bytes, **given: Any) -> str:
    put(world, f"data/{name}", data)
    return await world.failure(("read_file", {"path": f"/data/{name}", **given}))


async def content(world: World, file: dict[str, Any]) -> bytes:
    """The bytes of an artifact, from the address that the action gave."""
    answer = await world.worker.request("GET", unquote(file["url"]))
    assert answer.status == 200, answer.body
    assert len(answer.body) == file["size"]
    return answer.body


async def exported(world: World, data: list[Any], **given: Any) -> str:
    (file,) = await world.commands(("export", {"data": data, **given}))
    return (await content(world, file)).decode()


async def test_read_file(world: World) -> None:
    put(world, "data/prices.csv", 'name,price\r\n"Lamp, ""oak""",11.25\r\n"two\nlines",\r\n')
    (rows,) = await world.example("read_file")
    assert rows == [
        {"name": 'Lamp, "oak"', "price": "11.25"},
        {"name": "two\nlines", "price": ""},
    ]


async def test_write_files(world: World) -> None:
    (written,) = await world.example("write_files")
    note, prices, dot = written["files"]
    assert (await content(world, note)).decode() == f"Seen at {world.site.url}"
    assert (await content(world, prices)).decode() == '{\n  "lamp": 11.25\n}\n'
    assert (await content(world, dot)).startswith(b"GIF89a")
    assert [one["content_type"] for one in written["files"]] == [
        "text/plain",
        "application/json",
        "image/gif",
    ]


async def test_export(world: World) -> None:
    (file,) = await world.example("export")
    assert file["name"] == "prices.csv"
    assert (file["rows"], file["columns"]) == (2, ["name", "Price in €", "stock.shop"])
    assert (await content(world, file)).decode() == (
        'name,Price in €,stock.shop\r\nLamp,11.25,-\r\n"Chair, oak",12.5,3\r\n'
    )


async def test_the_suffix_chooses_the_format(world: World) -> None:
    assert await read(world, "a.json", '\ufeff{"ä": [1, null]}') == {"ä": [1, None]}
    assert await read(world, "a.ndjson", '{"a": "\u2028"}\n\n{"a": 2}\n') == [
        {"a": "\u2028"},
        {"a": 2},
    ]
    assert await read(world, "a.YML", "on: yes\nlist: [1, 2.5]\n") == {
        "on": "yes",
        "list": [1, 2.5],
    }
    assert await read(world, "a.tsv", "a\tb\n1\t2") == [{"a": "1", "b": "2"}]
    assert await read(world, "a.md", "# Title\r\n") == "# Title\r\n"
    assert await read(world, "a.bin", b"\x00\xff", format="base64") == "AP8="
    assert await read(world, "empty.csv", "") == []
    assert await read(world, "empty.txt", "") == ""


async def test_csv_as_the_world_writes_it(world: World) -> None:
    semicolons = "\n".join(["имя;число", "Шкаф;1125"]).encode("cp1251")
    assert await read(world, "b.csv", semicolons, encoding="windows-1251", delimiter=";") == [
        {"имя": "Шкаф", "число": "1125"}
    ]
    assert await read(world, "c.csv", "a,,c\n1,2\n\n") == [{"a": "1", "column_2": "2", "c": None}]
    assert await read(world, "d.csv", "1,2\n3\n", header=False) == [["1", "2"], ["3"]]
    assert "has 3 cells in line 2, and 2 titles" in await unreadable(world, "e.csv", "a,b\n1,2,3\n")
    assert "has two columns 'a'" in await unreadable(world, "f.csv", "a,b,a\n1,2,3\n")
    assert "is not CSV in line" in await unreadable(world, "g.csv", 'a\n"open\n')


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("x.json", "{", "'/data/x.json' is not JSON: "),
        ("x.ndjson", "1\n{\n", "is not JSON in line 2"),
        ("x.yaml", "a: [1\nb: 2\n", "is not YAML as recipes have it, line 2"),
        ("x.txt", b"\xff\xfe", "is not utf-8"),
        ("large.txt", b"x" * (10 * 1024 * 1024 + 1), "is larger than"),
    ],
)
async def test_what_cannot_be_read_is_said(
    world: World, name: str, data: str | bytes, words: str
) -> None:
    assert words in await unreadable(world, name, data)


async def test_encodings_that_are_none_are_refused(world: World) -> None:
    assert "no encoding that Python" in await unreadable(world, "x.txt", "x", encoding="klingon")
    assert "no encoding of text" in await unreadable(world, "x.txt", "x", encoding="rot13")


async def test_an_optional_file_may_be_missing_but_not_outside(world: World) -> None:
    assert await world.commands(("read_file", {"path": "no.json", "optional": True})) == [None]
    assert "has no file 'no.json'" in await world.failure(("read_file", {"path": "no.json"}))
    outside = await world.failure(("read_file", {"path": "../../etc/passwd", "optional": True}))
    assert "outside of the functions folder" in outside


async def test_names_stay_within_the_task(world: World) -> None:
    given = [{"path": "../../a/b.txt", "text": "x"}, {"path": "Отчёт (1).txt", "text": "y"}]
    (written,) = await world.commands(("write_files", {"files": given}))
    names = [one["name"] for one in written["files"]]
    assert "/" not in names[0]
    assert names[1] == "Отчёт (1).txt"
    assert await content(world, written["files"][1]) == b"y"


@pytest.mark.parametrize(
    ("files", "pointer", "words"),
    [
        ([{"path": "a"}], "/files/0", "give one of `text`"),
        ([{"path": "a", "text": "x", "json": None}], "/files/0", "give one of `text`"),
        ([{"path": "a", "base64": "%"}], "/files/0/base64", "is not base64"),
        ([{"path": "a", "text": ""}, {"path": "A", "text": ""}], "/files/1/path", "two files"),
    ],
)
async def test_bad_files_are_refused_before_any_is_written(
    world: World, files: list[Any], pointer: str, words: str
) -> None:
    listed = [{"action": "write_files", "with": {"files": files}}]
    problem = await world.worker.problem("commands", status=400, commands=listed)
    assert pointer in str(problem)
    assert words in str(problem)


async def test_csv_reads_back_as_it_was(world: World) -> None:
    cells = ['"', "a,b", "two\r\nlines", "tab\there", "  space ", "émoji 🎉", ""]
    text = await exported(world, [{"a": cell, "b": 1} for cell in cells], columns=["a"])
    assert [row[0] for row in csv.reader(io.StringIO(text, newline=""))][1:] == cells


async def test_columns_are_the_keys_of_all_records(world: World) -> None:
    text = await exported(world, [{"b": 1}, {"a": True, "b": None}, {}], missing="n/a")
    assert text == "b,a\r\n1,n/a\r\nn/a,true\r\nn/a,n/a\r\n"
    assert await exported(world, [[1, 2], [3]]) == "1,2\r\n1,2\r\n3,\r\n"
    assert await exported(world, ["x", 5]) == "value\r\nx\r\n5\r\n"
    assert await exported(world, [], columns=["a"]) == "a\r\n"


async def test_keys_with_dots_go_before_inner_ones(world: World) -> None:
    data = [{"a.b": 1, "a": {"b": 2, "c": [1, {"d": "x"}]}}]
    text = await exported(world, data, columns=["a.b", "a.c", "a.d"], delimiter=";")
    assert text == 'a.b;a.c;a.d\r\n1;"[1,{""d"":""x""}]";\r\n'


async def test_formulas_are_escaped_and_counted(world: World) -> None:
    texts = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "-5", "+49 30 123", "-1.5%"]
    (file,) = await world.commands(
        ("export", {"data": [{"=t": text, "n": -1} for text in texts]}),
    )
    rows = list(csv.reader(io.StringIO((await content(world, file)).decode(), newline="")))
    assert rows[0] == ["'=t", "n"]
    assert [row[0] for row in rows[1:]] == [
        *[f"'{text}" for text in texts[:5]],
        *texts[5:],
    ]
    assert {row[1] for row in rows[1:]} == {"-1"}
    assert file["escaped"] == 6
    kept = await exported(world, [{"a": "=1"}], formulas="keep")
    assert kept == "a\r\n=1\r\n"


async def test_markdown_cells_stay_in_their_cell(world: World) -> None:
    text = await exported(
        world, [{"a|b": "x|y\\", "c": "two\nlines <b>"}, {"c": {"d": 1}}], format="md"
    )
    assert text == (
        '| a\\|b | c |\n| --- | --- |\n| x\\|y\\\\ | two<br>lines &lt;b> |\n|  | {"d":1} |\n'
    )


async def test_lines_of_json(world: World) -> None:
    columns = [{"name": "a", "title": "A"}, "b"]
    text = await exported(world, [{"a": "=1\n", "b": None}, {}], format="ndjson", columns=columns)
    assert text == '{"A":"=1\\n","b":null}\n{"A":null,"b":null}\n'


async def test_a_byte_order_mark_for_excel(world: World) -> None:
    assert (await exported(world, [{"ä": 1}], bom=True)).startswith("\ufeffä\r\n")


async def test_many_rows_and_odd_characters(world: World) -> None:
    (file,) = await world.commands(("export", {"data": [{"n": n} for n in range(20_000)]}))
    lines = (await content(world, file)).splitlines()
    assert len(lines) == 20_001
    assert lines[-1] == b"19999"
    assert file["rows"] == 20_000


async def test_too_many_keys_need_columns(world: World) -> None:
    data = [{f"k{number}": 1} for number in range(1001)]
    assert "more than 1000 different keys" in await world.failure(("export", {"data": data}))


async def test_base64_is_bytes(world: World) -> None:
    data = base64.b64encode(bytes(range(256))).decode()
    (written,) = await world.commands(("write_files", {"files": [{"path": "b", "base64": data}]}))
    assert await content(world, written["files"][0]) == bytes(range(256))
