"""A worker and the tests' site for a module, and the examples of the actions' docstrings."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from tests.harness.in_process.worker import RunningWorker, running_worker
from tests.site.fixtures import Site, running_site
from worker.actions.catalog import actions


@dataclass(frozen=True)
class World:
    """A worker with a real Chromium, and the site that it may reach."""

    worker: RunningWorker
    site: Site

    async def commands(self, *commands: tuple[str, dict[str, Any]]) -> list[Any]:
        """The outputs of actions that run in one context, one after the other."""
        listed = [{"action": name, "with": given} for name, given in commands]
        result = await self.worker.call("commands", commands=listed)
        return [one["output"] for one in result["commands"]]

    async def failure(self, *commands: tuple[str, dict[str, Any]]) -> str:
        """Why such a list of commands fails."""
        listed = [{"action": name, "with": given} for name, given in commands]
        problem = await self.worker.problem("commands", commands=listed)
        return str(problem["detail"])

    async def example(self, action: str, **given: str) -> list[Any]:
        """Run the example in the docstring of an action as a recipe; the outputs of its steps.

        The documentation names the test that calls it as the action's own. `given` is the input
        beside `site`, the address of the tests' site.
        """
        result = await self.result_of_example(action, **given)
        return list(result.values())

    async def result_of_example(self, action: str, **given: str) -> Any:
        """Run the example in the docstring of an action as a recipe; its result."""
        text = actions()[action].example
        assert text, f"the docstring of {action} has no example"
        given = {"site": self.site.url, **given}
        recipe = {"input": dict.fromkeys(given, "string"), "steps": yaml.safe_load(text)}
        name = f"example_{action}"
        (self.worker.folder.path / f"{name}.yaml").write_text(yaml.safe_dump(recipe))
        await self.worker.reload()
        broken = [one.error for one in self.worker.worker.registry.broken if name in one.path]
        assert not broken, broken
        return await self.worker.call(name, **given)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder: Path = tmp_path_factory.mktemp("actions")
    async with running_site() as site, running_worker(folder, {}) as worker:
        yield World(worker, site)
