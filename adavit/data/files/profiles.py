"""Embedded colour profiles (ICC.1:2022) -> sRGB, through Little CMS as Pillow has it.

Profiles are applied to the small image, after the resizing: the values that are resized are those of the file, and the
cost does not grow with the photograph. Little CMS is given 8 bits per channel.
"""

import functools
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms

from adavit.data.files.members import printable

_LARGEST_BYTES = 16 << 20
_NAME_LENGTH = 60
# Profiles of sRGB differ from each other in the last digits of their numbers; such an image keeps its bytes.
_SAME_LEVELS = 2
_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}
LAB = "CIE Lab"


@dataclass(frozen=True)
class ToSrgb:
    """What a profile makes of an image.

    Attributes:
        name: Of the profile, for the log.
        apply: Maps an image of the mode that was asked for, 8 bits per channel, to sRGB: "L" stays
            "L", all others become "RGB". None where the profile is sRGB, or nearly: the values stay.
    """

    name: str
    apply: Callable[[Image.Image], Image.Image] | None


@functools.lru_cache(maxsize=16)
def to_srgb(profile: bytes, mode: str) -> ToSrgb | None:
    """What to do with the images of a profile.

    Args:
        profile: The ICC profile; empty for Lab, which needs none.
        mode: "L", "RGB", "CMYK" or "LAB", of the image that carries it. A grey image may carry a profile of RGB.

    Returns:
        The conversion; None if the profile cannot be read, or is one of another kind of image.
    """
    try:
        return _conversion(profile, mode)
    except Exception:  # noqa: BLE001 - Little CMS raises several kinds for profiles that are damaged, and none costs an image
        return None


def _conversion(profile: bytes, mode: str) -> ToSrgb | None:
    srgb = ImageCms.createProfile("sRGB")
    if mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        return ToSrgb(LAB, _applier(ImageCms.buildTransform(lab, srgb, "LAB", "RGB")))
    if len(profile) > _LARGEST_BYTES:
        return None
    opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    space = opened.profile.xcolor_space.strip()
    name = printable(ImageCms.getProfileDescription(opened).strip())[:_NAME_LENGTH] or "unnamed"
    if mode == "L":
        return _conversion_of_grey(opened, space, name)
    if space != _SPACES[mode]:
        return None
    apply = _applier(ImageCms.buildTransform(opened, srgb, mode, "RGB"))
    if mode == "RGB":
        probe = _probe()
        if _differ(np.asarray(apply(probe)), np.asarray(probe)) <= _SAME_LEVELS:
            return ToSrgb(name, None)
    return ToSrgb(name, apply)


def _conversion_of_grey(profile: ImageCms.ImageCmsProfile, space: str, name: str) -> ToSrgb | None:
    """As a table of 256 values, so that grey stays grey whatever the rounding of the three channels."""
    mode = {"GRAY": "L", "RGB": "RGB"}.get(space)
    if mode is None:
        return None
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    srgb = ImageCms.createProfile("sRGB")
    # Unoptimised: Little CMS's own table for grey is 7 levels off near black for a linear profile.
    flags = ImageCms.Flags.NOOPTIMIZE
    transform = ImageCms.buildTransform(profile, srgb, mode, "RGB", flags=flags)
    levels = np.asarray(_applier(transform)(ramp.convert(mode)))[0, :, 1]  # [256], the green
    if _differ(levels, np.arange(256)) <= _SAME_LEVELS:
        return ToSrgb(name, None)
    table = levels.tolist()
    return ToSrgb(name, lambda image: image.point(table))


def _applier(transform: ImageCms.ImageCmsTransform) -> Callable[[Image.Image], Image.Image]:
    def apply(image: Image.Image) -> Image.Image:
        converted = ImageCms.applyTransform(image, transform)
        assert converted is not None
        return converted

    return apply


def _probe() -> Image.Image:
    """9 levels of each of red, green and blue, in all combinations."""
    levels = np.linspace(0, 255, 9).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1)
    return Image.fromarray(grid.reshape(1, -1, 3))


def _differ(first: np.ndarray, second: np.ndarray) -> int:
    return int(np.abs(first.astype(int) - second.astype(int)).max())
