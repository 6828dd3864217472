import asyncio
import errno
from contextlib import suppress
from typing import Any

import pytest
from structlog.testing import capture_logs

from slotgrid.runtime import background as background_module
from slotgrid.runtime.background import background, stop_on_death


async def endless(started: asyncio.Event) -> None:
    started.set()
    await asyncio.Event().wait()


async def dying(now: asyncio.Event) -> None:
    await now.wait()
    raise LookupError("gone")


async def test_a_loop_runs_as_long_as_the_block_and_has_a_name() -> None:
    started = asyncio.Event()
    async with background(lambda: endless(started), name="heartbeat") as task:
        await started.wait()
        assert task.get_name() == "heartbeat"
    assert task.cancelled()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_loop_ends_also_when_the_block_fails() -> None:
    started = asyncio.Event()
    with pytest.raises(ValueError, match="of the block"):
        async with background(lambda: endless(started), name="heartbeat") as task:
            await started.wait()
            raise ValueError("of the block")
    assert task.cancelled()


async def test_a_death_is_told_with_its_name_and_error_and_logged() -> None:
    told: asyncio.Future[tuple[str, BaseException | None]] = asyncio.Future()
    now = asyncio.Event()
    with capture_logs() as lines:
        async with background(
            lambda: dying(now), name="reporter", on_death=lambda *death: told.set_result(death)
        ):
            now.set()
            name, error = await told
    assert name == "reporter"
    assert isinstance(error, LookupError)
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("background.died", "critical")
    ]


async def test_a_loop_that_returns_is_dead_too() -> None:
    told: asyncio.Future[BaseException | None] = asyncio.Future()
    async with background(
        lambda: asyncio.sleep(0), name="short", on_death=lambda _, error: told.set_result(error)
    ):
        assert await told is None


async def test_a_loop_that_somebody_cancels_is_dead_too() -> None:
    told: asyncio.Future[BaseException | None] = asyncio.Future()
    started = asyncio.Event()
    async with background(
        lambda: endless(started), name="cut", on_death=lambda _, error: told.set_result(error)
    ) as task:
        await started.wait()
        task.cancel()
        assert await told is None


async def test_a_death_stops_the_service_once_with_the_reason() -> None:
    reasons: list[str] = []
    both = asyncio.Barrier(3)

    async def die(name: str) -> None:
        await both.wait()
        raise LookupError(name)

    stop_on_death(reasons.append)
    async with (
        background(lambda: die("one"), name="one") as one,
        background(lambda: die("two"), name="two") as two,
    ):
        await both.wait()
        await asyncio.wait({one, two})
        await asyncio.sleep(0)  # callbacks of a done task run in the next turn of the loop
    assert len(reasons) == 1
    assert "failed: LookupError" in reasons[0]


async def test_what_else_the_event_loop_is_told_goes_where_it_went() -> None:
    loop = asyncio.get_running_loop()
    contexts: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: contexts.append(context))
    stop_on_death(lambda _: pytest.fail("nothing died"))
    loop.call_exception_handler({"message": "something else"})
    assert contexts == [{"message": "something else"}]


async def test_a_loop_that_does_not_end_is_named_and_left() -> None:
    release, started = asyncio.Event(), asyncio.Event()

    async def stubborn() -> None:
        started.set()
        while not release.is_set():
            with suppress(asyncio.CancelledError):
                await release.wait()

    with capture_logs() as lines:
        async with background(stubborn, name="stubborn", stop_within_s=0.01) as task:
            await started.wait()
    assert [line["event"] for line in lines] == ["background.stuck"]
    release.set()
    await task


async def test_an_error_at_the_end_is_logged_and_hides_nothing() -> None:
    started = asyncio.Event()

    async def clumsy() -> None:
        try:
            await endless(started)
        finally:
            raise LookupError("while ending")

    with capture_logs() as lines, pytest.raises(ValueError, match="of the block"):
        async with background(clumsy, name="clumsy"):
            await started.wait()
            raise ValueError("of the block")
    assert [line["event"] for line in lines] == ["background.failed_at_its_end"]


async def test_a_shortage_of_descriptors_is_no_death(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_module, "SHORTAGE_PAUSE_S", 0.0)
    begun, settled = 0, asyncio.Event()

    async def starved() -> None:
        nonlocal begun
        begun += 1
        if begun < 4:
            raise OSError(errno.EMFILE, "Too many open files")
        settled.set()
        await asyncio.Event().wait()

    with capture_logs() as lines:
        async with background(starved, name="starved"):
            await settled.wait()
    assert [(line["event"], line["background"]) for line in lines] == [
        ("background.shortage", "starved")
    ]


async def test_another_error_of_the_system_is_a_death() -> None:
    told: asyncio.Future[BaseException | None] = asyncio.Future()

    async def failing() -> None:
        raise OSError(errno.EIO, "broken disk")

    async with background(
        failing, name="failing", on_death=lambda _, error: told.set_result(error)
    ):
        assert isinstance(await told, OSError)
