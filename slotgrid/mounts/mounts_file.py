"""`mounts.yaml`, the list of a node's static mounts: what an entry may hold, and how it is read."""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slotgrid.steps.yaml_text import Document, YamlFault, parse

MEMBERS = ("prefix", "dir", "list", "serve", "recursive")
MOUNTS_MOST = 100
PREFIX_MOST = 200
RESERVED = frozenset(
    {
        *("connect", "dashboard", "docs", "drain", "events", "facades", "functions", "groups"),
        *(
            "health",
            "hooks",
            "link",
            "livez",
            "logs",
            "mcp",
            "metrics",
            "off",
            "on",
            "openapi",
            "problems",
        ),
        *("readyz", "schedules", "task", "tasks", "users", "workers"),
    }
)
"""First parts of the API's paths, on every kind of node and in later versions."""
_PREFIX = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^${}]*))?\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One entry: the folder `dir` at the path `prefix`, which has no slash at its end.

    `lists`: the prefix answers with the list of files. `serves`: the files can be read.
    `recursive`: those in subfolders too.
    """

    prefix: str
    dir: Path
    lists: bool = True
    serves: bool = True
    recursive: bool = False


class MountsFault(ValueError):
    """The file cannot be used. `faults` has one line for each fault."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class _BadEntry(Exception):
    """One entry cannot be used: the member at fault, and the reason."""

    def __init__(self, member: str, reason: str) -> None:
        super().__init__(reason)
        self.member = member


def parse_mounts(
    content: bytes, *, variables: Mapping[str, str], data_dir: Path
) -> tuple[Mount, ...]:
    """The entries of a file, whose `dir` may use `variables`. Raises MountsFault.

    No entry may contain or be in `data_dir`, which has the database and saved logins.
    """
    try:
        document = parse(content)
    except YamlFault as fault:
        raise MountsFault((f"line {fault.line}: {fault.message}",)) from fault
    given = [] if document.value is None else document.value
    if not isinstance(given, list):
        raise MountsFault(("expected a list of mounts, each with `prefix` and `dir`",))
    if len(given) > MOUNTS_MOST:
        raise MountsFault((f"{len(given)} mounts; {MOUNTS_MOST} are possible",))
    mounts: list[Mount] = []
    faults: list[str] = []
    for index, item in enumerate(given):
        try:
            mount = _mount(item, variables, data_dir)
            _check_beside(mount, mounts)
        except _BadEntry as bad:
            faults.append(f"{_place(document, index, bad.member)}: {bad}")
        else:
            mounts.append(mount)
    if faults:
        raise MountsFault(tuple(faults))
    return tuple(mounts)


def _place(document: Document, index: int, member: str) -> str:
    return f"line {document.line(f'/{index}/{member}' if member else f'/{index}')}"


def _mount(item: object, variables: Mapping[str, str], data_dir: Path) -> Mount:
    """One entry of the list. Raises _BadEntry."""
    if not isinstance(item, dict):
        raise _BadEntry("", "expected a mount with `prefix` and `dir`")
    for name in item:
        if name not in MEMBERS:
            near = difflib.get_close_matches(name, MEMBERS, n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(MEMBERS)}"
            raise _BadEntry(name, f"unknown `{name[:60]}`; {hint}")
    mount = Mount(
        prefix=_prefix(item.get("prefix")),
        dir=_folder(item.get("dir"), variables, data_dir),
        lists=_flag(item, "list", default=True),
        serves=_flag(item, "serve", default=True),
        recursive=_flag(item, "recursive", default=False),
    )
    if not mount.lists and not mount.serves:
        raise _BadEntry("", "`list` and `serve` are both false: the mount would do nothing")
    return mount


def _prefix(value: Any) -> str:
    if not isinstance(value, str):
        raise _BadEntry("prefix", "`prefix` is missing, or no text such as /reports")
    prefix = value.rstrip("/")
    if not _PREFIX.fullmatch(prefix) or len(prefix) > PREFIX_MOST:
        raise _BadEntry(
            "prefix",
            f"`prefix` {value[:PREFIX_MOST]!r} is not a path such as /reports or /files/2026: "
            f"letters, digits, `.`, `_`, `~` and `-` between slashes, at most {PREFIX_MOST}",
        )
    first = prefix.split("/")[1]
    if first.lower() in RESERVED:
        raise _BadEntry("prefix", f"`prefix` {prefix} would hide /{first.lower()} of the API")
    return prefix


def _folder(value: Any, variables: Mapping[str, str], data_dir: Path) -> Path:
    if not isinstance(value, str) or not value:
        raise _BadEntry("dir", "`dir` is missing, or no text")
    text = "".join(_expanded(value, variables))
    if not text or "\0" in text:
        raise _BadEntry("dir", "`dir` is not a path")
    try:
        folder = Path(text).expanduser().absolute()
    except RuntimeError as error:  # `~name` of an unknown user
        raise _BadEntry("dir", f"`dir`: {error}") from error
    real, private = _resolved(folder), _resolved(data_dir)
    if real.is_relative_to(private) or private.is_relative_to(real):
        raise _BadEntry(
            "dir", "`dir` overlaps DATA_DIR, which has the database, artifacts and saved logins"
        )
    return folder


def _expanded(text: str, variables: Mapping[str, str]) -> Iterator[str]:
    """The parts of the text, with the value in place of each variable. Raises _BadEntry."""
    end = 0
    for found in _VARIABLE.finditer(text):
        yield _literal(text[end : found.start()])
        name, default = found.groups()
        value = variables.get(name) or default
        if value is None:
            raise _BadEntry(
                "dir",
                f"`dir` uses the variable {name}, which is not set; `${{{name}:-folder}}` has a "
                "default",
            )
        yield value
        end = found.end()
    yield _literal(text[end:])


def _literal(text: str) -> str:
    if "${" in text:
        raise _BadEntry("dir", "`dir` has a `${` that is no variable: write `${NAME}`")
    return text


def _resolved(folder: Path) -> Path:
    try:
        return folder.resolve()
    except (OSError, RuntimeError):  # links that form a circle
        return folder.absolute()


def _flag(item: Mapping[str, Any], member: str, *, default: bool) -> bool:
    value = item.get(member, default)
    if not isinstance(value, bool):
        raise _BadEntry(member, f"`{member}` must be true or false")
    return value


def _check_beside(mount: Mount, others: list[Mount]) -> None:
    """Raises _BadEntry if one of the two would hide the other."""
    for other in others:
        mine, theirs = f"{mount.prefix}/", f"{other.prefix}/"
        if mine.startswith(theirs) or theirs.startswith(mine):
            raise _BadEntry("prefix", f"`prefix` {mount.prefix} and {other.prefix} hide each other")
