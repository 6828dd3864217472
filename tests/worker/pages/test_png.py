"""Strips of a PNG put together, for every filter that a row may have."""

import struct
import zlib

import pytest

from worker.pages.png import Header, read_header, stitch

WIDTH = 5


def pack(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def neighbours(rows: list[bytes], y: int, x: int, size: int) -> tuple[int, int, int]:
    """Left, above, and above left of a byte; zeros outside."""
    above = rows[y - 1] if y else bytes(len(rows[y]))
    left, above_left = (row[x - size] if x >= size else 0 for row in (rows[y], above))
    return left, above[x], above_left


def predict(kind: int, left: int, above: int, above_left: int) -> int:
    """What a filter expects of a byte (PNG specification, 9.2)."""
    guess = left + above - above_left
    nearest = min((left, above, above_left), key=lambda one: abs(guess - one))
    return (0, left, above, (left + above) // 2, nearest)[kind]


def make(rows: list[bytes], kind: int, *, colour_type: int = 2) -> bytes:
    """A PNG with all of its rows in one filter, and its data in two chunks."""
    size = 3 if colour_type == 2 else 4
    filtered = b"".join(
        bytes([kind])
        + bytes(
            (rows[y][x] - predict(kind, *neighbours(rows, y, x, size))) & 0xFF
            for x in range(len(rows[y]))
        )
        for y in range(len(rows))
    )
    data = zlib.compress(filtered)
    head = struct.pack(">IIBBBBB", len(rows[0]) // size, len(rows), 8, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        pack(*one)
        for one in (
            (b"IHDR", head),
            (b"tEXt", b"Comment\0of no matter"),
            (b"IDAT", data[:7]),
            (b"IDAT", data[7:]),
            (b"IEND", b""),
        )
    )


def unmake(png: bytes) -> list[bytes]:
    """The rows of a PNG."""
    header = read_header(png)
    at, data = 8, b""
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        assert (
            pack(png[at + 4 : at + 8], png[at + 8 : at + 8 + length]) == png[at : at + 12 + length]
        )
        if png[at + 4 : at + 8] == b"IDAT":
            data += png[at + 8 : at + 8 + length]
        at += 12 + length
    filtered = zlib.decompress(data)
    rows: list[bytearray] = []
    step = header.row_bytes + 1
    for y in range(header.height):
        kind, row = filtered[y * step], bytearray(filtered[y * step + 1 : (y + 1) * step])
        rows.append(row)
        for x in range(len(row)):
            beside = neighbours([bytes(one) for one in rows], y, x, header.pixel_bytes)
            row[x] = (row[x] + predict(kind, *beside)) & 0xFF
    return [bytes(row) for row in rows]


def rows_of(seed: int, height: int, channels: int = 3) -> list[bytes]:
    return [
        bytes((seed * 31 + y * 57 + x * 83 + x * y) & 0xFF for x in range(WIDTH * channels))
        for y in range(height)
    ]


@pytest.mark.parametrize("kind", range(5), ids=["none", "left", "up", "average", "nearest"])
@pytest.mark.parametrize("colour_type", [2, 6], ids=["rgb", "rgba"])
def test_rows_of_every_filter_stay_what_they_are(kind: int, colour_type: int) -> None:
    channels = 3 if colour_type == 2 else 4
    strips = [rows_of(seed, height, channels) for seed, height in ((1, 4), (2, 1), (3, 3))]
    whole = stitch([make(rows, kind, colour_type=colour_type) for rows in strips])
    assert read_header(whole) == Header(WIDTH, 8, 8, colour_type)
    assert unmake(whole) == [row for rows in strips for row in rows]


def test_strips_of_other_sizes_or_kinds_are_refused() -> None:
    for other in (
        make([row[:9] for row in rows_of(1, 2)], 0),
        make(rows_of(1, 2, 4), 0, colour_type=6),
    ):
        with pytest.raises(ValueError, match="different widths or kinds"):
            stitch([make(rows_of(1, 2), 0), other])
    with pytest.raises(ValueError, match="not a PNG"):
        read_header(b"\xff\xd8\xff")
