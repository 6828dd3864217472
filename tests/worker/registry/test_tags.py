"""Tags: what a worker says about itself."""

import asyncio
from dataclasses import dataclass

from balancer.fleet.message_limits import check_entries
from slotgrid.wire.encoding import encode
from slotgrid.wire.limits import ENTRIES_LIMIT
from slotgrid.wire.messages import Tags as TagsMessage
from tests.worker.registry.clock import Clock
from tests.worker.registry.conftest import Folder
from worker.registry.registry import Registry
from worker.registry.tags import REFRESH_EVERY_S, Tags


@dataclass
class Facts:
    name: str = "worker-1"
    browser_version: str | None = "Chromium 156"


async def test_tags_are_asked_with_the_facts_of_the_node(
    folder: Folder, registry: Registry
) -> None:
    folder.write(
        "about.py",
        """
        @tag
        def chromium(node): return node.browser_version

        @tag("name")
        async def its_name(node): return node.name

        @tag
        def answer(): return 42
        """,
    )
    await registry.load()
    tags = Tags(registry, Facts())
    async with tags.running():
        assert tags.values() == {"answer": 42, "chromium": "Chromium 156", "name": "worker-1"}


async def test_a_tag_that_fails_hangs_or_talks_too_long_shows_its_error(
    folder: Folder, registry: Registry
) -> None:
    folder.write(
        "about.py",
        """
        import asyncio, time

        @tag
        def a_fails(): raise OSError("no such device")
        @tag
        async def b_hangs(): await asyncio.sleep(99)
        @tag
        def c_blocks(): time.sleep(0.5)
        @tag
        def d_lists(): return [1]
        @tag
        def e_talks(): return "x" * 201
        @tag
        def f_works(): return None
        """,
    )
    await registry.load()
    tags = Tags(registry, Facts(), timeout_s=0.1)
    await tags.refresh()
    shown = tags.values()
    assert shown["a_fails"] == "OSError: no such device"
    assert str(shown["b_hangs"]).startswith("TimeoutError")
    assert str(shown["c_blocks"]).startswith("TimeoutError")
    assert "not a list" in str(shown["d_lists"])
    assert "not 201" in str(shown["e_talks"])
    assert shown["f_works"] is None
    assert [tag.error is None for tag in tags.snapshot()] == [False] * 5 + [True]


async def test_tags_are_asked_again_each_minute_and_after_a_change(
    folder: Folder, registry: Registry
) -> None:
    folder.write("about.py", "@tag\ndef n(node):\n    node.asked()\n    return 1")
    await registry.load()
    clock = Clock()

    class Counting(Facts):
        count = 0

        def asked(self) -> None:
            self.count += 1
            loop.call_soon_threadsafe(asked.set)

    loop, asked, facts = asyncio.get_running_loop(), asyncio.Event(), Counting()
    tags = Tags(registry, facts, sleep=clock.sleep)
    async with tags.running(), asyncio.timeout(20):
        assert facts.count == 1
        asked.clear()
        assert await clock.next_sleep() == REFRESH_EVERY_S
        await asked.wait()
        assert facts.count == 2
        asked.clear()
        folder.write("more.py", "@tag\ndef more(node):\n    node.asked()\n    return 2")
        await registry.load()
        await asked.wait()
        assert await clock.next_sleep() == REFRESH_EVERY_S  # the next round has begun to wait
        assert set(tags.values()) == {"n", "more"}


async def test_tags_keep_within_what_a_balancer_takes(folder: Folder, registry: Registry) -> None:
    one = "@tag\ndef t{n:03}(): return {value}\n"
    many = "".join(one.format(n=n, value=n) for n in range(ENTRIES_LIMIT + 5))
    folder.write("many.py", many)
    await registry.load()
    tags = Tags(registry, Facts())
    await tags.refresh()
    assert list(tags.values()) == [f"t{n:03}" for n in range(ENTRIES_LIMIT)]
    large = "".join(one.format(n=n, value="chr(0) * 200") for n in range(ENTRIES_LIMIT))
    folder.write("many.py", large)  # 1,200 bytes of JSON each
    await registry.load()
    await tags.refresh()
    assert 0 < len(tags.values()) < ENTRIES_LIMIT
    check_entries("tags", tags.values())


async def test_a_tag_that_no_message_can_carry_shows_its_error(
    folder: Folder, registry: Registry
) -> None:
    folder.write(
        "about.py",
        """
        @tag
        def half(): return chr(0xD800)
        @tag
        def huge(): return 10**400
        @tag
        def raises(): raise ValueError(chr(0xD800))
        """,
    )
    await registry.load()
    tags = Tags(registry, Facts())
    await tags.refresh()
    assert tags.values() == {
        "half": "\ufffd",
        "huge": "ValueError: a tag's number has at most 64 bits",
        "raises": "ValueError: \ufffd",
    }
    assert encode(TagsMessage(tags=tags.values()))
