"""One image file -> uint8 [4, H, W]: cropped or otherwise fitted, antialiased, colour not multiplied by alpha.

Turned as EXIF says, fitted (`fit.py`), resized (`resize.py`), brought to sRGB where the file has a colour
profile (`profiles.py`). Images with transparency are multiplied by their alpha for the resizing, in
float32, and divided afterwards; colour under alpha 0 is stored as 0. Samples of more than 8 bits are
resized in float32 and rounded once (`deep.py`).
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from PIL import Image

from adavit.data.files.deep import DeepSamples, deep_samples, raw_mode
from adavit.data.files.fit import FITS, Fit, Placement
from adavit.data.files.formats import OpenedImage, Unreadable, unreadable
from adavit.data.files.profiles import ToSrgb, to_srgb
from adavit.data.files.resize import Box, resize_strips, resize_with_alpha
from adavit.runtime.drawn_images import what_its_discriminator_saw
from adavit.runtime.resolution import Resolution

_Found = TypeVar("_Found")
_CROP = FITS["crop"]
_EXIF_ORIENTATION = 0x0112
_ORIENTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_FIRST_ON_ITS_SIDE = 5
# A JPEG of more pixels is decoded at half its size where that is still twice what is asked for.
_DRAFT_PIXELS = 100_000_000
_ALPHA_MODES = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})
_GREY_MODES = frozenset({"1", "L", "LA", "La"})
# Pillow widens the samples of PNGs of 2 and 4 bits to 8, and not their transparent value: bits and factor.
_WIDENED = {"L;2": (2, 85), "L;4": (4, 17)}


@dataclasses.dataclass(frozen=True)
class Decoded:
    """A decoded image.

    Attributes:
        planes: uint8 [4, H, W]: red, green, blue, alpha. Grey has three equal planes, opaque has alpha 255.
        profile: Name of the colour profile it was converted from; None where nothing was converted.
        broken_profile: Whether it has a profile that cannot be used; its values are taken as sRGB.
        largest: Largest sample of grey or colour of an image of more than 8 bits, before scaling; None for others.
        white: The sample that became 255 in it, or 0 where it is inverted; None for others.
        inverted: Whether 0 is white in such an image.
        inside: Where it lies in what it was filled up to; None where it was not.
        discriminator_saw: What it says of the generator that drew it, see `adavit.runtime.drawn_images`.
    """

    planes: np.ndarray
    profile: str | None = None
    broken_profile: bool = False
    largest: int | None = None
    white: int | None = None
    inverted: bool = False
    inside: Box | None = None
    discriminator_saw: tuple[str, ...] | None = None


def decode(
    opened: OpenedImage, resolution: Resolution, white: int | None = None, fit: Fit = _CROP
) -> Decoded:
    """Decode, orient, fit and resize one image.

    Args:
        opened: The image; what it holds cannot be decoded a second time.
        resolution: Of the result.
        white: Sample that becomes 255 in images of more than 8 bits, from 1 up. None for what the file declares:
            65535 in a PNG, 2^bits - 1 in a TIFF. Larger samples become 255 too.
        fit: What is done with another shape.

    Returns:
        The image and what was found in it.

    Raises:
        Unreadable: If the pixels are truncated or damaged, or their meaning is not defined (32-bit,
            floating point).
        MemoryError: If memory ran out.
    """
    return _guarded(opened, lambda it: _decode(it, resolution, white, fit))


def largest_sample(opened: OpenedImage, resolution: Resolution, fit: Fit = _CROP) -> int | None:
    """The largest sample of grey or colour in the used part of an image of more than 8 bits; None for others.

    Args:
        opened: The image.
        resolution: As for `decode`.
        fit: Likewise.

    Raises:
        Unreadable: As `decode`.
    """

    def look(it: OpenedImage) -> int | None:
        deep = deep_samples(it)
        if deep is None:
            return None
        deep = _turned(it, deep)
        return deep.largest(fit.place(deep.upper.size, resolution).part)

    return _guarded(opened, look)


def _guarded(opened: OpenedImage, read: Callable[[OpenedImage], _Found]) -> _Found:
    try:
        try:
            return read(opened)
        except (Unreadable, MemoryError):
            raise
        except Exception:
            # Behind the pixels of a PNG lies what may be damaged without them.
            rest = opened.without_extras()
            if rest is None:
                raise
            return read(rest)
    except Unreadable:
        raise
    except (
        Exception
    ) as error:  # decoders raise anything on hostile bytes; one file must never end a run
        raise unreadable(error) from error


def _decode(opened: OpenedImage, resolution: Resolution, white: int | None, fit: Fit) -> Decoded:
    _draft(opened.image, resolution)
    deep = deep_samples(opened)
    if deep is None:
        return _from_eight_bits(opened, resolution, fit)
    deep = _turned(opened, deep)
    place = fit.place(deep.upper.size, resolution)
    white = white or deep.white
    colour, alpha = resize_with_alpha(place.part, lambda box: deep.strip(box, white), place.size)
    finished = _finish(opened, _to_image(colour), alpha, place)
    return dataclasses.replace(
        finished, largest=deep.largest(place.part), white=white, inverted=deep.inverted
    )


def _draft(image: Image.Image, resolution: Resolution) -> None:
    """Have a JPEG decoded at half its size where it is large enough for that."""
    width, height = image.size
    is_jpeg = image.format in ("JPEG", "MPO")
    if is_jpeg and width * height > _DRAFT_PIXELS and min(width, height) >= 4 * max(resolution):
        image.draft(None, (width // 2, height // 2))


def _from_eight_bits(opened: OpenedImage, resolution: Resolution, fit: Fit) -> Decoded:
    image = opened.image
    key = _transparent_key(image)
    image.load()
    opened.check_colours()
    # After load(), because a PNG may hold its EXIF behind the pixels.
    turned = _turn(image)(image)
    place = fit.place(turned.size, resolution)
    if key is not None or image.mode in _ALPHA_MODES or image.has_transparency_data:
        strip = functools.partial(_straight, turned, key)
        if any((strip(box)[1] < 255).any() for box in place.part.strips()):
            colour, alpha = resize_with_alpha(
                place.part, lambda box: _floats(*strip(box)), place.size
            )
            return _finish(opened, _to_image(colour), alpha, place)
    mode = _mode_to_resize(opened)
    (small,) = resize_strips(
        place.part, lambda box: [_cropped(turned, box).convert(mode)], place.size
    )
    return _finish(opened, small, None, place)


def _transparent_key(image: Image.Image) -> np.ndarray | None:
    """The grey or the colour that stands for transparency, as the decoded samples have it, uint8 [1] or [3]."""
    key = image.info.get("transparency") if image.mode in ("1", "L", "RGB") else None
    if key is None or image.format != "PNG":
        return None if key is None else np.atleast_1d(np.asarray(key, dtype=np.uint8))
    if raw_mode(image).endswith(";16B"):  # of an animation, of which only upper bytes are known
        return (np.atleast_1d(np.asarray(key)) >> 8).astype(np.uint8)
    bits, factor = _WIDENED.get(raw_mode(image), (8, 1))
    return (np.atleast_1d(np.asarray(key)) % 2**bits * factor).astype(np.uint8)


def _straight(
    image: Image.Image, key: np.ndarray | None, box: tuple[int, int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Colour [h, w, 1 or 3], not multiplied by alpha, and alpha [h, w] of a box, uint8."""
    part = _cropped(image, box)
    if key is not None:
        samples = np.asarray(part.convert("L") if part.mode == "1" else part)
        colour = samples.reshape(*samples.shape[:2], -1)
        return colour, np.where((colour == key).all(axis=-1), 0, 255).astype(np.uint8)
    pixels = np.asarray(part.convert("RGBA"))
    return pixels[..., : 1 if image.mode in _GREY_MODES else 3], pixels[..., 3]


