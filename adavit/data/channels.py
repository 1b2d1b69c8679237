"""How many channels a set has, found over all of its pixels, and the way there from RGBA."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from adavit.errors import UserError

Channels = Literal["auto", "grey", "rgb", "rgba"]
_COUNTS = {"grey": 1, "rgb": 3, "rgba": 4}


def is_transparent(image: np.ndarray) -> bool:
    """Whether a pixel of an image, uint8 [4, R, R], is not opaque."""
    return bool((image[3] < 255).any())


def is_coloured(image: np.ndarray) -> bool:
    """Whether red, green and blue differ in a pixel of an image, uint8 [4, R, R]."""
    return bool((image[0] != image[1]).any() or (image[0] != image[2]).any())


def fewest_channels(channels: Channels) -> int:
    """How many channels images have at the least, before they are known."""
    return _COUNTS.get(channels, 1)


def check_channels(channels: str) -> None:
    """Refuse an unknown value.

    Raises:
        UserError: If it is not one of auto, grey, rgb, rgba.
    """
    known = get_args(Channels)
    if channels not in known:
        raise UserError(
            f"data.channels is '{channels}', but must be one of {', '.join(known)}. Use --channels auto to detect them."
        )


def decide_channels(
    channels: Channels, *, transparent: int, coloured: int
) -> tuple[int, Sequence[str]]:
    """The number of channels to store.

    Args:
        channels: As asked for.
        transparent: Images of the whole set with a pixel that is not opaque.
        coloured: Images with a pixel whose red, green and blue differ.

    Returns:
        1, 3 or 4; and sentences that say why, and what is lost or added.
    """
    detected = "rgba" if transparent else "rgb" if coloured else "grey"
    chosen = detected if channels == "auto" else channels
    why = {
        "rgba": f"{transparent} images have pixels that are not opaque",
        "rgb": "all pixels are opaque, not all are grey",
        "grey": "all pixels are opaque and grey",
    }[detected]
    notes = [f"Channels: {chosen} ({'' if chosen == detected else 'as set; '}{why})."]
    if transparent and chosen != "rgba":
        notes.append(f"Transparency is lost: {transparent} images are put on black.")
    if coloured and chosen == "grey":
        notes.append(f"Colour is lost: {coloured} images become grey (luma of ITU-R BT.601).")
    return _COUNTS[chosen], notes


def convert_channels(images: np.ndarray, count: int) -> np.ndarray:
    """Reduce RGBA to the channels that are stored.

    Args:
        images: uint8 [N, 4, R, R], colour not multiplied by alpha. Not modified.
        count: 1 (grey), 3 (RGB, on black) or 4.

    Returns:
        uint8 [N, count, R, R]. Pixels that are opaque, and grey if one channel is asked for, keep
        their exact values.
    """
    if count == 4:
        return images
    colour = images[:, :3]
    if (images[:, 3] < 255).any():
        # Rounded to nearest: (c * a + 127) // 255 for c and a up to 255.
        colour = ((colour.astype(np.uint16) * images[:, 3:] + np.uint16(127)) // 255).astype(
            np.uint8
        )
    if count == 3:
        return colour
    # Pillow's fixed-point luma; its weights add up to 1, so that grey stays what it is.
    red, green, blue = (colour[:, channel].astype(np.uint32) for channel in range(3))
    grey = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16
    return grey.astype(np.uint8)[:, None]
