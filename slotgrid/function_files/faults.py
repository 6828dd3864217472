"""What is wrong with a file of the functions folder."""

from dataclasses import dataclass
from typing import Any


class FileFault(ValueError):
    """An unusable file; the text gives the reason in a sentence or two."""


@dataclass(frozen=True, kw_only=True)
class BrokenFile:
    """A file whose present text is unusable, and the reason.

    `kept_revision` is the revision of the last good version, which stays in use; None if there is
    none.
    """

    path: str
    error: str
    kept_revision: str | None

    def to_json(self) -> dict[str, Any]:
        """The file as `/health` shows it."""
        return {"path": self.path, "error": self.error, "kept_revision": self.kept_revision}
