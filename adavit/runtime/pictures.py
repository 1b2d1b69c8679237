"""Pictures of results as files that say so: what shows results is never taken for an image of a set."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RESULT_SOFTWARE = "adavit (a picture of results)"
"""What the text chunk "Software" of a PNG holds, and the comment of a GIF."""

SQUARE, GROUND = 8, (255, 205)
"""Side of a square of a chequered ground in pixels, and the two greys."""


def result_png(picture: Image.Image) -> bytes:
    """A grid or another picture of results, as the content of a PNG file, with the texts of its `info`."""
    text = PngInfo()
    for key, value in {**picture.info, "Software": RESULT_SOFTWARE}.items():
        if isinstance(key, str) and isinstance(value, str):
            text.add_text(key, value)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", pnginfo=text)
    return buffer.getvalue()


def opaque(image: Image.Image) -> Image.Image:
    """An image as RGB, what is transparent on a chequered ground: on black a dark drawing would be lost.

    Args:
        image: Of any mode; its `info` is kept.
    """
    if not image.has_transparency_data:
        return image.convert("RGB")
    rows, columns = (np.arange(side) // SQUARE for side in (image.height, image.width))
    tone = np.where((rows[:, None] + columns) % 2, *GROUND).astype(np.uint8)
    flat = Image.fromarray(tone).convert("RGB")
    shown = image.convert("RGBA")
    flat.paste(shown, mask=shown.getchannel("A"))
    flat.info = image.info
    return flat


def figure_png(figure: "Figure", *, dpi: int) -> bytes:
    """A figure of matplotlib, as the content of a PNG file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": RESULT_SOFTWARE})
    return buffer.getvalue()


def result_gif(frames: Sequence[Image.Image], *, milliseconds: Sequence[int]) -> bytes:
    """A film of results that begins again at its end, as the content of a GIF file.

    Args:
        frames: Of one size, at least two.
        milliseconds: How long each is shown.
    """
    first, *others = frames
    buffer = io.BytesIO()
    first.save(
        buffer,
        format="GIF",
        save_all=True,
        append_images=others,
        duration=list(milliseconds),
        loop=0,
        # What is transparent shows the frame before, unless that is cleared.
        disposal=2 if "transparency" in first.info else 0,
        comment=RESULT_SOFTWARE.encode(),
    )
    return buffer.getvalue()


def is_result(image: Image.Image) -> bool:
    """Whether an opened image is one of these pictures."""
    marks = (image.info.get("Software"), image.info.get("comment"))
    return RESULT_SOFTWARE in marks or RESULT_SOFTWARE.encode() in marks
