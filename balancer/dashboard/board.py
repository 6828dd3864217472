"""The pieces of a page, and which of them changed since a reader's version."""

import secrets
from collections.abc import Mapping
from typing import NamedTuple


class Piece(NamedTuple):
    """The address of one piece: the verb that shows it, and its target on the page."""

    verb: str
    target: str


class Board:
    """Pieces, each with the version of its last change; a reader fetches the newer ones.

    A version is a text that a page keeps and sends back, also after a reconnect. A version of
    another board, such as that of an earlier process, is older than every piece.
    """

    def __init__(self) -> None:
        self._name = secrets.token_hex(4)
        self._number = 0
        self._pieces: dict[Piece, tuple[object, int]] = {}

    @property
    def version(self) -> str:
        """The current version of the board."""
        return f"{self._name}-{self._number}"

    @property
    def shown(self) -> Mapping[Piece, object]:
        """Every piece with its current value."""
        return {piece: value for piece, (value, _) in self._pieces.items()}

    def put(self, pieces: Mapping[Piece, object]) -> None:
        """Replace all pieces; only pieces with a different value count as changed.

        Removed pieces need no message: the piece that contained them has changed as well.
        """
        number = self._number + 1
        before = self._pieces
        self._pieces = {
            piece: known
            if (known := before.get(piece)) is not None and known[0] == value
            else (value, number)
            for piece, value in pieces.items()
        }
        self._number = number

    def since(self, version: str) -> dict[Piece, object]:
        """The pieces that changed after that version, in the order of `put`."""
        name, _, number = version.rpartition("-")
        seen = int(number) if name == self._name and number.isdecimal() else -1
        return {piece: value for piece, (value, at) in self._pieces.items() if at > seen}
