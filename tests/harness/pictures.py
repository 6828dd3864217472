"""What a picture shows, decoded by the browser itself: PNG, JPEG and WebP alike."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from playwright.async_api import BrowserContext

Colour = tuple[int, int, int, int]

_DECODE = """async ([data, points]) => {
    const image = await createImageBitmap(await (await fetch(data)).blob())
    const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true})
    return [image.width, image.height, points.map(([x, y]) => {
        canvas.clearRect(0, 0, 1, 1)
        canvas.drawImage(image, -x, -y)
        return [...canvas.getImageData(0, 0, 1, 1).data]
    })]
}"""


@dataclass(frozen=True)
class Picture:
    """The size of a picture, and red, green, blue, alpha of the pixels that were asked for."""

    width: int
    height: int
    colours: list[Colour]


async def decode(
    context: BrowserContext, data: bytes, points: Sequence[tuple[int, int]] = ()
) -> Picture:
    """Decode a picture in a page of its own."""
    page = await context.new_page()
    try:
        url = f"data:image/any;base64,{base64.b64encode(data).decode()}"
        width, height, colours = await page.evaluate(_DECODE, [url, list(points)])
    finally:
        await page.close()
    return Picture(width, height, [tuple(one) for one in colours])
