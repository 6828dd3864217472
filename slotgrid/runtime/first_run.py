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
    # Written aside and linked into place: neither a crash nor a second starter can leave half a
    # file, and linking, unlike renaming, fails if one has come in between.
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(filled)
        path.hardlink_to(aside)
    except FileExistsError:
        return False
    finally:
        aside.unlink()
    return True
