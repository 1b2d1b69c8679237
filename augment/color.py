"""Colour operations: brightness, contrast, luma flip, hue and saturation, as one affine map of colours.

Karras et al. 2020 (arXiv:2006.06676), appendix B.2. With the luma axis v = (1, 1, 1) / sqrt(3), let P = v v^T
be the projection on it, Q = I - P, and K the cross product with v. In the order of the paper,

    x -> x + b;  x -> c x;  x -> (I - 2 i P) x;  x -> (P + cos(theta) Q + sin(theta) K) x;  x -> (P + s Q) x

and since P and Q are projections and K = Q K, the product needs no matrix multiplication:

    A = c [ f P + s cos(theta) Q + s sin(theta) K ],  offset = c f b,  with f = 1 - 2 i.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from adavit.augment.devices import is_accelerator
from adavit.augment.draws import Draws, Parameters, about_zero, discrete
from adavit.augment.group import Group, per_image
from adavit.augment.settings import MAGNITUDES


class Color(Group):
    """Brightness, contrast, luma flip, hue rotation and saturation.

    Grey images take part in the first three; of RGBA images only RGB does.

    Args:
        brightness: Multiplier of adding a constant.
        contrast: Multiplier of multiplying by a constant.
        lumaflip: Multiplier of the reflection about the plane normal to the luma axis, drawn with probability
            1/2.
        hue: Multiplier of the rotation about the luma axis.
        saturation: Multiplier of scaling the distance from the luma axis.
        brightness_std: Standard deviation of the added constant, in pixel values.
        contrast_std: Standard deviation of log2 of the contrast.
        hue_max: Largest angle, as a fraction of a half turn.
        saturation_std: Standard deviation of log2 of the saturation.
    """

    def __init__(
        self,
        *,
        brightness: float = 0,
        contrast: float = 0,
        lumaflip: float = 0,
        hue: float = 0,
        saturation: float = 0,
        brightness_std: float = MAGNITUDES["brightness_std"],
        contrast_std: float = MAGNITUDES["contrast_std"],
        hue_max: float = MAGNITUDES["hue_max"],
        saturation_std: float = MAGNITUDES["saturation_std"],
    ) -> None:
        super().__init__(
            {
                "brightness": brightness,
                "contrast": contrast,
                "lumaflip": lumaflip,
                "hue": hue,
                "saturation": saturation,
            },
            {
                "brightness_std": brightness_std,
                "contrast_std": contrast_std,
                "hue_max": hue_max,
                "saturation_std": saturation_std,
            },
        )
        self.brightness_std = brightness_std
        self.contrast_std = contrast_std
        self.hue_max = hue_max
        self.saturation_std = saturation_std

    def sample(self, shape: torch.Size, draws: Draws) -> Parameters:
        """Draw the parameters, each [B], of the operations that are switched on.

        They are `brightness` (added), `contrast_log2`, `luma_flipped` (0 or 1), `hue_turns` (of a full turn)
        and `saturation_log2`. See `Group.sample`.
        """
        gates = self._gates(draws)
        parameters = {}
        if "brightness" in gates:
            gate = gates["brightness"]
            parameters["brightness"] = draws.normal(1)[0] * self.brightness_std * gate
        if "contrast" in gates:
            gate = gates["contrast"]
            parameters["contrast_log2"] = draws.normal(1)[0] * self.contrast_std * gate
        if "lumaflip" in gates:
            parameters["luma_flipped"] = discrete(draws.uniform(1)[0], 2) * gates["lumaflip"]
        if "hue" in gates:
            turns = about_zero(draws.uniform(1)[0], self.hue_max / 2)
            parameters["hue_turns"] = turns * gates["hue"]
        if "saturation" in gates:
            gate = gates["saturation"]
            parameters["saturation_log2"] = draws.normal(1)[0] * self.saturation_std * gate
        return parameters

    def transform(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Map the colours. See `Group.transform`.

        Raises:
            ValueError: If the images have neither 1, 3 nor 4 channels.
        """
        return map_colors(images, **color_map(parameters, images.shape[1], images.dtype))


