"""Values and control."""

import pytest

from tests.worker.actions.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_sleep(world: World) -> None:
    assert await world.example("sleep") == [None]


async def test_log(world: World) -> None:
    assert await world.example("log", name="Ada") == [None]


async def test_log_writes_any_value(world: World) -> None:
    commands = [{"action": "log", "with": {"line": value}} for value in (3, {"a": [None]})]
    submitted = await world.worker.start("commands", commands=commands)
    await submitted.result()
    lines = (await world.worker.log_of(submitted.task.id)).splitlines()
    assert {"3", '{"a":[null]}'} <= set(lines)


async def test_emit(world: World) -> None:
    assert await world.example("emit") == [None]


async def test_set(world: World) -> None:
    assert await world.example("set", name="Ada") == [{"greeting": "Hello Ada"}]


async def test_return(world: World) -> None:
    assert await world.result_of_example("return", name="Ada") == "Ada"


async def test_fail(world: World) -> None:
    assert await world.example("fail") == [None]


async def test_call(world: World) -> None:
    world.worker.folder.write(
        "hello.py",
        """
        @function()
        async def hello(context: Context, name: str) -> str:
            return f"Hello, {name}!"
        """,
    )
    assert await world.example("call") == ["Hello, Ada!"]


async def test_a_reserved_kind_of_event_is_refused_in_words(world: World) -> None:
    failure = await world.failure(("emit", {"kind": "done", "text": "too early"}))
    assert "'done' cannot be the kind of an event" in failure
