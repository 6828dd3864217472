"""Makes lines of printed text, within bounds whatever is printed."""

from slotgrid.core.task import LINE_CHARS, LOG_LINES_LIMIT

_NOTE_CHARS = 48
"""Room for the note behind a line that was cut."""


class LineBuffer:
    """The lines of one stream. Keeps the beginning of a long line, and the last lines of a text."""

    def __init__(self) -> None:
        self._begun = ""
        self._cut = 0

    def feed(self, text: str) -> list[str]:
        """The lines that the text completes."""
        lines: list[str] = []
        at = 0
        if (count := text.count("\n")) > LOG_LINES_LIMIT:
            at = len(text)
            for _ in range(LOG_LINES_LIMIT):
                at = text.rfind("\n", 0, at)
            at = text.rfind("\n", 0, at) + 1
            self._begun, self._cut = "", 0
            lines.append(f"… ({count - LOG_LINES_LIMIT} lines left out)")
        while (end := text.find("\n", at)) >= 0:
            self._take(text, at, end)
            lines += self.end(even_empty=True)
            at = end + 1
        self._take(text, at, len(text))
        return lines

    def end(self, *, even_empty: bool = False) -> list[str]:
        """The incomplete last line, if there is one."""
        line, cut = self._begun.removesuffix("\r"), self._cut
        if not line and not cut and not even_empty:
            return []
        self._begun, self._cut = "", 0
        return [f"{line} … ({cut} more characters)" if cut else line]

    def _take(self, text: str, start: int, end: int) -> None:
        kept = min(end, start + LINE_CHARS - _NOTE_CHARS - len(self._begun))
        self._begun += text[start:kept]
        self._cut += end - kept
