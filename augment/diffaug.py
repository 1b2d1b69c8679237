"""DiffAugment: few operations, always on, as a pipe that ignores p.

Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training" (arXiv:2006.10738), section 4.
It is no part of the adaptive scheme: using it together with a probability that is controlled is a mistake, for
there is nothing to control.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from adavit.augment.draws import Draws, Parameters, discrete
from adavit.augment.extras import Operation
from adavit.augment.group import check_magnitudes, per_image
from adavit.augment.pipe import Pipe, PipeParameters

POLICIES: tuple[str, ...] = ("color", "translation", "cutout")
"""The three policies, in the order in which they are applied."""


class DiffAugment(Pipe):
    """Colour changes, translation and cutout, applied to every image whatever p is.

    `adavit.augment.make_pipe("diffaug")` makes one.

    Args:
        policies: Any of color, translation and cutout.
        brightness_range: Width of the uniform distribution of the added constant, in pixel values.
        saturation_max: Largest factor on the distance from the mean over channels; uniform in [0, max].
        contrast_range: Width of the uniform distribution, about 1, of the factor on the distance from the
            image's mean.
        translation_max: Largest shift as a fraction of width and height; whole pixels, zeros outside.
        cutout_size: Width and height of the box, as a fraction of the image's; it may reach over the border.
        extra: Pairs of an operation and its multiplier of p, applied at the end.

    Raises:
        ValueError: If a policy is unknown, or a magnitude is negative or not finite.
    """

    def __init__(
        self,
        policies: Sequence[str] = POLICIES,
        *,
        brightness_range: float = 1.0,
        saturation_max: float = 2.0,
        contrast_range: float = 1.0,
        translation_max: float = 0.125,
        cutout_size: float = 0.5,
        extra: Sequence[tuple[Operation, float]] = (),
    ) -> None:
        super().__init__(extra)
        unknown = [policy for policy in policies if policy not in POLICIES]
        if unknown:
            raise ValueError(
                f"policies has {unknown[0]!r}, but DiffAugment knows {', '.join(POLICIES)}. "
                f"Use policies={POLICIES!r} or a part of it."
            )
        self.policies = tuple(policy for policy in POLICIES if policy in policies)
        check_magnitudes(
            {
                "brightness_range": brightness_range,
                "saturation_max": saturation_max,
                "contrast_range": contrast_range,
                "translation_max": translation_max,
                "cutout_size": cutout_size,
            }
        )
        self.brightness_range = brightness_range
        self.saturation_max = saturation_max
        self.contrast_range = contrast_range
        self.translation_max = translation_max
        self.cutout_size = cutout_size

    def sample(
        self,
        shape: Sequence[int],
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        *,
        quantile: float | None = None,
    ) -> PipeParameters:
        """Draw the parameters for a batch of images. See `Pipe.sample`."""
        height, width = shape[2:]
        target = self.p.device if device is None else torch.device(device)
        draws = self._draws(shape[0], target, quantile, generator)
        parameters: PipeParameters = {}
        if "color" in self.policies:
            brightness, saturation, contrast = draws.uniform(3).unbind(0)
            parameters["color"] = {
                "brightness": (brightness - 0.5) * self.brightness_range,
                "saturation": saturation * self.saturation_max,
                "contrast": 1 + (contrast - 0.5) * self.contrast_range,
            }
        if "translation" in self.policies:
            parameters["translation"] = {
                "shift_x_px": _whole_shift(draws, self.translation_max, width),
                "shift_y_px": _whole_shift(draws, self.translation_max, height),
            }
        if "cutout" in self.policies:
            parameters["cutout"] = {
                "left_px": _box_start(draws, self.cutout_size, width),
                "top_px": _box_start(draws, self.cutout_size, height),
            }
        return parameters

    def transform_prepared(self, images: Tensor, prepared: PipeParameters) -> Tensor:
        """See `Pipe.transform_prepared`."""
        if "color" in prepared:
            images = change_colors(images, prepared["color"])
        if "translation" in prepared:
            images = translate(images, prepared["translation"])
        if "cutout" in prepared:
            images = self._cut(images, prepared["cutout"])
        return images

    def _cut(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Set a box of each image to 0."""
        inside = []
        for length, name in ((images.shape[3], "left_px"), (images.shape[2], "top_px")):
            position = torch.arange(length, device=images.device)
            start = parameters[name][:, None]
            inside.append(
                (position >= start) & (position < start + _pixels(self.cutout_size, length))
            )
        box = inside[0][:, None, None, :] & inside[1][:, None, :, None]
        return torch.where(box, 0.0, images)

    def extra_repr(self) -> str:
        """The policies."""
        return ", ".join(self.policies)


def _pixels(fraction: float, length: int) -> int:
    """A fraction of a length in whole pixels, rounded half up."""
    return int(fraction * length + 0.5)


def _whole_shift(draws: Draws, largest: float, length: int) -> Tensor:
    """Whole pixels [B], uniform between minus and plus the largest."""
    largest_px = _pixels(largest, length)
    return discrete(draws.uniform(1)[0], 2 * largest_px + 1) - largest_px


def _box_start(draws: Draws, fraction: float, length: int) -> Tensor:
    """First pixel [B] of a box whose centre is uniform over the axis; may be negative."""
    box_px = _pixels(fraction, length)
    return discrete(draws.uniform(1)[0], length + 1 - box_px % 2) - box_px // 2


def change_colors(images: Tensor, parameters: Parameters) -> Tensor:
    """Brightness, then saturation about the mean over channels, then contrast about the image's mean.

    Args:
        images: [B, C, H, W]; of four channels the last (alpha) takes no part.
        parameters: `brightness` (added), `saturation` and `contrast` (factors), each [B].

    Returns:
        [B, C, H, W].
    """
    if images.shape[1] == 4:
        return torch.cat((change_colors(images[:, :3], parameters), images[:, 3:]), dim=1)
    value = {name: per_image(tensor.to(images.dtype)) for name, tensor in parameters.items()}
    result = images + value["brightness"]
    result = torch.lerp(result.mean(1, keepdim=True), result, value["saturation"])
    return torch.lerp(result.mean((1, 2, 3), keepdim=True), result, value["contrast"])


def translate(images: Tensor, parameters: Parameters) -> Tensor:
    """Move images by whole pixels, with zeros outside.

    Args:
        images: [B, C, H, W].
        parameters: `shift_x_px` and `shift_y_px` [B], whole numbers; the content moves right and down.

    Returns:
        [B, C, H, W].
    """
    batch, channels, height, width = images.shape
    x = torch.arange(width, device=images.device) - parameters["shift_x_px"].long()[:, None]
    y = torch.arange(height, device=images.device) - parameters["shift_y_px"].long()[:, None]
    inside = ((x >= 0) & (x < width))[:, None, :] & ((y >= 0) & (y < height))[:, :, None]
    index = y.clamp(0, height - 1)[:, :, None] * width + x.clamp(0, width - 1)[:, None, :]
    index = index.view(batch, 1, -1).expand(batch, channels, -1)
    moved = images.flatten(2).gather(2, index).view(images.shape)
    return torch.where(inside[:, None], moved, 0.0)
