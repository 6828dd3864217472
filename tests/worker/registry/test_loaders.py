"""Files of another suffix have a loader of their own, and run like Python functions."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.harness.in_process.worker import browserless_worker
from tests.worker.registry.conftest import Changes, Folder, run
from tests.worker.registry.registries import SETTINGS, registry_of
from tests.worker.registry.texts import TextLoader
from worker import app
from worker.loaders_by_suffix import loaders
from worker.registry.loader import Loader
from worker.registry.registry import Registry


@pytest.fixture
def registry(folder: Folder) -> Registry:
    """A registry that also loads the texts."""
    return registry_of(folder.path, more={".yaml": TextLoader(SETTINGS)})


def write_text(folder: Folder, name: str, *lines: str) -> None:
    folder.write(name, "\n".join(lines), header="")


async def test_a_suffix_without_a_loader_is_ignored(folder: Folder) -> None:
    registry = registry_of(folder.path)
    write_text(folder, "notes.txt", "kind: recipe")
    await registry.load()
    assert (registry.specs(), registry.broken) == ([], ())


async def test_a_file_is_loaded_by_its_suffix_and_says_its_kind(
    folder: Folder, registry: Registry
) -> None:
    folder.write_function("python.py")
    write_text(folder, "shop/recipe.yaml", "kind: recipe", "one")
    write_text(folder, "flow.yaml", "kind: flow", "one", "two")
    write_text(folder, "wrong.yaml", "kind: poem")
    write_text(folder, "_part.yaml", "no function")
    await registry.load()
    assert {spec.name: spec.kind for spec in registry.specs()} == {
        "flow": "flow",
        "python": "python",
        "shop/recipe": "recipe",
    }
    assert await run(registry, "flow") == 2
    [broken] = registry.broken
    assert (broken.path, broken.error) == ("wrong.yaml", "`kind: poem` is no kind of function")


async def test_small_files_share_a_thread_and_a_large_one_has_its_own(folder: Folder) -> None:
    loader = TextLoader(SETTINGS)
    registry = registry_of(folder.path, more={".yaml": loader})
    for name in ("a", "b", "d", "e"):
        write_text(folder, f"{name}.yaml", "kind: recipe" if name != "d" else "kind: poem")
    write_text(folder, "c.yaml", "kind: recipe", "x" * 100)
    await registry.load()
    assert [spec.name for spec in registry.specs()] == ["a", "b", "c", "e"]
    assert [broken.path for broken in registry.broken] == ["d.yaml"]
    first = {name.removesuffix(".yaml"): thread for name, thread in loader.threads.items()}
    read_by = dict(zip("abcde", "aacdd", strict=True))
    assert first == {name: f"functions-import-{by}.yaml" for name, by in read_by.items()}


async def test_its_name_follows_the_rule_for_all_files(folder: Folder, registry: Registry) -> None:
    write_text(folder, "two words.yaml", "kind: flow")
    await registry.load()
    [broken] = registry.broken
    assert "`two words` cannot be in a function's name" in broken.error


async def test_it_is_reloaded_when_it_or_what_it_uses_changes(
    folder: Folder, registry: Registry
) -> None:
    write_text(folder, "a.yaml", "kind: flow", "use _part.yaml")
    write_text(folder, "_part.yaml", "old")
    changes = Changes(registry)
    async with registry.watching():
        await changes.until(lambda: registry.find("a") is not None)
        before = registry.specs()[0].revision
        write_text(folder, "_part.yaml", "new")
        await changes.until(lambda: registry.specs()[0].revision != before)
        write_text(folder, "a.yaml", "kind: poem")
        await changes.until(lambda: bool(registry.broken))
        assert await run(registry, "a") == 1  # the last good version


async def test_python_files_do_not_import_it(folder: Folder, registry: Registry) -> None:
    folder.write_function("a.py", imports="from . import b")
    write_text(folder, "b.yaml", "kind: flow")
    await registry.load()
    assert "cannot import name 'b'" in registry.broken[0].error


async def test_a_task_runs_it_with_events_steps_and_failures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_texts(*given: Any) -> Mapping[str, Loader]:
        return {**loaders(*given), ".yaml": TextLoader(SETTINGS)}

    monkeypatch.setattr(app, "loaders", with_texts)
    calls = """
        @function()
        async def calls(context: Context):
            return await context.call("recipe", {"by": "calls"})
    """
    async with browserless_worker(tmp_path, {"calls.py": calls}) as worker:
        write_text(worker.folder, "recipe.yaml", "kind: recipe", "knead")
        write_text(worker.folder, "fails.yaml", "kind: recipe", "fail")
        await worker.reload()
        answer = await worker.submit("recipe", input={"for": 2})
        assert answer.json["result"] == {"lines": ["knead"], "input": {"for": 2}}
        assert (await worker.task(answer.json["id"]))["kind"] == "recipe"
        assert "knead" in await worker.log_of(answer.json["id"])
        called = await worker.call("calls")
        assert called["input"] == {"by": "calls"}
        problem = await worker.problem("fails")
        assert problem["detail"] == "fails failed: LookupError: a line that fails"
