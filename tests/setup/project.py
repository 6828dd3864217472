"""A tiny project that is set up like this one, and builds by itself, without a network."""

from pathlib import Path

from scripts.setup import BUILD_LOCK, LOCKS, Environment

PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "tiny"
version = "1"
"""
BACKEND = """
import zipfile

def build_editable(folder, *_):
    with zipfile.ZipFile(f"{folder}/tiny-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny_marker.py", "")
        about = "tiny-1.dist-info/"
        wheel.writestr(about + "METADATA", "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1\\n")
        wheel.writestr(about + "WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        wheel.writestr(about + "RECORD", "")
    return "tiny-1-py3-none-any.whl"
"""


def tiny_project(root: Path) -> Environment:
    """The new environment of a project in `root` whose locks are empty."""
    (root / "pyproject.toml").write_text(PROJECT)
    (root / "backend.py").write_text(BACKEND)
    empty_locks(root)
    environment = Environment(root)
    environment.create()
    return environment


def empty_locks(root: Path) -> None:
    """Have its locks ask for nothing."""
    for lock in (*LOCKS.values(), BUILD_LOCK):
        (root / lock).write_text("# nothing\n")
