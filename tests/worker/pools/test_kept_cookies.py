"""The copy of a profile's cookies: exact after a task, a help after a crash in one."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Error as PlaywrightError

from worker.browser.kept_cookies import SAVED, KeptCookies


class Jar:
    """Has the cookies of a context, by name; refuses those named `bad`."""

    def __init__(self, **values: str) -> None:
        self.values = values

    async def cookies(self) -> list[dict[str, Any]]:
        return [{"name": n, "value": v, "domain": "a", "path": "/"} for n, v in self.values.items()]

    async def clear_cookies(self) -> None:
        self.values = {}

    async def add_cookies(self, cookies: list[dict[str, Any]]) -> None:
        if any(cookie["name"] == "bad" for cookie in cookies):
            raise PlaywrightError("Invalid cookie fields")
        self.values |= {cookie["name"]: cookie["value"] for cookie in cookies}


async def saved(folder: Path, **values: str) -> KeptCookies:
    kept = KeptCookies(folder)
    await kept.save(Jar(**values))  # type: ignore[arg-type]
    return kept


async def restored(kept: KeptCookies, **present: str) -> dict[str, str]:
    jar = Jar(**present)
    await kept.restore(jar)  # type: ignore[arg-type]
    return jar.values


async def test_after_a_task_the_copy_is_exact(tmp_path: Path) -> None:
    kept = await saved(tmp_path, session="new")
    assert await restored(kept, session="old", ended="x") == {"session": "new"}
    kept = await saved(tmp_path)
    assert await restored(kept, ended="x") == {}


async def test_after_a_crash_in_a_task_only_what_is_missing_comes_back(tmp_path: Path) -> None:
    kept = await saved(tmp_path, session="s", long="old")
    kept.begin()
    assert await restored(kept, long="new") == {"long": "new", "session": "s"}


async def test_without_a_copy_nothing_changes(tmp_path: Path) -> None:
    assert await restored(KeptCookies(tmp_path), long="x") == {"long": "x"}
    (tmp_path / SAVED).write_text("{ torn")
    assert await restored(KeptCookies(tmp_path), long="x") == {"long": "x"}


async def test_a_cookie_that_is_refused_costs_no_other(tmp_path: Path) -> None:
    kept = await saved(tmp_path, bad="x", good="y")
    assert await restored(kept) == {"good": "y"}


async def test_only_the_user_of_the_worker_may_read_it(tmp_path: Path) -> None:
    await saved(tmp_path, session="s")
    assert (tmp_path / SAVED).stat().st_mode & 0o777 == 0o600


async def test_a_full_disk_is_no_fault_of_the_task(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("worker.browser.kept_cookies._write", _no_space)
        await saved(tmp_path, session="s")
    assert not (tmp_path / SAVED).exists()


def _no_space(*_: object) -> None:
    raise OSError(28, "No space left on device")
