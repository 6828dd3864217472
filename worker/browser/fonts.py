"""Which scripts Chromium can draw here, and the packages with fonts for all of them."""

from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # set-up reads the list of packages without loading Playwright
    from playwright.async_api import Page

LATIN, MONO, CORE = "fonts-liberation", "fonts-noto-mono", "fonts-noto-core"
CJK, EMOJI = "fonts-noto-cjk", "fonts-noto-color-emoji"
PACKAGES = (LATIN, MONO, CORE, CJK, EMOJI)
"""Packages of Debian and Ubuntu; the image has the same. Without `MONO`, a page's monospace text is
drawn in a proportional font of `CJK`."""


class Script(NamedTuple):
    """A script, a character of it, and the package that has a font for it."""

    name: str
    sample: str
    package: str


SCRIPTS = (
    Script("Latin", "A", LATIN),
    Script("Greek", "Ω", LATIN),
    Script("Cyrillic", "Ж", LATIN),
    Script("Vietnamese", "ệ", CORE),
    Script("Armenian", "Ա", CORE),
    Script("Georgian", "ა", CORE),
    Script("Hebrew", "\u05d0", CORE),
    Script("Arabic", "\u0639", CORE),
    Script("Devanagari", "अ", CORE),
    Script("Bengali", "অ", CORE),
    Script("Gujarati", "અ", CORE),
    Script("Punjabi", "ਅ", CORE),
    Script("Tamil", "அ", CORE),
    Script("Telugu", "అ", CORE),
    Script("Kannada", "ಅ", CORE),
    Script("Malayalam", "അ", CORE),
    Script("Sinhala", "අ", CORE),
    Script("Thai", "ก", CORE),
    Script("Lao", "ກ", CORE),
    Script("Burmese", "က", CORE),
    Script("Khmer", "ក", CORE),
    Script("Ethiopic", "አ", CORE),
    Script("Chinese", "\u7b80", CJK),
    Script("Japanese", "\u3042", CJK),
    Script("Korean", "한", CJK),
    Script("emoji", "\U0001f600", EMOJI),
    Script("symbols", "✓", CORE),
)

# A character without a font is drawn like one that Unicode has not assigned: as a box, or not at
# all without any font.
_UNDRAWN = r"""samples => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 48;
  const context = canvas.getContext("2d", {willReadFrequently: true});
  context.font = "32px sans-serif";
  const drawn = text => {
    context.clearRect(0, 0, 48, 48);
    context.fillText(text, 4, 36);
    return context.getImageData(0, 0, 48, 48).data.join();
  };
  const boxes = ["\u0378", "\u{10FFFF}", " "].map(drawn);
  return samples.filter(sample => boxes.includes(drawn(sample)));
}"""


async def undrawn_scripts(page: "Page") -> list[Script]:
    """The scripts of which this browser draws boxes, in the order of `SCRIPTS`."""
    samples: list[str] = await page.evaluate(_UNDRAWN, [script.sample for script in SCRIPTS])
    return [script for script in SCRIPTS if script.sample in samples]


def packages_for(scripts: Collection[Script]) -> list[str]:
    """The packages that these scripts need, with `MONO` where it is needed beside them."""
    needed = {script.package for script in scripts}
    if CORE in needed or CJK in needed:
        needed.add(MONO)
    return [package for package in PACKAGES if package in needed]
