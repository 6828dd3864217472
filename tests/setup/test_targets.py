"""The targets of the Makefile, and who speaks of them."""

import re
import subprocess

from tests.setup.paths import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()
INTERNAL = {"python", "runtime", "dev", "tools"}


def targets() -> set[str]:
    """What `make` can be asked for."""
    return set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


def test_every_make_command_in_the_documentation_exists() -> None:
    pages = [ROOT / "README.md", ROOT / ".ci/run", *(ROOT / "docs").rglob("*.md")]
    spoken = {
        (page.name, target)
        for page in pages
        # As code only, at a line's start or in backticks: prose makes other things.
        for target in re.findall(
            r"(?:^ *(?:\$ )?|`|[A-Z]+=\S+ )make ([a-z-]+)", page.read_text(), re.M
        )
    }
    assert {"lint", "test"} <= {target for page, target in spoken if page == "run"}
    assert {(page, target) for page, target in spoken if target not in targets()} == set()


def test_make_alone_lists_every_target_with_what_it_does() -> None:
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    described = re.findall(r"^  make ([a-z-]+) +\S.+$", listed, re.MULTILINE)
    assert set(described) == targets() - INTERNAL


def test_no_target_is_taken_for_a_file() -> None:
    phony = re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == targets()


def test_without_a_new_enough_python_make_says_what_is_needed() -> None:
    refused = subprocess.run(
        ["make", "run", "PYTHON="], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert refused.returncode != 0
    assert "Python 3.11 or newer is needed" in refused.stderr


def test_the_checks_of_ci_are_those_of_make_check_in_the_same_order() -> None:
    ci = re.findall(r"^make ([a-z-]+)$", (ROOT / ".ci/run").read_text(), re.MULTILINE)
    check = re.search(r"^check: (.+?) ##", MAKEFILE, re.MULTILINE)
    assert check is not None
    assert check[1].split() == ci
