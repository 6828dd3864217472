"""The size of a picture, and what formats and browsers can hold."""

import math
from dataclasses import dataclass

from worker.pages.errors import PictureFailed

STRIP_PX = 8_000
CAPTURE_PIXELS = 64_000_000
"""What the browser is asked for at once. From about 110 million pixels, and from 16,384 in height
where a graphics processor draws, Chromium leaves parts blank and says nothing."""
SIDES = {"png": 1_000_000, "jpeg": 65_535, "webp": 16_383}
"""The longest side that a format, or Chromium's encoder of it, can have."""
PIXELS = {"png": 270_000_000, "jpeg": 100_000_000, "webp": 100_000_000}
"""A PNG is put together from strips; the other formats are drawn at once."""

PAGE_SIZE = """() => {
    const root = document.documentElement
    // A body that cuts its content off has a scroll height that counts hidden content.
    const cuts = one => one && !['visible', 'clip'].includes(getComputedStyle(one).overflowY)
    const all = cuts(root) && cuts(document.body) ? [root] : [root, document.body].filter(Boolean)
    const largest = name => Math.max(...all.map(one => one[name] || 0))
    return {
        width: Math.max(...['scrollWidth', 'offsetWidth', 'clientWidth'].map(largest)),
        height: Math.max(...['scrollHeight', 'offsetHeight', 'clientHeight'].map(largest)),
        scale: devicePixelRatio,
        isHtml: Boolean(document.body),
        isCut: all.length === 1,
    }
}"""
BOX = """element => {
    const box = element.getBoundingClientRect()
    return {width: box.width, height: box.height, scale: devicePixelRatio}
}"""
"""Scripts that give the fields of `PictureSize`: for a page, and for an element."""


@dataclass(frozen=True)
class PictureSize:
    """An area in CSS pixels, and how many pixels of a picture one of them is."""

    width: float
    height: float
    scale: float
    isHtml: bool = True  # the script's names
    isCut: bool = False

    def check(self, what: str, file_format: str) -> None:
        """Raise PictureFailed for a picture that the format or the browser cannot hold."""
        width, height = (math.ceil(side * self.scale) for side in (self.width, self.height))
        side, pixels = SIDES[file_format], PIXELS[file_format]
        if max(width, height) <= side and width * height <= pixels:
            return
        ways = "a pdf, a selector, several pictures, a smaller viewport or device scale factor"
        raise PictureFailed(
            f"{what} is {width} x {height} pixels; a {file_format} can have {side} a side and "
            f"{pixels // 1_000_000} million in all: take {'' if file_format == 'png' else 'png, '}"
            f"{ways}"
        )

    def strip_height(self) -> int:
        """The height of a strip in CSS pixels, such that it is whole pixels at any usual scale."""
        most = min(STRIP_PX, CAPTURE_PIXELS / max(1, self.width * self.scale)) / self.scale
        return max(100, int(most) // 1000 * 1000 or int(most) // 100 * 100)

    @property
    def is_large(self) -> bool:
        """Whether the browser may fail to draw it at once."""
        width, height = self.width * self.scale, self.height * self.scale
        return height > STRIP_PX or width * height > CAPTURE_PIXELS
