"""The Dockerfile and what would go into the image, without building it."""

import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

from slotgrid.runtime.workers_file import parse_inventory
from tests.setup.paths import ROOT
from worker.browser.fonts import PACKAGES as PACKAGES_OF_FONTS

DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
PACKAGES = [name for name in ("slotgrid", "worker", "balancer") if (ROOT / name).is_dir()]


def instructions(name: str) -> list[str]:
    """The arguments of every instruction of this name, in order."""
    return re.findall(rf"^{name} +(.+)$", DOCKERFILE, re.MULTILINE)


def test_the_image_runs_as_a_user_who_is_not_root() -> None:
    user = instructions("USER")[-1]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    assert f"--uid {user.partition(':')[0]} " in DOCKERFILE


def test_the_image_asks_for_its_health_where_the_node_answers_it() -> None:
    health = re.search(r"^HEALTHCHECK .+$", DOCKERFILE, re.MULTILINE)
    assert health is not None
    assert "/livez" in health[0]
    script = re.search(r'"-c", ("(?:[^"\\]|\\.)+")', health[0])
    assert script is not None
    compile(eval(script[1]), "HEALTHCHECK", "exec")


def test_the_image_starts_a_worker_below_an_init() -> None:
    assert instructions("ENTRYPOINT") == ['["tini", "--"]']
    assert instructions("CMD")[-1] == '["python", "-m", "worker"]'


def test_everything_the_image_copies_is_here_and_sent_to_the_builder() -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"}
    copies = [shlex.split(copy) for copy in instructions("COPY")]
    copied = {name for copy in copies if not copy[0].startswith("--") for name in copy[:-1]}
    assert copied <= sent
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert set(PACKAGES) <= copied


def test_the_image_has_the_fonts_that_set_up_installs() -> None:
    (installing,) = re.findall(r"apt-get install [^&]+", DOCKERFILE)
    fonts = [word for word in installing.split() if word.startswith("fonts-")]
    assert fonts == list(PACKAGES_OF_FONTS)


def test_everything_installed_in_the_image_is_checked_by_hash() -> None:
    installs = re.findall(r"pip (?:--python \S+ )?(?:install|wheel) [^&\n]+", DOCKERFILE)
    assert installs
    assert [
        it for it in installs if not re.search(r"--require-hashes|--no-index|--no-deps", it)
    ] == []


def test_the_image_installs_the_locks_as_they_are() -> None:
    locked = re.findall(r"pip (?:install|wheel) [^&\n]*requirements[^&\n]*", DOCKERFILE)
    assert len(locked) == 2
    assert [it for it in locked if "--no-deps" not in it] == []
    assert "pip --python /opt/slotgrid/bin/python check" in DOCKERFILE


def test_the_package_holds_every_file_of_the_nodes(tmp_path: Path) -> None:
    build = [*("-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index")]
    # Built from a copy: setuptools leaves its work beside what it builds.
    source = tmp_path / "source"
    listed = ["git", "ls-files", "-z", "--", "pyproject.toml", "README.md", *PACKAGES]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run([sys.executable, *build, "--wheel-dir", tmp_path, source], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    wanted = {name for name in filter(None, names.split("\0")) if name.startswith(tuple(PACKAGES))}
    assert wanted - packed == set()


def test_the_list_of_workers_of_make_run_stays_out_of_image_and_deploy() -> None:
    listed = parse_inventory((ROOT / "workers.json").read_bytes())
    assert [one.on_this_machine for one in listed] == [("127.0.0.1", 3000), ("127.0.0.1", 3001)]
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"}
    assert "workers.json" not in sent
    assert "workers.json" not in DOCKERFILE
    assert [file.name for file in (ROOT / "deploy").rglob("workers*.json")] == []
    balancer = ROOT / "deploy/systemd/slotgrid-balancer.service"
    assert "WORKERS_FILE=/etc/slotgrid/workers.json" in balancer.read_text()
