"""Two files that give the same function: at a start both are refused, later the newcomer is."""

import pytest

from tests.worker.registry.conftest import Folder, run
from tests.worker.registry.registries import SETTINGS, registry_of
from tests.worker.registry.texts import TextLoader
from worker.registry.registry import Registry

FAULT = "shop/a.py and shop/a.yaml define the same function `shop/a`"


@pytest.fixture
def registry(folder: Folder) -> Registry:
    return registry_of(folder.path, more={".yaml": TextLoader(SETTINGS)})


def write_python(folder: Folder) -> None:
    folder.write_function("shop/a.py", returned="'python'")


def write_text(folder: Folder, *lines: str) -> None:
    folder.write("shop/a.yaml", "\n".join(("kind: flow", *lines)), header="")


def broken(registry: Registry) -> dict[str, str]:
    return {file.path: file.error for file in registry.broken}


async def test_at_start_both_are_refused_and_other_files_are_served(
    folder: Folder, registry: Registry
) -> None:
    write_python(folder)
    write_text(folder)
    folder.write_function("b.py")
    await registry.load()
    assert [spec.name for spec in registry.specs()] == ["b"]
    assert broken(registry) == {"shop/a.py": FAULT, "shop/a.yaml": FAULT}
    folder.write_function("b.py", returned="2")
    await registry.load()  # a later load decides nothing in favour of one
    assert broken(registry) == {"shop/a.py": FAULT, "shop/a.yaml": FAULT}


@pytest.mark.parametrize(("removed", "result"), [("shop/a.py", 0), ("shop/a.yaml", "python")])
async def test_after_a_removal_the_other_one_is_loaded(
    folder: Folder, registry: Registry, removed: str, result: object
) -> None:
    write_python(folder)
    write_text(folder)
    await registry.load()
    folder.remove(removed)
    await registry.load()
    assert broken(registry) == {}
    assert await run(registry, "shop/a") == result


async def test_on_reload_the_loaded_one_stays_whichever_it_is(
    folder: Folder, registry: Registry
) -> None:
    write_text(folder)
    await registry.load()
    in_use = registry.runnable("shop/a")
    write_python(folder)
    await registry.load()
    assert registry.runnable("shop/a") is in_use
    [newcomer] = registry.broken
    assert (newcomer.path, newcomer.error, newcomer.kept_revision) == ("shop/a.py", FAULT, None)
    write_text(folder, "a line more")  # an edit of the loaded one is taken up
    await registry.load()
    assert await run(registry, "shop/a") == 1
    write_python(folder)
    folder.remove("shop/a.yaml")
    await registry.load()
    assert broken(registry) == {}
    assert await run(registry, "shop/a") == "python"


async def test_the_loaded_one_stays_when_it_breaks_too(folder: Folder, registry: Registry) -> None:
    write_python(folder)
    await registry.load()
    folder.write("shop/a.py", "broken (")
    write_text(folder)
    await registry.load()
    assert await run(registry, "shop/a") == "python"
    assert set(broken(registry)) == {"shop/a.py", "shop/a.yaml"}
    assert broken(registry)["shop/a.yaml"] == FAULT


async def test_a_file_without_a_function_claims_no_name(folder: Folder, registry: Registry) -> None:
    write_python(folder)
    await registry.load()
    folder.write("shop/a.py", "@tag\ndef version(): return '1'")
    write_text(folder)
    await registry.load()
    assert broken(registry) == {}
    assert await run(registry, "shop/a") == 0
    assert [tag.name for tag in registry.tags_defined] == ["version"]
