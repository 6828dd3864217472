"""Has nginx and Caddy, which the tests of `deploy/proxies` put in front of nodes."""

import os
import shutil
import tempfile
from pathlib import Path

from scripts import debian
from scripts.progress import StepFailed, command, failures_told, step

ROOT = Path(__file__).resolve().parent.parent
UNPACKED = ROOT / ".venv" / "proxies"
PROXIES = ("nginx", "caddy")
"""Their names as programs and as packages of Debian and Ubuntu."""
SYSTEM = "/usr/local/sbin:/usr/sbin:/sbin"
"""Where servers are installed, which is not in everybody's PATH."""
REMEDY = "install nginx and Caddy in any way you like, so that `nginx` and `caddy` are in the PATH."


def find(name: str, unpacked: Path = UNPACKED) -> Path | None:
    """The program: that of this machine, or the one that was unpacked."""
    places = os.pathsep.join([os.environ.get("PATH", ""), SYSTEM, str(unpacked / "usr/sbin")])
    path = os.pathsep.join([places, str(unpacked / "usr/bin")])
    found = shutil.which(name, path=path)
    return Path(found) if found else None


def unpack(name: str, unpacked: Path = UNPACKED) -> None:
    """Unpack the distribution's package. Raises StepFailed.

    Not installed: installing it would start a server on this machine's port 80.
    """
    if not debian.this_distribution():
        raise StepFailed(f"{name} is not here.", remedy=REMEDY)
    with tempfile.TemporaryDirectory() as folder:
        # In the folder by way of the shell, as apt-get downloads to where it stands.
        fetch = 'cd "$1" && apt-get -q download "$2"'
        command(["sh", "-c", fetch, "sh", folder, name], remedy=REMEDY)
        (package,) = Path(folder).glob("*.deb")
        command(["dpkg-deb", "--extract", str(package), str(unpacked)], remedy=REMEDY)


def main() -> None:
    """Have both, one shown step each."""
    with failures_told():
        for name in PROXIES:
            with step(name) as line:
                if find(name) is None:
                    line.detail = "none found, unpacking the distribution's"
                    if debian.can_install():
                        debian.update()
                    unpack(name)
                found = find(name)
                if found is None:
                    raise StepFailed(f"the package of {name} holds no program.", remedy=REMEDY)
                version = command([str(found), "-v" if name == "nginx" else "version"])
                line.detail = f"{version.strip().removeprefix('nginx version: ')}, {found}"


if __name__ == "__main__":
    main()
