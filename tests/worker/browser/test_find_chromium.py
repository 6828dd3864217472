"""Which browser is started."""

from pathlib import Path

import pytest

from slotgrid.runtime.setting_choices import BrowserKind
from worker.browser.errors import BrowserMissing
from worker.browser.find_chromium import browser_version, find_executable

SHELL, CHROMIUM = BrowserKind.SHELL, BrowserKind.CHROMIUM


class Machine:
    """A file system with browsers in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = {"HOME": str(root / "home"), "PATH": str(root / "usr/bin")}

    def install(self, path: str) -> Path:
        program = self.root / path
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        return program

    def install_playwrights(self, path: str, folder: str = "home/.cache/ms-playwright") -> Path:
        program = self.install(f"{folder}/{path}")
        (program.parents[1] / "INSTALLATION_COMPLETE").touch()
        return program

    def find(self, kind: BrowserKind) -> Path:
        return find_executable(kind, environment=self.environment, root=self.root).path


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_order_is_playwrights_own_then_the_systems_then_google_chrome(machine: Machine) -> None:
    chrome = machine.install("usr/bin/google-chrome")
    assert machine.find(SHELL) == chrome
    on_path = machine.install("usr/bin/chromium")
    assert machine.find(SHELL) == on_path
    chromium = machine.install("usr/lib/chromium/chromium")
    assert machine.find(SHELL) == chromium
    full = machine.install_playwrights("chromium-1255/chrome-linux64/chrome")
    assert machine.find(SHELL) == full
    shell = machine.install("usr/lib/chromium/chromium-headless-shell")
    assert machine.find(SHELL) == shell
    own = machine.install_playwrights(
        "chromium_headless_shell-1255/chrome-headless-shell-linux64/chrome-headless-shell"
    )
    assert machine.find(SHELL) == own
    assert machine.find(CHROMIUM) == full


def test_the_newest_of_playwrights_own_is_taken_if_it_is_whole(machine: Machine) -> None:
    machine.install_playwrights("chromium-999/chrome-linux64/chrome")
    newer = machine.install_playwrights("chromium-1255/chrome-linux64/chrome")
    machine.install("home/.cache/ms-playwright/chromium-1300/chrome-linux64/chrome")
    assert machine.find(CHROMIUM) == newer


@pytest.mark.parametrize("variable", ["PLAYWRIGHT_BROWSERS_PATH", "XDG_CACHE_HOME"])
def test_playwrights_folder_is_where_its_variables_say(machine: Machine, variable: str) -> None:
    below = "" if variable == "PLAYWRIGHT_BROWSERS_PATH" else "/ms-playwright"
    program = machine.install_playwrights("chromium-1/chrome-linux64/chrome", f"else{below}")
    machine.environment[variable] = str(machine.root / "else")
    assert machine.find(CHROMIUM) == program


def test_playwrights_folder_can_be_inside_its_package(machine: Machine) -> None:
    machine.environment["PLAYWRIGHT_BROWSERS_PATH"] = "0"
    with pytest.raises(BrowserMissing):
        machine.find(CHROMIUM)


def test_who_wants_the_full_browser_does_not_get_the_shell(machine: Machine) -> None:
    machine.install("usr/lib/chromium/chromium-headless-shell")
    with pytest.raises(BrowserMissing, match="apt-get install"):
        machine.find(CHROMIUM)


def test_a_path_that_is_given_wins_and_tells_its_kind(machine: Machine) -> None:
    machine.install("usr/lib/chromium/chromium")
    given = machine.install("opt/my-headless-shell")
    found = find_executable(CHROMIUM, given, environment=machine.environment, root=machine.root)
    assert (found.path, found.kind, found.source) == (given, SHELL, "CHROMIUM_PATH")


def test_a_path_that_is_given_and_wrong_is_a_fault(machine: Machine) -> None:
    machine.install("usr/lib/chromium/chromium")
    with pytest.raises(BrowserMissing, match="CHROMIUM_PATH is /nowhere"):
        find_executable(SHELL, Path("/nowhere"), root=machine.root)


async def test_the_version_is_what_the_browser_says() -> None:
    version = await browser_version(find_executable(SHELL))
    assert version.count(".") == 3


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("echo libnss3.so is missing >&2; exit 127", "libnss3.so is missing"),
        ("echo hello", "hello"),
        ("exit 0", "it printed nothing"),
    ],
)
async def test_a_browser_that_does_not_start_says_why(
    machine: Machine, script: str, complaint: str
) -> None:
    program = machine.install("chromium")
    program.write_text(f"#!/bin/sh\n{script}\n")
    with pytest.raises(BrowserMissing, match=complaint):
        await browser_version(find_executable(CHROMIUM, program))


async def test_a_file_that_is_no_program_says_so(machine: Machine) -> None:
    program = machine.install("chromium")
    program.write_text("#!/no/such/interpreter\n")
    with pytest.raises(BrowserMissing, match="cannot be started"):
        await browser_version(find_executable(CHROMIUM, program))
