"""Samples of 9 to 16 bits, in full: grey, grey and alpha, RGB and RGBA of PNG and TIFF.

Pillow keeps the upper byte of 16-bit colour. Told of the opposite byte order, its readers give the
lower one, so such a file is decoded twice and put together, strip by strip.
"""

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from adavit.data.files.formats import OpenedImage, Unreadable
from adavit.data.files.resize import Box

FULL_WHITE = 65535
_TIFF_BITS_PER_SAMPLE = 258
_TIFF_PHOTOMETRIC = 262
_TIFF_PLANAR_CONFIGURATION = 284
_WHITE_IS_ZERO = 0
_OTHER_ORDER = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}


@dataclass(frozen=True)
class DeepSamples:
    """An image of 9 to 16 bits per sample, decoded.

    Attributes:
        upper: The samples, or their upper bytes.
        lower: Their lower bytes; None where `upper` has the samples.
        channels: 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA).
        white: The largest value that the file declares its samples to have.
        inverted: Whether 0 is white.
        transparent: The value, or the three, of a pixel that is not seen; None without.
    """

    upper: Image.Image
    lower: Image.Image | None
    channels: int
    white: int
    inverted: bool
    transparent: tuple[int, ...] | None

    def rows(self, box: tuple[int, int, int, int]) -> np.ndarray:
        """Samples of a box (left, top, right, bottom), uint16 [h, w, channels]."""
        upper = np.asarray(self.upper.crop(box))
        if self.lower is not None:
            lower = np.asarray(self.lower.crop(box))
            samples = upper.astype(np.uint16) << 8 | lower
        elif self.channels == 2:  # upper and lower bytes of grey and alpha, as four channels
            samples = upper[..., 0::2].astype(np.uint16) << 8 | upper[..., 1::2]
        else:
            samples = upper.astype(np.uint16)
        return samples.reshape(*upper.shape[:2], -1)[..., : self.channels]

    def largest(self, part: Box) -> int:
        """The largest sample of grey or colour in a part."""
        colours = self.channels - (self.channels in (2, 4))
        return max(int(self.rows(box)[..., :colours].max()) for box in part.strips())

    def strip(
        self, box: tuple[int, int, int, int], white: int
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Colour and alpha of a box as `resize_with_alpha` takes them, `white` becoming 255."""
        samples = self.rows(box)
        colours = self.channels - (self.channels in (2, 4))
        colour = samples[..., :colours].astype(np.float32) * np.float32(255.0 / white)
        colour = np.minimum(colour, np.float32(255.0))
        if self.inverted:
            colour = np.float32(255.0) - colour
        if colours < self.channels:
            return colour, samples[..., -1].astype(np.float32) / np.float32(FULL_WHITE)
        if self.transparent is not None:
            hidden = (samples == np.array(self.transparent, dtype=np.uint16)).all(axis=-1)
            return colour, (~hidden).astype(np.float32)
        return colour, None


def deep_samples(opened: OpenedImage) -> DeepSamples | None:
    """Decode an image that has more than 8 bits per sample.

    Args:
        opened: The image, not loaded.

    Returns:
        Its samples; None, with nothing decoded, for images of 8 bits and those that only Pillow's 8 bits are known of
        (CMYK, alpha that is multiplied in).

    Raises:
        Unreadable: If the samples are of 32 bits, signed or floating point, whose white is not defined.
    """
    image = opened.image
    if image.format == "PNG":
        return _from_png(opened)
    if image.format == "TIFF":
        return _from_tiff(opened)
    _refuse_undefined(image)
    if image.mode.startswith("I;16"):
        image.load()
        return DeepSamples(image, None, 1, FULL_WHITE, False, None)
    return None


def _refuse_undefined(image: Image.Image) -> None:
    if image.mode in ("I", "F"):
        raise Unreadable("has 32-bit, signed or floating point pixels, whose white is not defined")


def _from_png(opened: OpenedImage) -> DeepSamples | None:
    image = opened.image
    layout = raw_mode(image)
    if image.mode.startswith("I"):
        image.load()
        key = image.info.get("transparency")
        transparent = None if key is None else (int(key),)
        return DeepSamples(image, None, 1, FULL_WHITE, False, transparent)
    # Pillow composes the frames of an animation in 8 bits, and reads on from where it is in the file.
    if getattr(image, "is_animated", False) or not layout.endswith(";16B"):
        return None
    if layout == "LA;16B":
        _set_raw_mode(image, "RGBA")
        image.load()
        return DeepSamples(image, None, 2, FULL_WHITE, False, None)
    image.load()
    channels = len(image.getbands())
    key = image.info.get("transparency") if channels == 3 else None
    return DeepSamples(image, _lower(opened, "PNG"), channels, FULL_WHITE, False, key)


def _from_tiff(opened: OpenedImage) -> DeepSamples | None:
    image = opened.image
    tags: Any = getattr(image, "tag_v2", {})
    _refuse_undefined(image)
    if image.mode.startswith("I;16"):
        bits = tags.get(_TIFF_BITS_PER_SAMPLE, (16,))
        inverted = tags.get(_TIFF_PHOTOMETRIC) == _WHITE_IS_ZERO
        image.load()
        return DeepSamples(image, None, 1, 2 ** int(bits[0]) - 1, inverted, None)
    if image.mode not in ("RGB", "RGBA") or tags.get(_TIFF_BITS_PER_SAMPLE, (8,))[0] != 16:
        return None
    if raw_mode(image).startswith("RGBa"):
        return None
    _repair_planes(image)
    image.load()
    channels = len(image.getbands())
    return DeepSamples(image, _lower(opened, "TIFF"), channels, FULL_WHITE, False, None)


def _lower(opened: OpenedImage, kind: str) -> Image.Image | None:
    image = opened.again()
    assert image is not None, f"a {kind} always comes from a file"
    if kind == "TIFF":
        _repair_planes(image)
    image.tile = [_with_raw_mode(tile, _opposite(_raw_mode_of(tile))) for tile in image.tile]  # type: ignore[attr-defined]
    image.load()
    return image


def _repair_planes(image: Image.Image) -> None:
    """Pillow takes the two bytes of a sample for two pixels when each channel has a plane of its own."""
    tags: Any = getattr(image, "tag_v2", {})
    if tags.get(_TIFF_PLANAR_CONFIGURATION, 1) != 2:
        return
    order = "B" if tags.prefix == b"MM" else "L"
    image.tile = [  # type: ignore[attr-defined]
        _with_raw_mode(tile, f"{name};16{order}") if len(name := _raw_mode_of(tile)) == 1 else tile
        for tile in image.tile  # type: ignore[attr-defined]
    ]


def _opposite(raw_mode: str) -> str:
    return raw_mode[:-1] + _OTHER_ORDER[raw_mode[-1]]


def raw_mode(image: Image.Image) -> str:
    """How the samples of an image not loaded yet lie in its file, in Pillow's words: "RGB;16B"; "" if unknown."""
    tiles = getattr(image, "tile", [])
    return _raw_mode_of(tiles[0]) if tiles else ""


def _raw_mode_of(tile: Any) -> str:
    arguments = tile.args
    first = arguments if isinstance(arguments, str) else (arguments or ("",))[0]
    return first if isinstance(first, str) else ""


def _set_raw_mode(image: Image.Image, raw_mode: str) -> None:
    image.tile = [_with_raw_mode(tile, raw_mode) for tile in image.tile]  # type: ignore[attr-defined]


def _with_raw_mode(tile: Any, raw_mode: str) -> Any:
    arguments = raw_mode if isinstance(tile.args, str) else (raw_mode, *tile.args[1:])
    return tile._replace(args=arguments)
