"""The lock files: complete, checked by hash, in step with each other and with pyproject.toml."""

import re
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.setup.paths import ROOT

LOCKS = sorted(ROOT.glob("requirements*.lock"))
PIN = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>[^ ]+)( ; [^\\]+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")
COMMENT = re.compile(r"    # (via.*|  .*)")


def pins(lock: Path) -> dict[str, str]:
    """The versions of a lock by package name."""
    found = (PIN.fullmatch(line) for line in lock.read_text().splitlines())
    return {pin["name"]: pin["version"] for pin in found if pin}


def wanted() -> list[tuple[str, Requirement]]:
    """Each requirement of pyproject.toml, with the lock that must fulfil it."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = document["project"]
    extras = project["optional-dependencies"]
    dev = [text for text in extras["dev"] if text != "slotgrid[s3]"] + extras["s3"]
    tables = {
        "requirements.lock": project["dependencies"],
        "requirements-dev.lock": dev,
        "requirements-build.lock": document["build-system"]["requires"],
    }
    return [(lock, Requirement(text)) for lock, table in tables.items() for text in table]


def test_there_is_a_lock_for_running_for_developing_and_for_building() -> None:
    names = [lock.name for lock in LOCKS]
    assert names == ["requirements-build.lock", "requirements-dev.lock", "requirements.lock"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_holds_pins_hashes_and_origins_and_names_no_index(lock: Path) -> None:
    strange = [
        line
        for line in lock.read_text().splitlines()
        if not any(kind.fullmatch(line) for kind in (PIN, HASH, COMMENT))
    ]
    assert strange == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_pin_is_followed_by_a_hash(lock: Path) -> None:
    lines = lock.read_text().splitlines()
    after = dict(pairwise(lines))
    pinned = [line for line in lines if PIN.fullmatch(line)]
    assert pinned
    assert [line for line in pinned if not HASH.fullmatch(after.get(line, ""))] == []


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-build.lock"])
def test_the_development_lock_has_the_same_version_of_everything(name: str) -> None:
    development = pins(ROOT / "requirements-dev.lock").items()
    assert set(pins(ROOT / name).items()) - set(development) == set()


@pytest.mark.parametrize(("lock", "requirement"), wanted(), ids=str)
def test_a_lock_fulfils_what_the_project_asks_for(lock: str, requirement: Requirement) -> None:
    version = pins(ROOT / lock).get(requirement.name)
    assert version is not None, f"{requirement.name} is not in {lock}: make lock"
    assert requirement.specifier.contains(version, prereleases=True)
