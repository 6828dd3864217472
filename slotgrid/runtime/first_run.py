"""The first start on a machine: an `.env` with a key of its own."""

import os
import secrets
from pathlib import Path

KEY_LINE = "AUTH_KEY="


def ensure_env(path: Path, example: Path) -> bool:
    """Write `path` from `example` with a generated key, readable by its owner only.

    Returns whether it was written: a file that is there is never touched.
    Raises ValueError if the example has no line for the key, and OSError.
    """
    key = secrets.token_urlsafe(32)
    lines = example.read_text(encoding="utf-8").splitlines(keepends=True)
    if f"{KEY_LINE}\n" not in lines:
        raise ValueError(f"{example} has no line {KEY_LINE!r}")
    filled = "".join(f"{KEY_LINE}{key}\n" if line == f"{KEY_LINE}\n" else line for line in lines)
    try:
        # Exclusive: of two that start at once, one writes.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(filled)
    return True
