"""Channels by side, and checks of sizes, images and labels, that the networks share.

Every message has three parts: what was wrong (with the value), what was expected, what to do. The
checks read shapes and dtypes only, never values, so they cost no wait for the device.
"""

import torch
from torch import Tensor

from adavit.runtime.resolution import Resolution


def check_at_least(name: str, value: int, minimum: int) -> None:
    """Checks that a size is large enough.

    Args:
        name: The argument's name, for the message.
        value: Its value.
        minimum: The smallest value allowed.

    Raises:
        ValueError: If `value` is below `minimum`.
    """
    if value < minimum:
        raise ValueError(
            f"{name} is {value}, but must be at least {minimum}. Use {name}={minimum}."
        )


def channels_at(side: int, *, channel_base: int, channel_max: int) -> int:
    """Number of feature channels of maps of a side, min(channel_base // side, channel_max).

    Args:
        side: Of the feature map in pixels; of one that is no square its nominal side.
        channel_base: Channels times pixels of side; halving it halves the width of the high
            resolutions.
        channel_max: Upper bound of the number of channels.

    Returns:
        Channels, >= 1.

    Raises:
        ValueError: If no channel is left.
    """
    check_at_least("channel_max", channel_max, 1)
    channels = min(channel_base // side, channel_max)
    if channels < 1:
        raise ValueError(
            f"channel_base is {channel_base}, but must be at least the resolution ({side}),"
            f" so that one channel is left there. Use channel_base={side * 64} for 64"
            " channels."
        )
    return channels


def check_images(images: Tensor, *, size: tuple[int, int], image_channels: int) -> None:
    """Checks that a batch of images fits a network.

    Args:
        images: The batch, expected as [B, C, H, W].
        size: Expected H and W in pixels.
        image_channels: Expected C.

    Raises:
        ValueError: If the shape is another one.
    """
    expected = (image_channels, *size)
    if images.ndim != 4 or tuple(images.shape[1:]) != expected:
        raise ValueError(
            f"images have the shape {list(images.shape)}, but this network takes [B,"
            f" {', '.join(map(str, expected))}]. Resize the images, or build the network with their"
            " size and image_channels."
        )


def check_labels(labels: Tensor | None, *, num_classes: int, batch: int) -> None:
    """Checks that labels are given exactly where the network has classes, one a sample.

    Args:
        labels: Class numbers [B], int64 or int32, in [0, num_classes), or None. The range is left to the
            embedding.
        num_classes: Classes of the network; 0 means unconditional.
        batch: Expected B.

    Raises:
        ValueError: If labels are missing, unexpected, or of another shape or dtype.
    """
    if num_classes == 0:
        if labels is not None:
            raise ValueError(
                f"labels have the shape {list(labels.shape)}, but this network has no classes"
                " (num_classes is 0). Pass labels=None, or build it with num_classes."
            )
        return
    if labels is None:
        raise ValueError(
            f"labels are None, but this network has {num_classes} classes. Pass int64 labels of"
            f" shape [{batch}]."
        )
    if tuple(labels.shape) != (batch,) or labels.dtype not in (torch.int64, torch.int32):
        raise ValueError(
            f"labels have the shape {list(labels.shape)} and dtype {labels.dtype}, but must be"
            f" int64 of shape [{batch}]. Pass one class number for each sample (not one-hot"
            " vectors)."
        )


def widths_of(resolution: Resolution, *, channel_base: int, channel_max: int) -> list[int]:
    """Channels of each of `resolution.grids`.

    Args:
        resolution: Of the images.
        channel_base: See `channels_at`.
        channel_max: Likewise.

    Raises:
        ValueError: If no channel is left at one of them.
    """
    sides = [grid.nominal_side for grid in resolution.grids]
    return [channels_at(side, channel_base=channel_base, channel_max=channel_max) for side in sides]
