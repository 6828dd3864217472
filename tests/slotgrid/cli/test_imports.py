"""`slotgrid import`: what it writes, what it never does, and its exit codes."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from slotgrid.cli.main import cli

TASK = 'task "shop/a"\n  goto "http://site.example"\nend\n'
HALF = 'task "b"\n  goto "http://site.example"\n  dance "x"\nend\n'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in which the command runs."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, ["import", *words], env={"COLUMNS": "200"})


def test_a_recipe_is_written_once(here: Path) -> None:
    (here / "a.webtask").write_text(TASK)
    first = run("webtask", "a.webtask")
    assert (first.exit_code, first.stderr) == (0, "")
    written = here / "functions/shop/a.yaml"
    assert "goto" in written.read_text()
    written.write_text("mine")
    again = run("webtask", "a.webtask")
    assert again.exit_code == 1
    assert "already there" in again.stdout
    assert written.read_text() == "mine"
    assert run("webtask", "a.webtask", "--force").exit_code == 0
    assert "goto" in written.read_text()


def test_a_dry_run_writes_nothing_and_names_the_lines(here: Path) -> None:
    (here / "b.webtask").write_text(HALF)
    result = run("webtask", "b.webtask", "--dry-run", "--to", "out")
    assert result.exit_code == 1
    assert "b.webtask:3" in result.stdout
    assert "dance" in result.stdout
    assert not (here / "out").exists()


def test_a_folder_has_scripts_and_a_file_of_it_takes_its_own(here: Path) -> None:
    for name, text in {
        "tasks/x/a.yaml": "name: x/a\nflow: [{run: js, params: {fn: one}}]\n",
        "tasks/x/b.yaml": "name: x/b\nflow: [{run: js, params: {fn: two}}]\n",
        "scripts/one.js": "return 1",
        "scripts/two.js": "return 2",
        ".git/tasks/c.yaml": "name: c",
        "README.md": "# x",
    }.items():
        path = here / "bundle" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert run("webtask", "bundle", "--to", "all").exit_code == 0
    assert {path.name for path in (here / "all").rglob("*.*")} == {
        *("a.yaml", "b.yaml", "one.js", "two.js"),
    }
    assert run("webtask", "bundle/tasks/x/a.yaml", "--to", "single").exit_code == 0
    assert {path.name for path in (here / "single").rglob("*.*")} == {"a.yaml", "one.js"}


def test_a_command_list_is_written(here: Path) -> None:
    (here / "list.json").write_text('[{"tool_name": "sleep", "args": {"duration": 1}}]')
    assert run("commands", "list.json").exit_code == 0
    assert '"seconds": 0.001' in (here / "functions/list.json").read_text()


@pytest.mark.parametrize("size", [0, 10_000_000])
def test_an_empty_and_a_large_file_are_named(here: Path, size: int) -> None:
    (here / "a.yaml").write_bytes(b"x" * size)
    for kind in ("webtask", "commands"):
        result = run(kind, "a.yaml")
        assert result.exit_code == 1
        assert "a.yaml:1" in result.stdout
    assert not (here / "functions").exists()


def test_links_that_lead_elsewhere_are_not_followed(here: Path) -> None:
    outside = here.parent / "outside"
    outside.mkdir()
    (here / "functions").mkdir()
    (here / "functions/shop").symlink_to(outside)
    (here / "a.webtask").write_text(TASK)
    result = run("webtask", "a.webtask", "--force")
    assert result.exit_code == 1
    assert "outside of functions" in result.stdout
    assert list(outside.iterdir()) == []


def test_a_link_in_place_of_a_file_is_replaced_not_followed(here: Path) -> None:
    secret = here.parent / "secret"
    secret.write_text("mine")
    (here / "functions/shop").mkdir(parents=True)
    (here / "functions/shop/a.yaml").symlink_to(secret)
    (here / "a.webtask").write_text(TASK)
    assert run("webtask", "a.webtask", "--force").exit_code == 0
    assert secret.read_text() == "mine"
