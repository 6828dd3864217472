"""`python -m slotgrid.imports KIND PATH`: reads files, writes the import as JSON.

KIND is `webtask`, `commands` or `stroem`.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path, PurePosixPath

from slotgrid.imports.moonsurf_commands import import_commands
from slotgrid.imports.notes import Imported, Note
from slotgrid.imports.stroem_bundle import import_stroem, is_of_stroem
from slotgrid.imports.webtask_bundle import import_webtasks, is_of_webtasks

FILE_MOST = 1_000_000
FILES_MOST = 2000


def main(words: list[str]) -> int:
    """Import what the words name. Status 2, with a sentence, for what cannot be read."""
    kind, given = words
    path = Path(given)
    try:
        result = {"commands": _commands, "webtask": _webtask, "stroem": _stroem}[kind](path)
    except OSError as cause:
        sys.stderr.write(f"{given} cannot be read: {cause.strerror or cause}\n")
        return 2
    sys.stdout.write(json.dumps(asdict(result)))
    return 0


def _commands(path: Path) -> Imported:
    data = _read(path)
    return _too_large(path.name) if data is None else import_commands(path.name, data)


def _webtask(path: Path) -> Imported:
    if path.is_dir():
        return _bundle(path, None)
    resolved = path.resolve()
    for folder in resolved.parents:
        if folder.name == "tasks" and resolved.suffix in {".webtask", ".yaml", ".yml"}:
            return _bundle(folder.parent, resolved.relative_to(folder.parent).as_posix())
    data = _read(path)
    if data is None:
        return _too_large(path.name)
    return import_webtasks({path.name: data}, only=path.name)


def _stroem(path: Path) -> Imported:
    if path.is_dir():
        files, notes = _folder(path, is_of_stroem, None)
        if not files and not notes:
            notes.append(Note(str(path), 1, "the folder has no workflow files of Strøm", True))
        result = import_stroem(files)
        return Imported(result.files, (*notes, *result.notes))
    data = _read(path)
    return _too_large(path.name) if data is None else import_stroem({path.name: data})


def _bundle(folder: Path, only: str | None) -> Imported:
    """Import a folder, or one file of it with what it needs of the others."""
    files, notes = _folder(folder, _is_shown_file_of_webtasks, only)
    if not files and not notes:
        notes.append(Note(str(folder), 1, "the folder has no files of webtasks", True))
    result = import_webtasks(files, only=only)
    return Imported(result.files, (*notes, *result.notes))


def _is_shown_file_of_webtasks(name: str) -> bool:
    return is_of_webtasks(name) and not any(
        part.startswith(".") for part in PurePosixPath(name).parts
    )


def _folder(
    folder: Path, wanted: Callable[[str], bool], only: str | None
) -> tuple[dict[str, bytes], list[Note]]:
    """The wanted files of a folder by their paths, and notes on those that cannot be read."""
    files: dict[str, bytes] = {}
    notes: list[Note] = []
    for path in sorted(_files(folder)):
        name = path.relative_to(folder).as_posix()
        if not wanted(name):
            continue
        if len(files) >= FILES_MOST:
            notes.append(Note(name, 1, f"the folder has more than {FILES_MOST:,} files", True))
            break
        data = _read(path)
        if data is None:
            if only in {None, name}:
                notes += _too_large(name).notes
        else:
            files[name] = data
    return files, notes


def _files(folder: Path) -> list[Path]:
    """The files of a folder, without those behind links to elsewhere."""
    root = folder.resolve()
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and path.resolve().is_relative_to(root):
            found.append(path)
            if len(found) > FILES_MOST * 10:
                break
    return found


def _read(path: Path) -> bytes | None:
    """The bytes of a file; None for one that is too large."""
    with path.open("rb") as file:
        data = file.read(FILE_MOST + 1)
    return data if len(data) <= FILE_MOST else None


def _too_large(name: str) -> Imported:
    message = f"the file has more than {FILE_MOST:,} bytes"
    return Imported((), (Note(name, 1, message, left_out=True),))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
