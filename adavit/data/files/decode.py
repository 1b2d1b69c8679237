"""One image file -> uint8 [4, R, R]: a centre square, antialiased, colour not multiplied by alpha.

PNG, JPEG, WebP, BMP and TIFF through Pillow. The filter is Pillow's Lanczos (a = 3, its support
widened by the scale when an image shrinks). Images with transparency are multiplied by their alpha
for the resizing, in float32, and divided afterwards; colour under alpha 0 is stored as 0. Files are
hostile until decoded: everything wrong with one is `Unreadable`.
"""

from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from adavit.data.files.members import printable
from adavit.runtime.pictures import is_result

FILTER = Image.Resampling.LANCZOS
MAXIMUM_PIXELS = 100_000_000
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")
_SIGNATURES = (
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"RIFF",
    b"BM",
    b"II*\0",
    b"MM\0*",
    b"II+\0",
    b"MM\0+",
)
_EXIF_ORIENTATION = 0x0112
_TIFF_BITS_PER_SAMPLE = 258
_TIFF_PHOTOMETRIC = 262
_WHITE_IS_ZERO = 0
_ORIENTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Unreadable(Exception):
    """Why a file gives no image, as the end of the sentence "it ..."."""


class Unavailable(Unreadable):
    """Why the system does not give a file now: no property of the file, and another time it may."""


def open_image(stream: BinaryIO) -> Image.Image:
    """Read the header of an image file; no pixel is decoded.

    Args:
        stream: The file, positioned at its start. Must stay open until the image is decoded.

    Returns:
        The image, not yet loaded, of at most 100 megapixels.

    Raises:
        Unreadable: If the file is none of the formats, its header is broken, or it has too many
            pixels.
        MemoryError: If memory ran out.
    """
    try:
        if not stream.read(16).startswith(_SIGNATURES):
            raise Unreadable("is not a PNG, JPEG, WebP, BMP or TIFF image")
        stream.seek(0)
        image = Image.open(stream, formats=_FORMATS)
    except Unreadable:
        raise
    except Image.DecompressionBombError as error:
        raise Unreadable("has over 100 megapixels") from error
    except UnidentifiedImageError as error:
        raise Unreadable("is damaged: no image can be found in it") from error
    except (
        Exception
    ) as error:  # decoders raise anything on hostile bytes; one file must never end a run
        raise unreadable(error) from error
    if is_result(image):
        raise Unreadable("is a picture of results that adavit wrote, not an image of a set")
    width, height = image.size
    if width * height > MAXIMUM_PIXELS:
        raise Unreadable(f"has over 100 megapixels ({width}x{height})")
    return image


def decode(image: Image.Image, resolution: int) -> np.ndarray:
    """Decode, orient, crop and resize one image.

    Args:
        image: As `open_image` returns it, or any image in memory.
        resolution: Side of the result in pixels.

    Returns:
        uint8 [4, resolution, resolution]: red, green, blue, alpha. Grey has three equal planes,
        opaque has alpha 255.

    Raises:
        Unreadable: If the pixels are truncated or damaged, or their meaning is not defined (32-bit,
            floating point).
        MemoryError: If memory ran out.
    """
    try:
        image.load()
        # After load(), because a PNG may hold its EXIF behind the pixels and Pillow turns a TIFF by
        # itself while loading.
        turned = _orient(image)
        return _to_planes(_centre_square(turned), resolution)
    except Unreadable:
        raise
    except Exception as error:  # as in open_image
        raise unreadable(error) from error


def unreadable(error: Exception) -> Unreadable:
    """What an error met while reading a file says about it.

    Args:
        error: Anything that opening, reading or decoding raised.

    Returns:
        The reason: `Unavailable` for what the system refuses, else damage of the content.

    Raises:
        MemoryError: If memory ran out: that is said of the machine, never of the file.
    """
    if isinstance(error, MemoryError) or "out of memory" in str(error):  # so Pillow's codecs say it
        raise MemoryError from error
    if isinstance(error, OSError) and error.errno is not None:  # Pillow's own have no number
        return Unavailable(f"cannot be read ({error.strerror})")
    text = printable(str(error)) or type(error).__name__
    return Unreadable(f"is damaged: {text[:200]}")


