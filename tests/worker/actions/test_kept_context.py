"""What actions set in the browser context of a persistent pool ends with their task."""

from pathlib import Path
from typing import Any

import pytest

from tests.harness.in_process.worker import RunningWorker, running_worker
from tests.site.fixtures import Site, site
from tests.worker.pools.profiles import a_pools_file

__all__ = ["site"]

LOOK = """({
  language: navigator.language, agent: navigator.userAgent, width: innerWidth,
  scale: devicePixelRatio, dark: matchMedia("(prefers-color-scheme: dark)").matches,
  zone: Intl.DateTimeFormat().resolvedOptions().timeZone, confirmed: confirm("Go on?"),
})"""


async def run(worker: RunningWorker, *commands: tuple[str, dict[str, Any]]) -> Any:
    """The output of the last command."""
    listed = [{"action": name, "with": given} for name, given in commands]
    return (await worker.call("commands", commands=listed))["commands"][-1]["output"]


@pytest.mark.parametrize("is_failing", [False, True])
async def test_the_next_task_has_the_browser_as_it_was(
    tmp_path: Path, site: Site, is_failing: bool
) -> None:
    file = a_pools_file(tmp_path, "default: {size: 1, isolation: persistent}\n")
    look = (("goto", {"url": site.at("/catalogue")}), ("evaluate", {"script": LOOK}))
    async with running_worker(tmp_path, {}, POOLS_FILE=file, SLOTS=1) as worker:
        natural = await run(worker, *look)
        device = {"device": "Pixel 7", "locale": "de-DE", "timezone": "Asia/Tokyo"}
        changes = (
            ("dialogs", {"answer": "accept"}),
            ("emulate", {**device, "color_scheme": "dark"}),
        )
        changed = await run(worker, *changes, *look)
        assert changed != natural
        left: tuple[tuple[str, dict[str, Any]], ...] = (*changes, ("set_offline", {}))
        if is_failing:
            listed = [{"action": name, "with": given} for name, given in left]
            listed.append({"action": "fail", "with": {"message": "on purpose"}})
            await worker.problem("commands", commands=listed)
        else:
            await run(worker, *left)
        assert await run(worker, *look) == natural
