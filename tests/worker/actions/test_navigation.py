"""Going to pages, and back and forth between them."""

import pytest

from tests.worker.actions.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_goto(world: World) -> None:
    (opened,) = await world.example("goto")
    assert opened["url"] == world.site.at("/catalogue")
    assert opened["status"] == 200
    assert opened["loaded"]


async def test_reload(world: World) -> None:
    before = world.site.hits["/catalogue"]
    _, again = await world.example("reload")
    assert again["title"] == "Catalogue, page 1"
    assert again["status"] == 200
    assert world.site.hits["/catalogue"] == before + 2


async def test_back(world: World) -> None:
    *_, there = await world.example("back")
    assert there["url"] == world.site.at("/catalogue")
    assert there["status"] == 200


async def test_forward(world: World) -> None:
    *_, there = await world.example("forward")
    assert there["url"] == world.site.at("/catalogue/product/1")


@pytest.mark.parametrize("way", ["back", "forward"])
async def test_the_ends_of_the_history_are_named(world: World, way: str) -> None:
    failure = await world.failure(("goto", {"url": world.site.at("/arrived")}), (way, {}))
    assert f"the tab cannot go {way}: {world.site.at('/arrived')} is the" in failure


async def test_back_within_a_document_that_changed_its_address(world: World) -> None:
    *_, there, shown = await world.commands(
        ("goto", {"url": world.site.at("/arrived")}),
        ("evaluate", {"script": "history.pushState({}, '', '/pushed')"}),
        ("back", {}),
        ("get_url", {}),
    )
    assert there["url"] == shown["url"] == world.site.at("/arrived")


async def test_get_url(world: World) -> None:
    _, shown = await world.example("get_url")
    assert shown == {"url": world.site.at("/arrived"), "title": "Arrived"}


async def test_set_content(world: World) -> None:
    (shown,) = await world.example("set_content")
    assert (shown["title"], shown["status"]) == ("Note", None)


async def test_an_address_that_cannot_be_opened_is_a_sentence(world: World) -> None:
    failure = await world.failure(("goto", {"url": "http://nowhere.invalid/"}))
    assert "http://nowhere.invalid/ cannot be opened" in failure
    assert "Error" not in failure


@pytest.mark.parametrize("before", [[], ["/arrived"]])
async def test_credentials_in_an_address(world: World, before: list[str]) -> None:
    url = world.site.at("/basic-auth").replace("://", "://reader:open%20sesame@")
    listed = [{"action": "goto", "with": {"url": world.site.at(path)}} for path in before]
    listed.append({"action": "goto", "with": {"url": url}})
    answer = await world.worker.submit("commands", input={"commands": listed})
    *_, opened = answer.json["result"]["commands"]
    assert (opened["output"]["status"], opened["output"]["title"]) == (200, "Reading room")
    assert "sesame" not in str(answer.json)
    assert "sesame" not in str(await world.worker.task(answer.json["id"]))
    failure = await world.failure(("goto", {"url": "http://ada:sesame@nowhere.invalid/"}))
    assert "http://nowhere.invalid/ cannot be opened" in failure
