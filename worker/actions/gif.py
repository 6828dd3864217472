"""A GIF that is written frame by frame, so that only its last frame is in memory."""

import io
from types import TracebackType
from typing import IO

from PIL import GifImagePlugin, Image, ImageChops

COLOURS = 256
LAST_S = 0.5
"""The shortest time of the last frame, which would otherwise be gone before it is seen."""
LEAST_MS = 20
"""The shortest time of a frame; browsers show shorter ones at 100 ms."""
MOST_MS = 60_000
"""The longest time of a frame: the format has 16 bits for hundredths of a second."""


class GifWriter:
    """Writes pictures, each with the time of its capture, to a file that it owns.

    A frame is written when the next one comes, as its duration is known then. Of a frame only the
    rectangle that has changed is kept; one without a change prolongs the frame before.
    Not thread-safe: one call at a time, from any thread.
    """

    def __init__(self, file: IO[bytes], *, width: int) -> None:
        self._file = file
        self._width = width
        self._size: tuple[int, int] | None = None
        self._shown: Image.Image | None = None
        self._pending: tuple[Image.Image, tuple[int, int], float] | None = None
        self._first_s = 0.0
        self._last_s = 0.0
        self.frames = 0
        """Frames that differ from the one before."""

    def __enter__(self) -> "GifWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._file.tell()

    @property
    def duration_ms(self) -> int:
        """Milliseconds from the first picture to the last one."""
        return round((self._last_s - self._first_s) * 1000)

    def add(self, picture: bytes, at_s: float) -> None:
        """Add a JPEG or PNG that shows the page at that moment. Raises OSError for neither."""
        image = Image.open(io.BytesIO(picture)).convert("RGB")
        if self._size is None:
            scale = min(1.0, self._width / image.width)
            self._size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        image = _fitted(image, self._size)
        box: tuple[int, int, int, int] | None = (0, 0, *self._size)
        if self._shown is not None:
            box = ImageChops.difference(self._shown, image).getbbox()
        at_s = max(at_s, self._last_s)
        if self.frames == 0:
            self._first_s = at_s
        self._last_s = at_s
        if box is None:
            return
        self._write_pending(at_s)
        self._shown = image
        part = image.crop(box).quantize(COLOURS, dither=Image.Dither.NONE)
        self._pending = part, box[:2], at_s
        self.frames += 1

    def finish(self, at_s: float) -> bytes:
        """The whole GIF, whose last frame is shown until that moment; empty without frames."""
        if self._pending is None:
            return b""
        self._last_s = max(at_s, self._last_s, self._pending[2] + LAST_S)
        self._write_pending(self._last_s)
        self._file.write(b";")
        self._file.seek(0)
        return self._file.read()

    def _write_pending(self, until_s: float) -> None:
        if self._pending is None:
            return
        part, corner, since_s = self._pending
        self._pending = None
        if self._file.tell() == 0:
            header, _ = GifImagePlugin.getheader(part, info={"loop": 0})
            self._file.writelines(header)
        shown_ms = min(MOST_MS, max(LEAST_MS, round((until_s - since_s) * 1000)))
        data = GifImagePlugin.getdata(
            part, corner, duration=shown_ms, disposal=1, include_color_table=True
        )
        self._file.writelines(data)


def _fitted(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The image in the GIF's size; if the window has changed its shape, with white beside it."""
    scale = min(size[0] / image.width, size[1] / image.height)
    fitted = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    if fitted != image.size:
        image = image.resize(fitted, Image.Resampling.BILINEAR)
    if fitted == size:
        return image
    canvas = Image.new("RGB", size, "white")
    canvas.paste(image, (0, 0))
    return canvas
