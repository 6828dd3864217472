"""PNG files: their size, and strips of a picture put together without an imaging library."""

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
_IDAT_BYTES = 1 << 20


@dataclass(frozen=True)
class Header:
    """The fields of IHDR that strips of one picture have in common, and their height."""

    width: int
    height: int
    bit_depth: int
    colour_type: int

    @property
    def pixel_bytes(self) -> int:
        """Bytes of a pixel. Chromium writes eight bits a channel, and no palette."""
        return _CHANNELS[self.colour_type] * self.bit_depth // 8

    @property
    def row_bytes(self) -> int:
        """Bytes of a row of pixels, after the byte that names its filter."""
        return self.width * self.pixel_bytes


def read_header(png: bytes) -> Header:
    """Read the header. Raises ValueError when these bytes are no PNG."""
    if not png.startswith(SIGNATURE) or png[12:16] != b"IHDR":
        raise ValueError("not a PNG")
    return Header(*struct.unpack(">IIBB", png[16:26]))


def stitch(strips: Sequence[bytes]) -> bytes:
    """Put PNGs of one width and kind under each other, as one PNG.

    Rows are stored as differences to the row above, so rows of a strip stay as they are but for
    the first, whose row above is now another. Takes seconds for tall pictures: call it in a thread.
    """
    headers = [read_header(strip) for strip in strips]
    first = headers[0]
    height = sum(header.height for header in headers)
    if any(
        (one.width, one.bit_depth, one.colour_type)
        != (first.width, first.bit_depth, first.colour_type)
        for one in headers
    ):
        raise ValueError("strips of different widths or kinds")
    deflate = zlib.compressobj(level=4)
    rows = bytearray()
    written = [
        SIGNATURE,
        _chunk(b"IHDR", struct.pack(">II", first.width, height) + strips[0][24:29]),
    ]
    for strip, header in zip(strips, headers, strict=True):
        for piece in _rows(strip, header):
            rows += deflate.compress(piece)
            if len(rows) >= _IDAT_BYTES:
                written.append(_chunk(b"IDAT", bytes(rows)))
                rows.clear()
    rows += deflate.flush()
    return b"".join([*written, _chunk(b"IDAT", bytes(rows)), _chunk(b"IEND", b"")])


def _rows(png: bytes, header: Header) -> Iterator[bytes]:
    """The filtered rows in pieces; the first row needs no row above it."""
    inflate = zlib.decompressobj()
    head: bytearray | None = bytearray()
    for kind, data in _chunks(png):
        if kind != b"IDAT":
            continue
        piece = inflate.decompress(data)
        if head is None:
            yield piece
            continue
        head += piece
        if len(head) > header.row_bytes:
            row_end = header.row_bytes + 1
            yield _independent(head[:row_end], header.pixel_bytes)
            yield bytes(head[row_end:])
            head = None
    yield inflate.flush()


def _independent(row: bytearray, pixel_bytes: int) -> bytes:
    """A first row, whose row above counts as zeros, in a filter that does not look there."""
    none, left, up, average, predicted = range(5)
    if row[0] == up:
        row[0] = none
    elif row[0] == predicted:  # from the left neighbour and two zeros: by that neighbour
        row[0] = left
    elif row[0] == average:
        row[0] = none
        for at in range(1 + pixel_bytes, len(row)):
            row[at] = (row[at] + row[at - pixel_bytes] // 2) & 0xFF
    return bytes(row)


def _chunks(png: bytes) -> Iterator[tuple[bytes, memoryview]]:
    at = len(SIGNATURE)
    view = memoryview(png)
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        yield png[at + 4 : at + 8], view[at + 8 : at + 8 + length]
        at += length + 12


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
