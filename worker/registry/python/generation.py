"""A snapshot of the functions folder as importable modules, isolated from other snapshots.

A generation is its own package (`slotgrid_functions_7`), so two states of a file can be loaded at
the same time: running tasks finish with the old code while new tasks start with the new code.
"""

import importlib
import itertools
import sys
import weakref
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import PurePosixPath
from types import ModuleType

from slotgrid.function_files.snapshot import Snapshot
from worker.registry.python.imports import SUFFIX

PREFIX = "slotgrid_functions_"


class Generation:
    """The modules of one snapshot; the end of the last reference removes them from `sys.modules`.

    The runner of a function holds a reference (through its `PythonFunction`), so that an import
    inside the running function finds the modules of the same snapshot.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        finder = _installed_finder()
        self._modules = _Modules(snapshot)
        self.package = finder.claim(self._modules)
        self._forget = weakref.finalize(self, _forget, finder, self.package)
        # No cleanup at the exit of the process.
        self._forget.atexit = False

    def load(self, path: PurePosixPath) -> ModuleType:
        """Import one file of the snapshot. Raises any exception of its code."""
        return importlib.import_module(self._modules.name_of(path, self.package))


class _Modules:
    """Maps module names to the Python files and the folders of a snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.files: dict[str, PurePosixPath] = {}
        self.folders: dict[str, PurePosixPath] = {"": PurePosixPath()}
        for path in snapshot.sources:
            if path.suffix != SUFFIX:
                continue
            for parent in path.parents:
                self.folders[_below(self._folder_parts(parent))] = parent
            self.files[_below(self._parts(path))] = path

    def name_of(self, path: PurePosixPath, package: str) -> str:
        return package + _below(self._parts(path))

    def spec(self, package: str, rest: str) -> ModuleSpec:
        """The spec of the module `package + rest`. Raises ModuleNotFoundError."""
        path, folder = self.files.get(rest), self.folders.get(rest)
        name = package + rest
        if path is None and folder is None:
            # Raised here, as the next finders could find a newer file on the disk.
            raise ModuleNotFoundError(f"No module named {rest.lstrip('.')!r}", name=name)
        root = self.snapshot.folder
        spec = ModuleSpec(
            name,
            _TextLoader(self.snapshot, path),
            origin=str(root / path) if path else None,
            is_package=folder is not None,
        )
        spec.has_location = path is not None
        if folder is not None:
            spec.submodule_search_locations = [str(root / folder)]
        return spec

    def _parts(self, path: PurePosixPath) -> tuple[str, ...]:
        folder = self._folder_parts(path.parent)
        return folder if path.stem == "__init__" else (*folder, path.stem)

    def _folder_parts(self, folder: PurePosixPath) -> tuple[str, ...]:
        """The package names of a folder. If a file has the folder's name, the file gets that name.

        So `shop.py` and `shop/price.py` are two independent functions.
        """
        return tuple(
            f"{part}/" if self._file_beside(folder.parts[: depth + 1]) else part
            for depth, part in enumerate(folder.parts)
        )

    def _file_beside(self, parts: Sequence[str]) -> bool:
        folder = PurePosixPath(*parts)
        return folder.parent / f"{folder.name}{SUFFIX}" in self.snapshot.sources


class _TextLoader(Loader):
    """Runs the text of a snapshot."""

    def __init__(self, snapshot: Snapshot, path: PurePosixPath | None) -> None:
        self._snapshot = snapshot
        self._path = path

    def exec_module(self, module: ModuleType) -> None:
        if self._path is None:
            return  # a folder without `__init__.py`
        source = self._snapshot.sources[self._path]
        if source.data is None:
            raise ImportError(source.fault)
        file = str(self._snapshot.folder / self._path)
        code = compile(source.data, file, "exec", dont_inherit=True)
        exec(code, module.__dict__)  # noqa: S102  executing the operator's code is the purpose


class _Finder(MetaPathFinder):
    """The import finder for all generations; `sys.meta_path` has one, which stays forever.

    If it were removed while another thread iterates the list, that thread would skip a finder.
    """

    def __init__(self) -> None:
        self._packages: dict[str, _Modules] = {}
        self._numbers = itertools.count(1)

    def claim(self, modules: _Modules) -> str:
        """A new package name, unique in this process, for `modules`."""
        package = f"{PREFIX}{next(self._numbers)}"
        self._packages[package] = modules
        return package

    def release(self, package: str) -> None:
        self._packages.pop(package, None)

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> ModuleSpec | None:
        package, dot, rest = fullname.partition(".")
        modules = self._packages.get(package)
        return modules.spec(package, dot + rest) if modules else None


def _installed_finder() -> _Finder:
    for finder in sys.meta_path:
        if isinstance(finder, _Finder):
            return finder
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    return finder


def _forget(finder: _Finder, package: str) -> None:
    finder.release(package)
    for name in list(sys.modules):
        if name == package or name.startswith(f"{package}."):
            sys.modules.pop(name, None)


def _below(parts: Sequence[str]) -> str:
    return "".join(f".{part}" for part in parts)
