"""The first start of a clone: writes an `.env` for development, with a generated key."""

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from slotgrid.runtime.setting_aliases import NodeKind, respelled
from slotgrid.runtime.settings import SettingsError

KEY_LINE = "AUTH_KEY="
NETWORKS_LINE = "#ALLOWED_PRIVATE_NETWORKS=\n"
DEVELOPERS_NETWORKS = """\
# Opened at the first start, so that pages and webhooks reach what you develop on this machine.
# Close it where pages that you do not control are opened: remove the next line.
ALLOWED_PRIVATE_NETWORKS=127.0.0.0/8,::1
"""


def ensure_key(folder: Path, environ: Mapping[str, str], kind: NodeKind) -> bool:
    """Write the `.env` of a clone at its first start, unless `environ` has a key for the node.

    Returns whether it was written. Without an `.env.example` in the folder nothing is done.
    Raises SettingsError when the file is needed and cannot be written.
    """
    env, example = folder / ".env", folder / ".env.example"
    if respelled(environ, kind).given.get("AUTH_KEY", "").strip() or os.path.lexists(env):
        return False
    try:
        return ensure_env(env, example)
    except FileNotFoundError:
        return False  # there is no example: not a clone
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SettingsError(
            (
                f"AUTH_KEY: it is not set, and {env.absolute()} cannot be written with one: "
                f"{reason}; set AUTH_KEY in the environment, or make .env from .env.example",
            )
        ) from error


def ensure_env(path: Path, example: Path) -> bool:
    """Write `path` from `example` with a generated key, readable by its owner only.

    It opens this machine's loopback addresses to pages and webhooks, and says so.

    Returns whether it was written; an existing file is never changed.
    Raises ValueError if the example has no line for the key, and OSError; then no file is left.
    """
    key = secrets.token_urlsafe(32)
    lines = example.read_text(encoding="utf-8").splitlines(keepends=True)
    if f"{KEY_LINE}\n" not in lines:
        raise ValueError(f"{example} has no line {KEY_LINE!r}")
    fillings = {f"{KEY_LINE}\n": f"{KEY_LINE}{key}\n", NETWORKS_LINE: DEVELOPERS_NETWORKS}
    filled = "".join(fillings.get(line, line) for line in lines)
    try:
        # Exclusive: of two nodes that start at once, one writes.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(filled)
    except OSError:
        with suppress(OSError):
            path.unlink()  # a partial file would count as a finished one
        raise
    return True
