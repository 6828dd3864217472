"""Finds the Chromium to start."""

import asyncio
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from slotgrid.runtime.setting_choices import BrowserKind
from worker.browser.errors import BrowserMissing

VERSION_TIMEOUT_S = 10
ADVICE = (
    "install one with `apt-get install chromium-headless-shell` or "
    "`playwright install --only-shell chromium`, or name it in CHROMIUM_PATH"
)


@dataclass(frozen=True, slots=True)
class Executable:
    """A browser's file, its kind, and a description of the place where it was found."""

    path: Path
    kind: BrowserKind
    source: str


def find_executable(
    kind: BrowserKind,
    chromium_path: Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    root: Path = Path("/"),
) -> Executable:
    """The first browser found: `chromium_path`, Playwright's own, Debian's, Google Chrome.

    If no headless shell is installed, a full Chromium replaces it. The shell never replaces
    Chromium, which has features that the shell lacks. `root` is the root of the file system.
    Raises BrowserMissing; if no browser is found, its message says how to install one.
    """
    environment = os.environ if environment is None else environment
    if chromium_path is not None:
        if not _is_executable(chromium_path):
            raise BrowserMissing(f"CHROMIUM_PATH is {chromium_path}, which is not a program")
        guess = BrowserKind.SHELL if "shell" in chromium_path.name else BrowserKind.CHROMIUM
        return Executable(chromium_path, guess, "CHROMIUM_PATH")
    kinds = [kind] if kind is BrowserKind.CHROMIUM else [kind, BrowserKind.CHROMIUM]
    for wanted in kinds:
        for candidate in _candidates(wanted, environment, root):
            if _is_executable(candidate.path):
                return candidate
    raise BrowserMissing(f"no {kind} was found on this machine: {ADVICE}")


async def browser_version(executable: Executable) -> str:
    """The version that `--version` prints, such as `156.0.8078.79`.

    Raises BrowserMissing when the browser does not start, for example if a library is missing.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            executable.path,
            "--version",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as cause:
        raise BrowserMissing(f"{executable.path} cannot be started: {cause.strerror}") from cause
    try:
        async with asyncio.timeout(VERSION_TIMEOUT_S):
            said, complaint = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise BrowserMissing(f"{executable.path} did not print its version in time") from None
    words = said.decode(errors="replace").split()
    version = next((word for word in words if word[0].isdigit()), None)
    if process.returncode != 0 or version is None:
        why = (complaint or said).decode(errors="replace").strip() or "it printed nothing"
        raise BrowserMissing(f"{executable.path} does not start: {why}")
    return version


def _candidates(kind: BrowserKind, env: Mapping[str, str], root: Path) -> Iterator[Executable]:
    yield from _playwrights_own(kind, env)
    library = root / "usr/lib/chromium"
    # Not /usr/bin: Debian's entries there are shell scripts, extra processes around the browser.
    if kind is BrowserKind.SHELL:
        yield Executable(library / "chromium-headless-shell", kind, "the system's headless shell")
        return
    yield Executable(library / "chromium", kind, "the system's Chromium")
    for name, source in (
        ("chromium", "Chromium on the PATH"),
        ("chromium-browser", "Chromium on the PATH"),
        ("google-chrome-stable", "Google Chrome"),
        ("google-chrome", "Google Chrome"),
    ):
        if found := shutil.which(name, path=env.get("PATH", os.defpath)):
            yield Executable(Path(found), kind, source)


def _playwrights_own(kind: BrowserKind, env: Mapping[str, str]) -> Iterator[Executable]:
    """Playwright's browsers, newest revision first; folder names as in Playwright's registry."""
    prefix, programs = (
        ("chromium_headless_shell-", ("*/chrome-headless-shell", "*/headless_shell"))
        if kind is BrowserKind.SHELL
        else ("chromium-", ("*/chrome",))
    )
    installed = [
        folder
        for folder in _playwright_folder(env).glob(f"{prefix}*")
        if (folder / "INSTALLATION_COMPLETE").exists()
    ]
    for folder in sorted(installed, key=_revision, reverse=True):
        for program in programs:
            for path in folder.glob(program):
                yield Executable(path, kind, "Playwright's own browsers")


def _playwright_folder(env: Mapping[str, str]) -> Path:
    configured = env.get("PLAYWRIGHT_BROWSERS_PATH")
    if configured == "0":  # in Playwright's convention: inside the package itself
        spec = find_spec("playwright")
        assert spec is not None and spec.origin is not None
        return Path(spec.origin).parent / "driver/package/.local-browsers"
    if configured:
        return Path(configured)
    cache = env.get("XDG_CACHE_HOME") or Path(env.get("HOME", "/nonexistent")) / ".cache"
    return Path(cache) / "ms-playwright"


def _revision(folder: Path) -> int:
    number = folder.name.rpartition("-")[2]
    return int(number) if number.isdigit() else 0


def _is_executable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
