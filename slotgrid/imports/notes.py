"""What an import gives: files, and notes on what was left out or differs, by line."""

from dataclasses import dataclass, field

NOTES_MOST = 1000


@dataclass(frozen=True, slots=True)
class Note:
    """A note on a line (from 1) of a file that was imported.

    `left_out`: something was not translated. Otherwise it was, and the note says what differs.
    """

    path: str
    line: int
    message: str
    left_out: bool


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to write: its path below the target folder, and the file that it comes from."""

    path: str
    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Imported:
    """The result of an import."""

    files: tuple[NewFile, ...]
    notes: tuple[Note, ...]


@dataclass(slots=True, eq=False)
class Notes:
    """Collects the notes on one file: each message once a line, NOTES_MOST at most."""

    path: str
    found: dict[tuple[int, str], Note] = field(default_factory=dict)

    def left_out(self, line: int, message: str) -> None:
        """Note what was not translated."""
        self._add(line, message, left_out=True)

    def differs(self, line: int, message: str) -> None:
        """Note what was translated and works differently."""
        self._add(line, message, left_out=False)

    def _add(self, line: int, message: str, *, left_out: bool) -> None:
        if len(self.found) < NOTES_MOST:
            self.found.setdefault(
                (line, message), Note(self.path, line, message, left_out=left_out)
            )

    def all(self) -> list[Note]:
        """The notes in the order of the lines."""
        return sorted(self.found.values(), key=lambda note: note.line)
