"""Services that start, fail, hang, are killed, and come back."""

import asyncio
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.worker.registry.clock import Clock
from tests.worker.registry.conftest import Folder
from worker.registry.registry import Registry
from worker.registry.services import (
    ServiceNotUp,
    ServiceReport,
    Services,
    ServiceState,
)

CHILD = """
import asyncio

@service("child")
class Child:
    async def start(self):
        self.process = await asyncio.create_subprocess_exec("sleep", "1000")

    async def stop(self):
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    async def status(self):
        if self.process.returncode is not None:
            raise RuntimeError("the process is gone")
        return {"pid": self.process.pid}
"""

FLAG = """
from pathlib import Path

@service("flag", start_timeout_s=0.2)
class Flag:
    async def start(self):
        text = Path(__file__).with_suffix(".flag").read_text()
        if text != "up":
            raise RuntimeError(text)

    async def stop(self): ...

    async def status(self): ...
"""


def quiet(name: str, *, start: str = "...", stop: str = "...", status: str = "...") -> str:
    return (
        f"import asyncio\n@service('{name}', start_timeout_s=0.1)\nclass Quiet:\n"
        f"    async def start(self): {start}\n    async def stop(self): {stop}\n"
        f"    async def status(self): {status}\n"
    )


class Watched:
    """Services whose changes can be waited for."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.states: list[tuple[str, ServiceState]] = []
        self._changed = asyncio.Event()
        services.on_change(self._note)

    def _note(self) -> None:
        for report in self.services.snapshot():
            if (report.name, report.state) not in self.states[-1:]:
                self.states.append((report.name, report.state))
        self._changed.set()

    def report(self, name: str) -> ServiceReport:
        return next(report for report in self.services.snapshot() if report.name == name)

    async def until(self, name: str, state: ServiceState, restarts: int | None = None) -> None:
        async with asyncio.timeout(20):
            while self.services.state(name) is not state or (
                restarts is not None and self.report(name).restarts < restarts
            ):
                self._changed.clear()
                await self._changed.wait()


async def no_pause(_: float) -> None:
    await asyncio.sleep(0.01)


@pytest.fixture
def watched(registry: Registry) -> Watched:
    return Watched(Services(registry, sleep=no_pause, status_timeout_s=0.1, stop_timeout_s=0.1))


async def test_a_service_starts_answers_and_stops(
    folder: Folder, registry: Registry, watched: Watched
) -> None:
    folder.write("child.py", CHILD)
    await registry.load()
    services = watched.services
    assert services.state("child") is ServiceState.DOWN
    async with services.running():
        assert services.state("child") is ServiceState.STARTING
        with pytest.raises(ServiceNotUp, match="`child` is starting"):
            services.instance("child")
        await watched.until("child", ServiceState.UP)
        process = psutil.Process(services.instance("child").process.pid)
        report = watched.report("child")
        assert report.status == {"pid": process.pid}
        assert (report.restarts, report.error) == (0, None)
        assert report.to_json()["state"] == "up"
    assert not process.is_running()
    assert not services.is_up("child")
    assert services.snapshot() == []


async def test_a_killed_service_is_down_and_comes_back(
    folder: Folder, registry: Registry, watched: Watched
) -> None:
    folder.write("child.py", CHILD)
    await registry.load()
    async with watched.services.running():
        await watched.until("child", ServiceState.UP)
        first = watched.services.instance("child").process.pid
        os.kill(first, signal.SIGKILL)
        await watched.until("child", ServiceState.DOWN)
        assert watched.report("child").error == "RuntimeError: the process is gone"
        await watched.until("child", ServiceState.UP, restarts=1)
        second = watched.services.instance("child").process.pid
        assert second != first
        assert watched.report("child").error is None
    assert not psutil.pid_exists(second)


async def test_a_service_that_fails_at_start_is_tried_until_it_comes_up(
    folder: Folder, registry: Registry, watched: Watched
) -> None:
    flag: Path = folder.path / "flag.flag"
    flag.write_text("no licence")
    folder.write("flag.py", FLAG)
    folder.write("other.py", quiet("other"))
    await registry.load()
    async with watched.services.running():
        await watched.until("other", ServiceState.UP)
        await watched.until("flag", ServiceState.DOWN, restarts=2)
        assert watched.report("flag").error == "RuntimeError: no licence"
        assert watched.services.is_up("other")
        flag.write_text("up")
        await watched.until("flag", ServiceState.UP)
        assert watched.report("other").restarts == 0


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (quiet("bad", start="await asyncio.sleep(99)"), "start of bad takes longer than 0.1 s"),
        (quiet("bad", status="await asyncio.sleep(99)"), "status of bad takes longer than 0.1 s"),
        (quiet("bad", status="return object()"), "not JSON"),
        (quiet("bad", start="1 / 0"), "ZeroDivisionError: division by zero"),
        (quiet("bad", start="1 / 0", stop="1 / 0"), "ZeroDivisionError: division by zero"),
        (
            quiet("bad", status="1 / 0", stop="await asyncio.sleep(99)"),
            "ZeroDivisionError: division by zero",
        ),
        (
            quiet("bad", status="raise asyncio.CancelledError"),
            "RuntimeError: CancelledError: cancelled by its own code",
        ),
        (
            quiet("bad", start="raise SystemExit(3)", stop="raise KeyboardInterrupt"),
            "RuntimeError: SystemExit: 3",
        ),
        (quiet("bad") + "    def __init__(self): raise SystemExit(4)\n", "SystemExit: 4"),
    ],
)
async def test_what_hangs_or_fails_is_down_and_is_tried_again(
    folder: Folder, registry: Registry, watched: Watched, text: str, error: str
) -> None:
    folder.write("bad.py", text)
    folder.write("good.py", quiet("good"))
    await registry.load()
    async with watched.services.running():
        await watched.until("bad", ServiceState.DOWN, restarts=1)
        assert error in str(watched.report("bad").error)
        await watched.until("good", ServiceState.UP)


async def test_a_service_that_will_not_be_cancelled_holds_nothing_up(
    folder: Folder, registry: Registry, watched: Watched
) -> None:
    folder.write(
        "stubborn.py",
        """
        import asyncio

        @service("stubborn", start_timeout_s=0.1)
        class Stubborn:
            async def start(self):
                for _ in range(5):
                    try:
                        await asyncio.sleep(0.2)
                    except asyncio.CancelledError:
                        pass

            async def stop(self): ...

            async def status(self): ...
        """,
    )
    await registry.load()
    async with watched.services.running():
        await watched.until("stubborn", ServiceState.DOWN, restarts=1)
    # What is left of its starts ends by itself; nobody waited for it.
    left = [task for task in asyncio.all_tasks() if "stubborn" in task.get_name()]
    assert left
    await asyncio.wait(left)


async def test_restarts_come_with_a_growing_pause_up_to_a_ceiling(
    folder: Folder, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    flag: Path = folder.path / "flag.flag"
    flag.write_text("not yet")
    folder.write("flag.py", FLAG)
    await registry.load()
    clock = Clock()
    monkeypatch.setattr(random, "uniform", lambda _, most: most)  # no jitter
    services = Services(registry, clock=clock, sleep=clock.sleep)
    async with services.running():
        pauses = [await clock.next_sleep() for _ in range(9)]
        assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
        flag.write_text("up")
        while await clock.next_sleep() == 30.0:
            pass
        # Up for longer than the ceiling: what comes next counts as a first failure.
        for _ in range(40):
            assert await clock.next_sleep() == pytest.approx(1.0)
        services.instance("flag").__class__.status = failing
        while (pause := await clock.next_sleep()) == pytest.approx(1.0):
            pass
        assert pause == pytest.approx(0.5)


async def failing(_: object) -> None:
    raise RuntimeError("failed")


async def test_a_changed_service_is_started_anew_and_the_others_are_not(
    folder: Folder, registry: Registry, watched: Watched
) -> None:
    folder.write("child.py", CHILD)
    folder.write("other.py", quiet("other"))
    await registry.load()
    services = watched.services
    async with services.running():
        await watched.until("child", ServiceState.UP)
        await watched.until("other", ServiceState.UP)
        old, other = services.instance("child").process.pid, services.instance("other")
        folder.write("child.py", CHILD + "# changed\n")
        await registry.load()
        assert services.state("child") is ServiceState.STARTING
        await watched.until("child", ServiceState.UP)
        assert services.instance("child").process.pid != old
        assert not psutil.pid_exists(old)
        assert services.instance("other") is other
        folder.remove("other.py")
        await registry.load()
        assert [report.name for report in services.snapshot()] == ["child"]
        folder.write("late.py", quiet("late"))
        await registry.load()
        await watched.until("late", ServiceState.UP)


async def test_a_service_whose_file_breaks_goes_on(
    folder: Folder, make_registry: Callable[..., Registry]
) -> None:
    folder.write("child.py", CHILD)
    registry = make_registry()
    await registry.load()
    watched = Watched(Services(registry, sleep=no_pause))
    async with watched.services.running():
        await watched.until("child", ServiceState.UP)
        before = watched.services.instance("child")
        folder.write("child.py", "def (")
        await registry.load()
        assert registry.broken[0].kept_revision is not None
        assert watched.services.instance("child") is before
