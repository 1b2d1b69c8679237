"""Parts of images of any size -> H x W, strip by strip, so that a large photograph is never in memory a second time.

The filter is Pillow's Lanczos (a = 3, its support widened by the scale when an image shrinks).
Pillow resizes the rows first and the columns of the result afterwards; the rows of a strip do not
depend on other strips, so the pixels are those of the whole part resized at once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

FILTER = Image.Resampling.LANCZOS
STRIP_PIXELS = 1 << 19


@dataclass(frozen=True)
class Box:
    """A part of an image, in pixels.

    Attributes:
        left: First column.
        top: First row.
        width: Columns.
        height: Rows.
    """

    left: int
    top: int
    width: int
    height: int

    def strips(self) -> Iterator[tuple[int, int, int, int]]:
        """Boxes (left, top, right, bottom) of at most half a megapixel, from the top down."""
        rows = max(1, STRIP_PIXELS // self.width)
        for start in range(self.top, self.top + self.height, rows):
            bottom = min(start + rows, self.top + self.height)
            yield self.left, start, self.left + self.width, bottom

    def part_of(self, images: np.ndarray) -> np.ndarray:
        """What lies in it of [..., H, W], as a view [..., height, width]."""
        rows = slice(self.top, self.top + self.height)
        return images[..., rows, self.left : self.left + self.width]


def resize_strips(
    part: Box,
    strip: Callable[[tuple[int, int, int, int]], Sequence[Image.Image]],
    size: tuple[int, int],
) -> list[Image.Image]:
    """Resize what `strip` gives.

    Args:
        part: The part to resize.
        strip: Gives one or more images of a box, each time as many and in the same modes.
        size: Height H and width W of the results.

    Returns:
        As many images of H x W, in the modes that `strip` gave.
    """
    height, width = size
    tall: list[Image.Image] = []
    for box in part.strips():
        given = strip(box)
        for index, each in enumerate(given):
            narrow = _resize(each, width, each.height)
            if len(tall) < len(given):
                tall.append(Image.new(each.mode, (width, part.height)))
            tall[index].paste(narrow, (0, box[1] - part.top))
    return [_resize(image, width, height) for image in tall]


def _resize(image: Image.Image, width: int, height: int) -> Image.Image:
    return image if image.size == (width, height) else image.resize((width, height), FILTER)


def resize_with_alpha(
    part: Box,
    strip: Callable[[tuple[int, int, int, int]], tuple[np.ndarray, np.ndarray | None]],
    size: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:
    """Multiply by alpha, resize in float32, divide.

    Args:
        part: The part to resize.
        strip: Gives of a box its colour, float32 [h, w, C] in 0..255, not multiplied by alpha, and its alpha, float32
            [h, w] in 0..1, or None where all is opaque.
        size: Height H and width W of the result.

    Returns:
        uint8 [C, H, W], colour not multiplied by alpha, 0 where alpha is 0; and alpha, uint8 [H, W].
    """

    def premultiplied(box: tuple[int, int, int, int]) -> list[Image.Image]:
        colour, alpha = strip(box)
        if alpha is None:
            alpha = np.ones(colour.shape[:2], dtype=np.float32)
        planes = [colour[..., channel] * alpha for channel in range(colour.shape[2])]
        return [Image.fromarray(plane) for plane in (alpha, *planes)]

    coverage, *planes = (np.asarray(image) for image in resize_strips(part, premultiplied, size))
    alpha = np.rint(coverage * 255.0).clip(0.0, 255.0).astype(np.uint8)
    # Divided by the alpha that the filter gave, also where that overshoots 1: colour and alpha
    # overshoot together, and their quotient stays the colour. Where the stored alpha is 0 the
    # colour is never seen; dividing there would store noise.
    divisor = np.where(alpha > 0, coverage, np.inf)
    colour = np.stack([np.rint(plane / divisor).clip(0.0, 255.0) for plane in planes])
    return colour.astype(np.uint8), alpha
