"""The flows in functions/examples, run by a balancer and a worker with a real browser."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio

from tests.balancer.flows.flow_folder import ended, follower, run
from tests.functions.test_folder import FOLDER, SHIPPED_FLOWS
from tests.harness.in_process.balancer import RunningBalancer, running_balancer
from tests.harness.peers.receivers import receiver
from tests.site.fixtures import Site, running_site
from tests.site.sessions import PASSWORD, USER

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONGEST = 40
"""Lines of a flow: whoever reads one sees all of it."""


@dataclass(frozen=True)
class Shop:
    """A balancer with the shipped functions, and the site that its workers' pages read."""

    balancer: RunningBalancer
    site: Site

    async def flow(self, name: str, **given: Any) -> Any:
        """A flow that has ended."""
        return await run(self.balancer, f"examples/{name}", **given)

    async def file(self, task: Any) -> list[str]:
        """The lines of the file that the step `file` of a flow saved."""
        child = next(step["task"] for step in task["steps"] if step["name"] == "file")
        (file,) = (await self.balancer.get(f"/tasks/{child}/artifacts"))["artifacts"]
        answer = await self.balancer.request("GET", file["url"])
        return answer.body.decode().splitlines()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    folder: Path = tmp_path_factory.mktemp("flows")
    async with running_site() as site, running_balancer(folder, FUNCTIONS_DIR=FOLDER) as balancer:
        for number in (1, 2):
            await balancer.worker(
                f"worker-{number}",
                FUNCTIONS_DIR=FOLDER,
                SLOTS=2,
                CHROMIUM_PATH="",
                ALLOWED_PRIVATE_NETWORKS="127.0.0.0/8,::1",
            )
        yield Shop(balancer, site)


async def test_each_flow_is_short_described_and_tested(shop: Shop) -> None:
    test = Path(__file__).read_text()
    for name in SHIPPED_FLOWS:
        spec = shop.balancer.balancer.catalog.find(name)
        assert spec is not None, name
        assert spec.description.endswith("."), name
        assert len((FOLDER / f"{name}.yaml").read_text().splitlines()) <= LONGEST, name
        for field, schema in spec.input.document["properties"].items():
            assert schema.get("description"), (name, field)
        assert name.removeprefix("examples/") in test, name


async def test_pages_behind_a_login_are_merged_to_one_file(shop: Shop) -> None:
    pages = [shop.site.at(f"/account?page={number}") for number in range(20)]
    task = await shop.flow(
        "members_to_csv",
        login=shop.site.at("/login"),
        user=USER,
        password=PASSWORD,
        user_field="[name=user]",
        pages=pages,
        item="body",
        fields={"title": "h1"},
    )
    assert task["error"] is None
    assert task["result"]["rows"] == 20
    lines = await shop.file(task)
    assert lines == ["title", *['"Hello, reader"'] * 20]
    assert PASSWORD not in orjson.dumps(task).decode()
    instances = [step for step in task["steps"] if step["name"].startswith("pages[")]
    assert {step["worker"] for step in instances} == {"worker-1", "worker-2"}


async def test_broken_links_of_several_pages_are_told(shop: Shop) -> None:
    async with receiver() as told:
        task = await shop.flow(
            "nightly_links",
            pages=[shop.site.at("/catalogue"), "http://no.invalid/"],
            tell=told.url,
        )
        assert task["error"] is None
        assert task["result"]["unchecked"] == 1
        assert task["result"]["broken"] >= 3
        assert orjson.loads(told.received[0].body) == {
            "text": f"{task['result']['broken']} links are broken"
        }
        assert len(await shop.file(task)) == task["result"]["broken"] + 1


async def test_low_prices_and_failures_are_told(shop: Shop) -> None:
    product = shop.site.at("/catalogue/product/7")
    async with receiver() as told:
        cheap = await shop.flow(
            "price_alarm",
            products=[{"url": product, "limit": 20}, {"url": product, "limit": 1}],
            tell=told.url,
        )
        assert (cheap["error"], cheap["result"]) == (None, ["Table no. 7"])
        nothing = await shop.flow(
            "price_alarm", products=[{"url": product, "limit": 1}], tell=told.url
        )
        assert nothing["result"] == []
        failed = await shop.flow(
            "price_alarm", products=[{"url": shop.site.at("/login"), "limit": 1}], tell=told.url
        )
        assert failed["status"] == "failed"
        one = await follower(shop.balancer, failed["id"])
        assert (await ended(shop.balancer, one["id"]))["status"] == "completed"
        texts = [orjson.loads(one.body)["text"] for one in told.received]
        assert texts[0] == "Cheap: Table no. 7"
        assert texts[1].startswith("The prices were not read: step watch: 1 of 1 instances failed")
        assert len(texts) == 2