def _cropped(image: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """A box of an image; never `La`, which Pillow converts to `LA` and to nothing else."""
    part = image.crop(box)
    return part.convert("LA") if part.mode == "La" else part


def _floats(colour: np.ndarray, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return colour.astype(np.float32), alpha.astype(np.float32) / np.float32(255.0)


def _mode_to_resize(opened: OpenedImage) -> str:
    """The mode whose samples are resized: ink and Lab stay what they are if there is a way from there to sRGB."""
    mode = opened.image.mode
    if mode in _GREY_MODES:
        return "L"
    if mode in ("CMYK", "LAB") and _profile_of(opened, mode)[0] is not None:
        return mode
    return "RGB"


def _profile_of(opened: OpenedImage, mode: str) -> tuple[ToSrgb | None, bool]:
    """The way to sRGB from an image's mode, and whether there is a profile that cannot be used."""
    if mode == "LAB":
        return to_srgb(b"", mode), False
    profile = opened.profile
    if opened.lost_profile or profile is None:
        return None, True
    if not profile:
        return None, False
    found = to_srgb(bytes(profile), mode)
    return found, found is None


def _to_image(colour: np.ndarray) -> Image.Image:
    """uint8 [1 or 3, R, R] as an image."""
    return Image.fromarray(colour[0] if len(colour) == 1 else colour.transpose(1, 2, 0).copy())


def _finish(
    opened: OpenedImage, small: Image.Image, alpha: np.ndarray | None, place: Placement
) -> Decoded:
    """Bring a resized image, grey, RGB, CMYK or Lab, to sRGB, put its planes together and fill them up."""
    stored = opened.image.mode
    # CMYK that became RGB on the way has no profile that could be used.
    conversion, broken = _profile_of(opened, stored if stored == "CMYK" else small.mode)
    name = None
    if conversion is not None and conversion.apply is not None:
        small, name = conversion.apply(small), conversion.name
    values = np.asarray(small)
    planes = np.full((4, *values.shape[:2]), 255, dtype=np.uint8)
    planes[:3] = values if values.ndim == 2 else values.transpose(2, 0, 1)
    if alpha is not None:
        planes[:3, alpha == 0] = 0
        planes[3] = alpha
    return Decoded(
        place.fill(planes),
        profile=name,
        broken_profile=broken,
        inside=place.inside,
        discriminator_saw=what_its_discriminator_saw(opened.image),
    )


def _turned(opened: OpenedImage, deep: DeepSamples) -> DeepSamples:
    turn = _turn(opened.image)
    upper, lower = turn(deep.upper), None if deep.lower is None else turn(deep.lower)
    return dataclasses.replace(deep, upper=upper, lower=lower)


def seen_size(opened: OpenedImage) -> tuple[int, int]:
    """Width and height of an image as it is seen, in pixels, without decoding it: EXIF may turn it on its side."""
    width, height = opened.size
    on_its_side = _orientation(opened.image) >= _FIRST_ON_ITS_SIDE
    return (height, width) if on_its_side else (width, height)


def _turn(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """What a loaded image's EXIF says about its orientation, to be done to it."""
    transposition = _ORIENTATIONS.get(_orientation(image))
    return lambda it: it if transposition is None else it.transpose(transposition)


def _orientation(image: Image.Image) -> int:
    """What is left to be done to an image, as EXIF numbers orientations, 1 for nothing; decodes nothing."""
    if image.format == "TIFF":  # Pillow turns it by itself
        return 1
    # Not of the image itself: a PNG would be decoded for what may lie behind its pixels, and keeps its first answer.
    header = Image.Image()
    header.info = image.info
    try:
        orientation = header.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - broken EXIF raises anything, and is no reason to lose an image that decodes
        return 1
    return orientation if isinstance(orientation, int) and orientation in _ORIENTATIONS else 1