def _orient(image: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - broken EXIF raises anything, and is no reason to lose an image that decodes
        return image
    transposition = _ORIENTATIONS.get(orientation) if isinstance(orientation, int) else None
    if transposition is None:
        return image
    # A transposed copy forgets how its pixels are to be read; what the conversion needs goes with
    # it.
    turned = image.transpose(transposition)
    turned.format = image.format
    turned.info = dict(image.info)
    if hasattr(image, "tag_v2"):
        turned.tag_v2 = image.tag_v2  # type: ignore[attr-defined]
    return turned


def _centre_square(image: Image.Image) -> Image.Image:
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    if (width, height) == (side, side):
        return image
    square = image.crop((left, top, left + side, top + side))
    square.format = image.format
    if hasattr(image, "tag_v2"):
        square.tag_v2 = image.tag_v2  # type: ignore[attr-defined]
    return square


def _to_planes(image: Image.Image, resolution: int) -> np.ndarray:
    """Resize a square image of any mode to [4, R, R]."""
    if image.mode.startswith("I") or image.mode == "F":
        return _deep_grey_to_planes(image, resolution)
    if image.has_transparency_data or image.mode in ("La", "RGBa"):
        straight = image.convert("RGBA")
        if straight.getchannel("A").getextrema() != (255, 255):
            pixels = np.asarray(straight)  # [S, S, 4]
            return _resize_with_alpha(pixels[..., :3], pixels[..., 3], resolution)
        image = straight
    image = image.convert("L" if image.mode in ("1", "L", "LA") else "RGB")
    small = np.asarray(_resize(image, resolution))
    planes = np.full((4, resolution, resolution), 255, dtype=np.uint8)
    planes[:3] = small if small.ndim == 2 else small.transpose(2, 0, 1)
    return planes


def _deep_grey_to_planes(image: Image.Image, resolution: int) -> np.ndarray:
    """Grey of up to 16 bits, scaled so that its white becomes 255; resized before it is rounded to 8 bits."""
    if not image.mode.startswith("I;16") and not (image.mode == "I" and image.format == "PNG"):
        raise Unreadable("has 32-bit or floating point pixels, whose white is not defined")
    values = np.asarray(image).astype(np.float32)
    white = 65535
    tags = getattr(image, "tag_v2", {})
    if image.format == "TIFF":
        bits = tags.get(_TIFF_BITS_PER_SAMPLE, (16,))
        white = 2 ** int(bits[0] if isinstance(bits, tuple) else bits) - 1
    transparent = image.info.get("transparency")
    alpha = np.where(values == transparent, 0.0, 255.0).astype(np.float32)
    grey = np.minimum(values * (255.0 / white), 255.0).astype(np.float32)
    if tags.get(_TIFF_PHOTOMETRIC) == _WHITE_IS_ZERO:
        grey = 255.0 - grey
    return _resize_with_alpha(np.stack([grey] * 3, axis=-1), alpha, resolution)


def _resize_with_alpha(colour: np.ndarray, alpha: np.ndarray, resolution: int) -> np.ndarray:
    """Multiply by alpha, resize, divide.

    Args:
        colour: [S, S, 3] in 0..255, not multiplied by alpha. Not modified.
        alpha: [S, S] in 0..255. Not modified.
        resolution: Side of the result, R.

    Returns:
        uint8 [4, R, R], colour not multiplied by alpha, 0 where alpha is 0.
    """
    coverage = alpha.astype(np.float32) / 255.0
    small_coverage = _resize_plane(coverage, resolution)
    planes = np.empty((4, resolution, resolution), dtype=np.uint8)
    planes[3] = np.rint(small_coverage * 255.0).clip(0.0, 255.0)
    # Divided by the alpha that the filter gave, also where that overshoots 1: colour and alpha
    # overshoot together, and their quotient stays the colour. Where the stored alpha is 0 the
    # colour is never seen; dividing there would store noise.
    divisor = np.where(planes[3] > 0, small_coverage, np.inf)
    for channel in range(3):  # one at a time: 100 megapixels are 400 MB in float32
        premultiplied = _resize_plane(colour[..., channel] * coverage, resolution)
        planes[channel] = np.rint(premultiplied / divisor).clip(0.0, 255.0)
    return planes


def _resize_plane(plane: np.ndarray, resolution: int) -> np.ndarray:
    return np.asarray(_resize(Image.fromarray(plane.astype(np.float32)), resolution))


def _resize(image: Image.Image, resolution: int) -> Image.Image:
    if image.size == (resolution, resolution):
        return image
    return image.resize((resolution, resolution), FILTER)
