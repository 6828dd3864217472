"""Reads the value of a secret from its sources."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from worker.secrets.declarations import Declaration, Source, SourceKind

VALUE_LIMIT = 64 * 1024
"""Bytes of a secret's file: the longest chains of certificates take a quarter of it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one look at the sources of a secret found.

    Without a value, `problem` says where was looked and what was found there; `unusable`: a source
    is there, but its content cannot be a secret. `open_to_all`: every user of the machine can read
    the file.
    """

    value: str | None = field(repr=False)
    source: Source | None = None
    problem: str = ""
    unusable: bool = False
    open_to_all: bool = False


class Unusable(ValueError):
    """A file is there, but cannot be the value of a secret; the text gives the reason."""


def read_secret(declaration: Declaration, environment: Mapping[str, str]) -> Reading:
    """The first value that the sources have. Blocks for files.

    A source that is missing or empty is passed over. One that is there and cannot be used is not:
    a later source may have an old value.
    """
    looked: list[str] = []
    for source in declaration.sources:
        if source.kind is SourceKind.ENVIRONMENT:
            if value := environment.get(source.place):
                return Reading(value, source)
            looked.append(f"{source}: {'empty' if source.place in environment else 'not set'}")
            continue
        try:
            value, open_to_all = _read_file(Path(source.place))
        except FileNotFoundError:
            looked.append(f"{source}: does not exist")
            continue
        except OSError as error:
            return Reading(None, source, f"{source}: {error.strerror}", unusable=True)
        except Unusable as error:
            return Reading(None, source, f"{source}: {error}", unusable=True)
        if value:
            return Reading(value, source, open_to_all=open_to_all)
        looked.append(f"{source}: empty")
    return Reading(None, None, "; ".join(looked))


def _read_file(path: Path) -> tuple[str, bool]:
    """The file's text without line ends behind it, and whether every user may read the file."""
    # Non-blocking, as opening a pipe would wait for its writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise Unusable("is not a file")
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(VALUE_LIMIT + 1)
    if len(data) > VALUE_LIMIT:
        raise Unusable(f"has more than {VALUE_LIMIT} bytes, too many for a secret")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Without the cause, which quotes the secret.
        raise Unusable("is not UTF-8; encode a binary secret as text, such as base64") from None
    return text.rstrip("\r\n"), bool(found.st_mode & stat.S_IROTH)
