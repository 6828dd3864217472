"""What a page shows, piece by piece, and which pieces changed since a reader last looked."""

import secrets
from collections.abc import Mapping
from typing import NamedTuple


class Piece(NamedTuple):
    """The address of one piece: the verb that shows it, and what it is shown at."""

    verb: str
    target: str


class Board:
    """Pieces with the version at which each changed last; a reader asks for what is newer.

    A version is a text that a page keeps and shows again, also after its connection broke. One
    of another board (an earlier process, say) is older than everything.
    """

    def __init__(self) -> None:
        self._name = secrets.token_hex(4)
        self._number = 0
        self._pieces: dict[Piece, tuple[object, int]] = {}

    @property
    def version(self) -> str:
        """The version of the board as it is."""
        return f"{self._name}-{self._number}"

    @property
    def shown(self) -> Mapping[Piece, object]:
        """Every piece as it is."""
        return {piece: value for piece, (value, _) in self._pieces.items()}

    def put(self, pieces: Mapping[Piece, object]) -> None:
        """Show these and no others; only those that are not equal to what was there change.

        Pieces that are gone need not be told: what held them has changed as well.
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
        """The pieces that changed after that version, in the order in which they were put."""
        name, _, number = version.rpartition("-")
        seen = int(number) if name == self._name and number.isdecimal() else -1
        return {piece: value for piece, (value, at) in self._pieces.items() if at > seen}