def color_map(parameters: Parameters, channels: int, dtype: torch.dtype) -> Parameters:
    """The colour map x -> A x + b of drawn parameters.

    Args:
        parameters: As `Color.sample` has returned them.
        channels: Of the images: 1 (grey), 3 (RGB) or 4 (RGBA).
        dtype: Of the map.

    Returns:
        `matrix` A [B, 3, 3] and `offset` b [B]; of grey images A is one number, [B, 1, 1].

    Raises:
        ValueError: For images of other channels.
    """
    if channels not in (1, 3, 4):
        raise ValueError(
            f"images has {channels} channels, but colour operations know grey (1), RGB (3) and RGBA (4). "
            "Switch off brightness, contrast, lumaflip, hue and saturation for other images."
        )
    luma, along, across, offset = color_gains(parameters, dtype)
    # The mean of the three rows of A is (c f, c f, c f) / 3: hue and saturation drop out of grey.
    matrix = luma[:, None, None] if channels == 1 else color_matrix(luma, along, across)
    return {"matrix": matrix, "offset": offset}


def color_gains(
    parameters: Parameters, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The four numbers that make the colour map of the module's equation.

    Args:
        parameters: Any of the parameters of `Color.sample`, at least one; those absent are neutral.
        dtype: Of the numbers.

    Returns:
        c f, c s cos(theta), c s sin(theta) and c f b, each [B].
    """
    value = {name: tensor.to(dtype) for name, tensor in parameters.items()}
    neutral = torch.zeros_like(next(iter(value.values())))
    luma = torch.exp2(value.get("contrast_log2", neutral))
    along = luma
    if "saturation_log2" in value:
        along = luma * torch.exp2(value["saturation_log2"])
    across = offset = neutral
    if "hue_turns" in value:
        angle = value["hue_turns"] * (2 * math.pi)
        along, across = along * angle.cos(), along * angle.sin()
    if "luma_flipped" in value:
        luma = luma * (1 - 2 * value["luma_flipped"])
    if "brightness" in value:
        offset = luma * value["brightness"]
    return luma, along, across, offset


def color_matrix(luma: Tensor, along: Tensor, across: Tensor) -> Tensor:
    """A = `luma` P + `along` Q + `across` K [B, 3, 3], of numbers [B].

    It is a circulant matrix. Neutral numbers give exactly the unit matrix, hence the images bit for bit.
    """
    grey = (luma - along) / 3
    turn = across / math.sqrt(3)
    same, before, after = along + grey, grey - turn, grey + turn
    rows = [same, before, after, after, same, before, before, after, same]
    return torch.stack(rows, dim=1).unflatten(1, (3, 3))


def map_colors(images: Tensor, matrix: Tensor, offset: Tensor) -> Tensor:
    """Apply the map that `color_map` has made for them to images [B, C, H, W]; alpha stays."""
    if images.shape[1] == 1:
        return torch.addcmul(per_image(offset), images, per_image(matrix[:, 0, 0]))
    mapped = _map_rgb(images[:, :3], matrix, offset)
    return mapped if images.shape[1] == 3 else torch.cat((mapped, images[:, 3:]), dim=1)


def _map_rgb(images: Tensor, matrix: Tensor, offset: Tensor) -> Tensor:
    if is_accelerator(images.device):
        # Not a matrix product: with TF32 allowed it would round the images to 10 bits even when p = 0.
        result = torch.addcmul(per_image(offset), matrix[:, :, 0, None, None], images[:, :1])
        result = torch.addcmul(result, matrix[:, :, 1, None, None], images[:, 1:2])
        return torch.addcmul(result, matrix[:, :, 2, None, None], images[:, 2:])
    bias = offset[:, None, None].expand(-1, 3, 1)
    return torch.baddbmm(bias, matrix, images.flatten(2)).view(images.shape)
