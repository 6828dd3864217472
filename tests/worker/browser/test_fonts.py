"""What Chromium can draw, by what it draws."""

from pathlib import Path

import pytest
from playwright.async_api import async_playwright

from worker import check
from worker.browser.fonts import CJK, CORE, LATIN, MONO, SCRIPTS, Script, undrawn_scripts
from worker.browser.launch import LaunchPlan


async def undrawn() -> list[str]:
    """The names of the scripts that a fresh browser cannot draw."""
    plan = LaunchPlan()
    async with async_playwright() as playwright:
        options = plan.launch_options(plan.executable(), boot_id="tests")
        browser = await playwright.chromium.launch(**options)
        names = [script.name for script in await undrawn_scripts(await browser.new_page())]
        await browser.close()
    return names


async def test_the_fonts_of_this_machine_draw_what_every_machine_draws() -> None:
    assert {"Latin", "Greek", "Cyrillic"}.isdisjoint(await undrawn())


async def test_without_fonts_no_script_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "fonts.conf"
    empty.write_text(f"<fontconfig><dir>{tmp_path}</dir></fontconfig>")
    monkeypatch.setenv("FONTCONFIG_FILE", str(empty))
    assert await undrawn() == [script.name for script in SCRIPTS]


def named(*names: str) -> list[Script]:
    return [script for script in SCRIPTS if script.name in names]


def test_the_check_names_scripts_and_packages_and_only_latin_is_a_fault() -> None:
    fine = check._fonts([])
    assert (fine.ok, fine.advice) == (True, None)
    asian = check._fonts(named("Thai", "Korean"))
    assert asian.ok
    assert asian.detail == "boxes are drawn instead of Thai, Korean"
    assert asian.advice is not None
    assert asian.advice.endswith(f"install {MONO} {CORE} {CJK}")
    latin = check._fonts(named("Latin"))
    assert not latin.ok
    assert latin.advice is not None
    assert latin.advice.endswith(f"install {LATIN}")
