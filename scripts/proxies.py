"""Unpacks nginx and Caddy for the tests of `deploy/proxies`, and PgBouncer for durable work.

The tests put the first two in front of nodes, and PgBouncer in front of PostgreSQL.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from scripts import debian
from scripts.progress import StepFailed, command, failures_told, step

ROOT = Path(__file__).resolve().parent.parent
UNPACKED = ROOT / ".venv" / "proxies"
PROXIES = {"nginx": "-v", "caddy": "version", "pgbouncer": "--version"}
"""Names as programs and as packages of Debian and Ubuntu, with the argument for the version."""
SYSTEM = "/usr/local/sbin:/usr/sbin:/sbin"
"""Where servers are installed; not in every user's PATH."""
REMEDY = (
    "install nginx, Caddy and PgBouncer in any way you like, so that `nginx`, `caddy` and"
    " `pgbouncer` are in the PATH."
)


def find(name: str, unpacked: Path = UNPACKED) -> Path | None:
    """The program: installed on this machine, or unpacked; None without either."""
    places = os.pathsep.join([os.environ.get("PATH", ""), SYSTEM, str(unpacked / "usr/sbin")])
    path = os.pathsep.join([places, str(unpacked / "usr/bin")])
    found = shutil.which(name, path=path)
    return Path(found) if found else None


def environment(unpacked: Path = UNPACKED) -> dict[str, str]:
    """The environment in which an unpacked program finds its libraries."""
    libraries = [str(folder) for folder in sorted(unpacked.glob("usr/lib/*-linux-gnu*"))]
    known = os.environ.get("LD_LIBRARY_PATH", "")
    return {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join([*libraries, known]).strip(os.pathsep)}


def unpack(name: str, unpacked: Path = UNPACKED) -> None:
    """Unpack the distribution's package and its missing libraries. Raises StepFailed.

    Not installed: an installation would start a server on this machine's port 80.
    """
    if not debian.this_distribution():
        raise StepFailed(f"{name} is not here.", remedy=REMEDY)
    with tempfile.TemporaryDirectory() as folder:
        package = _downloaded(name, Path(folder) / name)
        for needed in (
            package,
            *(_downloaded(each, package.parent / each) for each in _lacks(package)),
        ):
            command(["dpkg-deb", "--extract", str(needed), str(unpacked)], remedy=REMEDY)


def _downloaded(name: str, folder: Path) -> Path:
    folder.mkdir()
    # Through a shell, as apt-get downloads to its working directory.
    fetch = 'cd "$1" && apt-get -q download "$2"'
    command(["sh", "-c", fetch, "sh", str(folder), name], remedy=REMEDY)
    (package,) = folder.glob("*.deb")
    return package


def _lacks(package: Path) -> list[str]:
    """The packages of libraries that a package needs and this machine lacks."""
    depends = command(["dpkg-deb", "--field", str(package), "Depends"], remedy=REMEDY)
    names = [each.split("|")[0].split("(")[0].strip() for each in depends.split(",")]
    return [name for name in names if name.startswith("lib") and not _is_installed(name)]


def _is_installed(name: str) -> bool:
    query = ["dpkg-query", "--show", "--showformat", "${db:Status-Status}", name]
    return subprocess.run(query, check=False, capture_output=True).stdout == b"installed"


def main() -> None:
    """Make sure of every program, each as one step."""
    with failures_told():
        for name, asks_version in PROXIES.items():
            with step(name) as line:
                if find(name) is None:
                    line.detail = "none found, unpacking the distribution's"
                    if debian.can_install():
                        debian.update()
                    unpack(name)
                found = find(name)
                if found is None:
                    raise StepFailed(f"the package of {name} holds no program.", remedy=REMEDY)
                version = command([str(found), asks_version], env=environment())
                first = version.strip().splitlines()[0].removeprefix("nginx version: ")
                line.detail = f"{first}, {found}"


if __name__ == "__main__":
    main()
