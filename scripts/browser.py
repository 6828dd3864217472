"""Finds a Chromium in the worker's own order, or installs one, and checks the driver."""

import asyncio
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from scripts import debian
from scripts.fonts import ensure_fonts
from scripts.progress import Line, StepFailed, command, failures_told, step
from slotgrid.runtime.env_file import load_settings
from slotgrid.runtime.setting_aliases import NodeKind
from slotgrid.runtime.setting_choices import BrowserKind
from slotgrid.runtime.settings import NO_DEFAULTS, Settings, SettingsError
from worker.browser.errors import BrowserMissing
from worker.browser.find_chromium import Executable, browser_version, find_executable
from worker.browser.fonts import LATIN

PLAYWRIGHT = Path(sys.executable).with_name("playwright")
PLAYWRIGHT_NAMES = {
    BrowserKind.SHELL: ("--only-shell", "chromium"),
    BrowserKind.CHROMIUM: ("--no-shell", "chromium"),
}
# The driver is a Node.js program; a minimal Debian lacks this library.
DRIVER_LIBRARY = "libatomic1"
NO_BROWSER = (
    "on Debian: sudo apt-get install -y {packages}\n"
    "Elsewhere, install Chromium in any way you like and name its binary: "
    "CHROMIUM_PATH=/path/to/chromium in .env."
)


def checked_settings(
    defaults: Mapping[str, str] = NO_DEFAULTS, kind: NodeKind = NodeKind.WORKER
) -> Settings:
    """The settings of this folder. Raises StepFailed with all their faults."""
    try:
        return load_settings(defaults=defaults, kind=kind)
    except SettingsError as error:
        problems = "\n".join(f"    {problem}" for problem in error.problems)
        raise StepFailed(f"The settings have faults:\n{problems}", remedy="edit .env.") from error


def ensure_driver() -> None:
    """Make sure that Playwright's driver starts, as one step. Raises StepFailed with a remedy."""
    with step("driver") as line:
        try:
            line.detail = driver_version()
        except StepFailed as failed:
            remedy = f"sudo apt-get update && sudo apt-get install -y {DRIVER_LIBRARY}"
            if not (debian.this_distribution() and debian.can_install()):
                raise StepFailed(str(failed), remedy=remedy) from failed
            line.detail = f"installing {DRIVER_LIBRARY}"
            debian.install(DRIVER_LIBRARY)
            line.detail = driver_version()


def driver_version() -> str:
    """The version that the driver prints, which proves that it starts. Raises StepFailed."""
    return command([str(PLAYWRIGHT), "--version"]).replace("Version", "Playwright")


def ensure_browser(settings: Settings) -> None:
    """Make sure that a browser starts, as one step. Raises StepFailed with a remedy."""
    kind = settings.browser
    with step("browser") as line:
        try:
            executable = find_executable(kind, settings.chromium_path)
        except BrowserMissing as missing:
            if settings.chromium_path:
                raise StepFailed(str(missing), remedy="correct CHROMIUM_PATH in .env.") from missing
            executable = install(kind, line)
        line.detail = f"Chromium {started_version(executable)}, {executable.source}"


def install(kind: BrowserKind, line: Line) -> Executable:
    """Install a browser of this kind: Debian's package if possible, else Playwright's build.

    Ubuntu's package is not used: its Chromium is a snap, which neither a root shell in a
    container nor a service can start.
    """
    ways: list[Callable[[BrowserKind], None]] = [install_playwrights]
    if debian.this_distribution() == "debian" and debian.can_install():
        ways.insert(0, install_debians)
    problems = []
    for way in ways:
        line.detail = f"none found, installing {way.__doc__}"
        try:
            way(kind)
            return find_executable(kind, None)
        except (StepFailed, BrowserMissing) as failed:
            problems.append(str(failed))
    raise StepFailed(
        "No browser could be installed.\n" + "\n".join(problems),
        remedy=NO_BROWSER.format(packages=f"{kind} {LATIN}"),
    )


def install_debians(kind: BrowserKind) -> None:
    """Debian's package"""
    # Without any font, text is neither drawn nor measured; the package only recommends some.
    debian.install(kind.value, LATIN)


def install_playwrights(kind: BrowserKind) -> None:
    """Playwright's build"""
    command([str(PLAYWRIGHT), "install", *with_dependencies(), *PLAYWRIGHT_NAMES[kind]])


def with_dependencies() -> tuple[str, ...]:
    """Playwright's switch that also installs the system's libraries, if this user may."""
    return ("--with-deps",) if debian.can_install() else ()


def started_version(executable: Executable) -> str:
    """The version that the binary prints, which proves that it starts. Raises StepFailed."""
    try:
        return asyncio.run(browser_version(executable))
    except BrowserMissing as broken:
        remedy = f"sudo {PLAYWRIGHT} install-deps chromium, for the libraries that it misses."
        raise StepFailed(str(broken), remedy=remedy) from broken


def main() -> None:
    """Make sure of a browser, its driver and fonts, by the settings of this folder."""
    with failures_told():
        ensure_driver()
        ensure_browser(checked_settings())
        ensure_fonts()


if __name__ == "__main__":
    main()
