"""The recipes in functions/examples, run by a worker with a real browser on the tests' site."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from pypdf import PdfReader

from tests.functions.test_folder import FOLDER, SHIPPED_RECIPES
from tests.harness.in_process.worker import RunningWorker, running_worker
from tests.harness.peers.receivers import receiver
from tests.site.fixtures import Site, running_site
from tests.site.sessions import PASSWORD, USER
from tests.site.transfers import SMALL_CSV

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONGEST = 25
"""Lines of a recipe: whoever reads one sees all of it."""


@dataclass(frozen=True)
class Shop:
    """A worker with the shipped functions, and the site that its pages read."""

    worker: RunningWorker
    site: Site

    async def cook(self, name: str, path: str, **given: Any) -> Any:
        """The result of a recipe on a page of the site."""
        return await self.worker.call(f"examples/{name}", url=self.site.at(path), **given)

    async def failure(self, name: str, path: str, **given: Any) -> str:
        """Why a recipe fails on a page of the site."""
        url = self.site.at(path)
        problem = await self.worker.problem(f"examples/{name}", url=url, **given)
        return str(problem["detail"])

    async def file(self, url: str) -> bytes:
        """The bytes of an artifact."""
        answer = await self.worker.request("GET", url)
        assert answer.status == 200, answer.body
        return answer.body


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    folder: Path = tmp_path_factory.mktemp("examples")
    async with running_site() as site, running_worker(folder, FOLDER) as worker:
        yield Shop(worker, site)


async def test_each_recipe_is_short_described_and_tested(shop: Shop) -> None:
    test = Path(__file__).read_text()
    for name in SHIPPED_RECIPES:
        text = (FOLDER / f"{name}.yaml").read_text()
        spec = shop.worker.worker.registry.find(name)
        assert spec is not None, name
        assert spec.description.endswith("."), name
        assert len(text.splitlines()) <= LONGEST, name
        for field, schema in spec.input.document["properties"].items():
            assert schema.get("description"), (name, field)
        assert name.removeprefix("examples/") in test, name


async def test_a_search_lists_what_it_finds(shop: Shop) -> None:
    found = await shop.cook("search", "/search", query="lamp", result=".product", limit=2)
    assert found == [
        {
            "title": "Lamp no. 5",
            "url": shop.site.at("/catalogue/product/5"),
            "text": "Lamp no. 5 11.25 € in stock",
        },
        {
            "title": "Lamp no. 10",
            "url": shop.site.at("/catalogue/product/10"),
            "text": "Lamp no. 10 17.50 € in stock",
        },
    ]
    assert await shop.cook("search", "/search", query="boat", result=".product") == []


async def test_a_list_of_several_pages_becomes_one_csv_file(shop: Shop) -> None:
    fields = {"name": "h2", "price": {"selector": ".price", "transform": "float"}}
    given = {"row": ".product", "fields": fields}
    table = await shop.cook("table_to_csv", "/catalogue", **given)
    lines = (await shop.file(table["file"])).decode().splitlines()
    assert (table["rows"], len(lines)) == (60, 61)
    assert (lines[0], lines[1], lines[60]) == (
        "name,price",
        "Chair no. 1,6.25",
        "Lamp no. 60,80.0",
    )
    two = await shop.cook("table_to_csv", "/catalogue", pages=2, **given)
    assert two["rows"] == 24
    last = await shop.cook("table_to_csv", "/catalogue?page=5", **given)
    assert last["rows"] == 12


async def test_a_price_below_the_limit_is_reported(shop: Shop) -> None:
    path = "/catalogue/product/7"
    events = await shop.worker.stream("examples/price_watch", url=shop.site.at(path), limit=20)
    assert ("cheap", {"text": "Table no. 7: 13.75"}) in [
        (kind, {"text": data.get("text")}) for kind, data in events
    ]
    seen = await shop.cook("price_watch", path, limit=13.75)
    assert seen == {"name": "Table no. 7", "price": 13.75, "below_limit": False}
    failure = await shop.failure("price_watch", "/arrived", limit=1)
    assert failure.endswith("/arrived shows no price at .price")


async def test_a_login_is_saved_and_used_by_a_later_task(shop: Shop) -> None:
    saved = await shop.cook(
        "save_login", "/login", user=USER, password=PASSWORD, user_field="[name=user]"
    )
    assert saved["url"] == shop.site.at("/account")
    state = orjson.loads(await shop.file(saved["file"]))
    assert [cookie["name"] for cookie in state["cookies"]] == ["session"]
    account = await shop.worker.call(
        "page_title", url=shop.site.at("/account"), browser={"storage_state": state}
    )
    assert account["title"] == "Account"
    failure = await shop.failure("save_login", "/login", user=USER, password="wrong")
    assert "the page still asks for a password" in failure
    assert "wrong" not in failure


async def test_a_login_is_given_as_cookies(shop: Shop) -> None:
    cookies = await shop.cook(
        "login_cookies", "/login", user=USER, password=PASSWORD, user_field="[name=user]"
    )
    state = {"cookies": cookies, "origins": []}
    account = await shop.worker.call(
        "page_title", url=shop.site.at("/account"), browser={"storage_state": state}
    )
    assert account["title"] == "Account"
    failure = await shop.failure("login_cookies", "/login", user=USER, password="wrong")
    assert "the page still asks for a password" in failure


async def test_rows_become_a_csv_file(shop: Shop) -> None:
    rows = [{"a": 1, "b": "x"}, {"a": 2, "b": "y, z"}]
    table = await shop.worker.call("examples/rows_to_csv", rows=rows)
    assert (await shop.file(table["file"])).decode().splitlines() == ["a,b", "1,x", '2,"y, z"']


async def test_a_text_is_told(shop: Shop) -> None:
    async with receiver() as told:
        status = await shop.worker.call("examples/tell", url=told.url, text="Hallo")
        assert status == 200
        assert orjson.loads(told.received[0].body) == {"text": "Hallo"}


async def test_links_that_do_not_work_are_listed(shop: Shop) -> None:
    report = await shop.cook("check_links", "/catalogue")
    reasons = {one["link"]["url"]: one["reason"] for one in report["broken"]}
    assert reasons.pop("http://outside.invalid/").endswith("its host name is not known")
    assert reasons == {shop.site.at("/status/404"): 404, shop.site.at("/status/500"): 500}
    assert report["checked"] > 20


async def test_an_invoice_has_its_data_and_its_total(shop: Shop, tmp_path: Path) -> None:
    items = [{"text": "Lamp <b>", "count": 2, "price": 3.5}, {"text": "A", "count": 1, "price": 9}]
    invoice = await shop.worker.call(
        "examples/invoice", number="2030/7", customer="Ada & Co", items=items
    )
    assert invoice["total"] == 16
    assert invoice["file"].endswith("/invoice-2030_7.pdf")
    path = tmp_path / "invoice.pdf"
    path.write_bytes(await shop.file(invoice["file"]))
    text = PdfReader(path).pages[0].extract_text()
    for part in ("Invoice 2030/7", "Ada & Co", "Lamp <b>", "7.00", "16.00 EUR"):
        assert part in text, part


async def test_the_json_that_a_page_loads(shop: Shop) -> None:
    (loaded,) = await shop.cook("page_data", "/pages/late.html")
    assert "/catalogue.json" in loaded["url"]
    assert len(loaded["data"]["products"]) == 60
    assert await shop.cook("page_data", "/pages/late.html", match="**/api/**") == []


async def test_a_click_path_is_a_gif_that_moves(shop: Shop) -> None:
    texts = ["Next", "Chair no. 16", "Catalogue"]
    path = await shop.cook("click_path", "/catalogue", texts=texts)
    assert path["pages"] == [
        shop.site.at("/catalogue?page=2"),
        shop.site.at("/catalogue/product/16"),
        shop.site.at("/catalogue"),
    ]
    gif = await shop.file(path["file"])
    assert gif.startswith(b"GIF89a")
    assert gif.count(b"\x21\xf9\x04") > 2  # the mark of a frame


async def test_a_form_is_sent_for_each_record_of_a_file(shop: Shop) -> None:
    first, second = await shop.cook("fill_from_file", "/forms/order")
    assert (first["title"], second["title"]) == ("Order received", "Order received")
    assert "Ada Lovelace" in first["text"]
    assert "Grace Hopper" in second["text"]
    failure = await shop.failure("fill_from_file", "/forms/order", file="/../secret.yaml")
    assert "outside of the functions folder" in failure


async def test_the_files_of_a_page_are_downloaded(shop: Shop) -> None:
    downloaded = await shop.cook("download_files", "/catalogue")
    (url,) = downloaded["files"]
    assert (await shop.file(url)).decode() == SMALL_CSV
    assert downloaded["failed"] == []


async def test_a_page_report_has_its_picture_text_errors_and_speed(shop: Shop) -> None:
    report = await shop.cook("page_report", "/pages/article.html")
    assert (report["status"], report["errors"]) == (200, [])
    assert report["text"]
    assert report["load_ms"] > 0
    picture, paper = [await shop.file(url) for url in report["files"]]
    assert picture.startswith(b"\x89PNG")
    assert paper.startswith(b"%PDF")
    phone = await shop.cook("page_report", "/catalogue", device="iPhone 15")
    assert phone["title"] == "Catalogue, page 1"
