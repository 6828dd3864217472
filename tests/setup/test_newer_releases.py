"""Set-up installs what is pinned, also when the index has newer releases of it.

The index is a folder: `asker` asks for `wanted[extra]`, of which releases 1 and 2 are out, and
the lock pins release 1. pip 23.0.1 comes with Debian's Python 3.11.
"""

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from scripts.progress import StepFailed
from scripts.setup import BUILD_LOCK, LOCKS, Environment
from tests.setup.paths import ROOT
from tests.setup.project import empty_locks, tiny_project

PIPS = {
    "23.0.1": "236bcb61156d76c4b8a05821b988c7b8c35bf0da28a4b614e8d6ab5212c25c6f",
    "26.3": "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13",
}
KEPT = ROOT / ".venv" / "pips"


def pip_wheel(version: str) -> Path:
    """That release of pip, downloaded once."""
    wheel = KEPT / f"pip-{version}-py3-none-any.whl"
    if not wheel.is_file():
        KEPT.mkdir(exist_ok=True)
        asked = KEPT / f"pip-{version}.txt"
        asked.write_text(f"pip=={version} --hash=sha256:{PIPS[version]}\n")
        download = [
            *("-m", "pip", "download", "-q", "--no-deps", "--require-hashes"),
            "-r",
            str(asked),
        ]
        subprocess.run([sys.executable, *download, "-d", KEPT], check=True, timeout=90)
    return wheel


def release(index: Path, name: str, version: str, *requires: str) -> str:
    """Add a release to the index; returns its hash."""
    folder = index / name
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    about = f"{name}-{version}.dist-info"
    metadata = [f"Name: {name}", f"Version: {version}", "Provides-Extra: extra"]
    metadata += [f"Requires-Dist: {requirement}" for requirement in requires]
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{name}.py", f"RELEASE = {version!r}\n")
        archive.writestr(f"{about}/METADATA", "\n".join(["Metadata-Version: 2.1", *metadata, ""]))
        archive.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{about}/RECORD", "")
    links = "".join(f'<a href="{file.name}">{file.name}</a>' for file in folder.glob("*.whl"))
    (folder / "index.html").write_text(f"<!DOCTYPE html><html><body>{links}</body></html>")
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


@pytest.fixture
def pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A line of a lock for each package of the index, by its name; pip knows no other index."""
    index = tmp_path / "index"
    asker = release(index, "asker", "1", "wanted[extra]>=1")
    wanted = release(index, "wanted", "1", "helper; extra == 'extra'")
    helper = release(index, "helper", "1")
    for newer in ("asker", "wanted", "helper"):
        release(index, newer, "2")
    monkeypatch.setenv("PIP_INDEX_URL", index.as_uri())
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    hashes = {"asker": asker, "wanted": wanted, "helper": helper}
    return {name: f"{name}==1 --hash=sha256:{digest}\n" for name, digest in hashes.items()}


@pytest.fixture(params=PIPS, scope="module")
def environment(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Environment:
    """An environment with that pip."""
    made = tiny_project(tmp_path_factory.mktemp(f"pip-{request.param}"))
    install = ["-m", "pip", "install", "-q", "--no-index", "--force-reinstall"]
    subprocess.run([made.python, *install, pip_wheel(request.param)], check=True)
    return made


def installed(environment: Environment, name: str) -> str:
    script = f"import {name}; print({name}.RELEASE)"
    ran = subprocess.run(
        [environment.python, "-c", script], capture_output=True, text=True, check=True
    )
    return ran.stdout.strip()


@pytest.mark.parametrize("kind", LOCKS)
def test_the_pinned_release_is_installed(
    environment: Environment, pins: dict[str, str], kind: str
) -> None:
    empty_locks(environment.root)
    (environment.root / LOCKS[kind]).write_text("".join(pins.values()))
    environment.install(kind)
    assert environment.holds(kind)
    assert [installed(environment, name) for name in pins] == ["1", "1", "1"]


@pytest.mark.parametrize("lock", ["requirements.lock", BUILD_LOCK])
def test_a_lock_that_lacks_a_package_is_refused(
    environment: Environment, pins: dict[str, str], lock: str
) -> None:
    empty_locks(environment.root)
    for name in pins:
        subprocess.run([environment.python, "-m", "pip", "uninstall", "-qy", name], check=True)
    (environment.root / lock).write_text(pins["asker"])
    with pytest.raises(StepFailed, match="asker 1 requires wanted, which is not installed") as no:
        environment.install("runtime")
    assert "make lock" in no.value.remedy
    assert not environment.holds("runtime")


def test_a_package_of_the_user_that_misses_something_is_left_to_the_user(
    environment: Environment, pins: dict[str, str]
) -> None:
    empty_locks(environment.root)
    for name in pins:
        subprocess.run([environment.python, "-m", "pip", "uninstall", "-qy", name], check=True)
    own = ["-m", "pip", "install", "-q", "--no-deps", "asker==1"]
    subprocess.run([environment.python, *own], check=True)
    environment.install("runtime")
    assert environment.holds("runtime")
