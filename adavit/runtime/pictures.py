"""Pictures of results as files that say so: what shows results is never taken for an image of a set."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from adavit.runtime.fonts import caption_font

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RESULT_SOFTWARE = "adavit (a picture of results)"
"""What the text chunk "Software" of a PNG holds, and the comment of a GIF."""

SQUARE, GROUND = 8, (255, 205)
"""Side of a square of a chequered ground in pixels, and the two greys."""

FRAME_MS, LAST_FRAME_MS = 150, 2500
"""How long frames of a film are shown, and its last one."""

LARGEST_FRAME = 600
"""Pixels of the longer side of a frame; larger pictures are made smaller."""

CAPTION_HEIGHT = 16
"""Pixels below a picture in a film, for its caption."""


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


def film_frame(picture: Image.Image, caption: str) -> Image.Image:
    """An RGB picture with its caption on black below, in the 256 colours that a GIF has."""
    factor = LARGEST_FRAME / max(picture.size)
    if factor < 1:
        size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    frame = Image.new("RGB", (picture.width, picture.height + CAPTION_HEIGHT))
    frame.paste(picture)
    pen, font = ImageDraw.Draw(frame), caption_font(CAPTION_HEIGHT - 4, [caption])
    pen.text((4, picture.height), caption, "white", font)
    return frame.quantize(256)


def result_film(frames: Sequence[Image.Image]) -> bytes:
    """Frames of `film_frame` as a film that rests at its end, see `result_gif`."""
    return result_gif(frames, milliseconds=[FRAME_MS] * (len(frames) - 1) + [LAST_FRAME_MS])


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
