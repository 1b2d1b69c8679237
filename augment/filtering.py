"""Image-space filtering: random gains of four frequency bands.

Karras et al. 2020 (arXiv:2006.06676), appendix B.3. The bands come from sym2 (`adavit.augment.wavelets.filter_bank`)
and sum to the unit impulse, so that gains of 1 change nothing. The summed filter of each image is applied to
its rows and columns.

Two ways, the same result. Up to `DENSE_SIZE` pixels the filter of each image becomes a small dense matrix per
axis with the reflection folded in; longer axes are convolved.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from adavit.augment.banded import reflect
from adavit.augment.devices import is_accelerator
from adavit.augment.draws import Draws, Parameters
from adavit.augment.group import Group, per_image
from adavit.augment.settings import MAGNITUDES
from adavit.augment.wavelets import BANDS, filter_bank

BAND_POWER: tuple[float, ...] = (10 / 13, 1 / 13, 1 / 13, 1 / 13)
"""Expected share of the power of natural images in each band, e in appendix B.3."""

DENSE_SIZE = 64
"""Longest axis, in pixels, that is filtered by a dense matrix."""


class Filtering(Group):
    """Random gains of four frequency bands.

    Args:
        imgfilter: Multiplier of filtering; each band has its own gate.
        imgfilter_bands: Four further multipliers, one for each band from low to high.
        imgfilter_std: Standard deviation of log2 of a gain.
    """

    band_multipliers: Tensor
    _bank_bits: Tensor

    def __init__(
        self,
        *,
        imgfilter: float = 0,
        imgfilter_bands: Sequence[float] = MAGNITUDES["imgfilter_bands"],
        imgfilter_std: float = MAGNITUDES["imgfilter_std"],
    ) -> None:
        super().__init__({"imgfilter": imgfilter}, {"imgfilter_std": imgfilter_std})
        if len(imgfilter_bands) != BANDS or not all(0 <= band <= 1 for band in imgfilter_bands):
            raise ValueError(
                f"imgfilter_bands is {tuple(imgfilter_bands)}, but must be {BANDS} numbers in [0,"
                " 1]. Use (1, 1, 1, 1) for the published value."
            )
        self.imgfilter_std = imgfilter_std
        multipliers = torch.tensor([imgfilter * band for band in imgfilter_bands])
        self.register_buffer("band_multipliers", multipliers, persistent=False)
        # As the bits of its numbers: a module that is made bfloat16 would round them.
        bits = _one_sided(filter_bank()).view(torch.int32)
        self.register_buffer("_bank_bits", bits, persistent=False)

    def sample(self, shape: torch.Size, draws: Draws) -> Parameters:
        """Draw `gains_log2` [B, 4] of the bands, before `band_gains` normalises them. See `Group.sample`."""
        gates = draws.gates(self.band_multipliers).T  # [B, 4]
        gains_log2 = draws.normal(BANDS).T * self.imgfilter_std
        return {"gains_log2": gains_log2 * gates}

    def filters(self, gains_log2: Tensor) -> Tensor:
        """The summed filter of each image.

        Args:
            gains_log2: [B, 4].

        Returns:
            Taps [B, 43], symmetric, in the dtype of `gains_log2`.
        """
        gains = band_gains(gains_log2)
        bank = self._bank_bits.view(torch.float32).to(gains).sum(0)
        # Not a matrix product: with TF32 allowed it would round the taps to 10 bits.
        left = (gains[:, :, None] * bank).sum(1)
        return torch.cat((left, left[:, :-1].flip(1)), dim=1)

    def transform(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Filter rows and columns. See `Group.transform`."""
        gains_log2 = parameters["gains_log2"].to(images.dtype)
        active = (gains_log2 != 0).any(1).to(images.dtype)
        # Images whose gates are all closed get the exact impulse and so come out bit for bit.
        taps = self.filters(gains_log2)
        taps = torch.lerp(impulse(taps), taps, active[:, None])
        filtered = images
        for axis in (3, 2):
            if images.shape[axis] <= DENSE_SIZE:
                filtered = filter_dense(filtered, taps, axis)
        long = tuple(axis for axis in (3, 2) if images.shape[axis] > DENSE_SIZE)
        if long:
            filtered = filter_long(filtered, taps, long)
        # TF32, where it is allowed, would round the images to 10 bits even so. lerp is exact at 0 and 1.
        if is_accelerator(images.device):
            return torch.lerp(images, filtered, per_image(active))
        return filtered


def _one_sided(bank: Sequence[Sequence[float]]) -> Tensor:
    """The taps up to the middle one, [2, 4, 22]: float32 and what it leaves over, as not every device has float64."""
    half = torch.tensor(bank, dtype=torch.float64)[:, : len(bank[0]) // 2 + 1]
    return torch.stack((half.float(), (half - half.float()).float()))


def impulse(taps: Tensor) -> Tensor:
    """The filter that changes nothing, [1, K], for filters [B, K] with K odd."""
    half = taps.shape[1] // 2
    return F.pad(taps.new_ones(1, 1), (half, half))


def band_gains(gains_log2: Tensor) -> Tensor:
    """Normalise the gain of each band by the expected power and multiply the four vectors.

    Appendix B.3: the vector of ones with the gain of one band in its place is divided by sqrt(sum_i e_i g_i^2).

    Args:
        gains_log2: [B, 4].

    Returns:
        Gains [B, 4], > 0.
    """
    gains = torch.exp2(gains_log2)
    product = gains
    for band, power in enumerate(BAND_POWER):
        norm = (power * gains[:, band].square() + (1 - power)).sqrt()
        product = product / norm[:, None]
    return product


def filter_dense(images: Tensor, taps: Tensor, axis: int) -> Tensor:
    """Filter one axis by a dense matrix per image; the axis may be shorter than the filter.

    Args:
        images: [B, C, H, W].
        taps: [B, K], symmetric, K odd.
        axis: 2 for the columns, 3 for the rows.

    Returns:
        [B, C, H, W].
    """
    size, length = images.shape[axis], taps.shape[1]
    position = torch.arange(size, device=images.device)
    tap = torch.arange(length, device=images.device) - length // 2
    source = reflect(position[:, None] + tap[:, None, None], size)  # [K, size, 1]
    placement = (source == position).to(images.dtype)  # [K, size (to), size (from)]
    matrix = (taps @ placement.flatten(1)).view(-1, 1, size, size)
    return matrix @ images if axis == 2 else images @ matrix.mT


def filter_long(images: Tensor, taps: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Filter axes by convolution; each must be longer than half the filter.

    Arguments and result [B, C, H, W] as of `filter_dense`, but with several axes; the taps get no gradient.
    """
    return _Convolve.apply(images, taps, axes, False)


class _Convolve(torch.autograd.Function):
    """Convolution of axes with reflected borders (or its transpose), linear in the images.

    Its gradient is the transpose, whose gradient is the convolution again: an R1 step takes a third of the time
    it takes with torch's own second derivative of a grouped convolution (16 x 3 x 256 x 256, one CPU thread).

    The taps h are symmetric, so that the matrix M of one axis is symmetric but for its border columns: an
    inner pixel j is seen directly and through the reflection, h(i - j) + h(i + j), a border pixel only
    once. With D = diag(1/2, 1, ..., 1, 1/2) hence M^T = D M D^-1.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(images: Tensor, taps: Tensor, axes: tuple[int, ...], transposed: bool) -> Tensor:
        half = taps.shape[1] // 2
        for axis in axes:
            margins = (0, 0, half, half) if axis == 2 else (half, half, 0, 0)
            images = F.pad(images, margins, mode="reflect")
            if transposed:
                # The reflection repeats no border pixel: this scales all that they reach.
                _scale_borders(images, axis, half, 2)
            images = _each_by_its_own(images, taps, axis)
            if transposed:
                _scale_borders(images, axis, 0, 0.5)
        return images

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, taps, ctx.axes, ctx.transposed = inputs
        ctx.save_for_backward(taps)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (taps,) = ctx.saved_tensors
        return _Convolve.apply(grads[0], taps, ctx.axes, not ctx.transposed), None, None, None


def _scale_borders(images: Tensor, axis: int, margin: int, scale: float) -> None:
    """Multiply the border pixels of what lies within a margin, in place."""
    for border in (margin, images.shape[axis] - 1 - margin):
        images.select(axis, border).mul_(scale)


def _each_by_its_own(padded: Tensor, taps: Tensor, axis: int) -> Tensor:
    """Convolve the planes of each image with its taps, where the taps lie within."""
    batch, channels = padded.shape[:2]
    kernel = (taps.shape[1], 1) if axis == 2 else (1, taps.shape[1])
    weight = taps.repeat_interleave(channels, dim=0).view(batch * channels, 1, *kernel)
    planes = padded.reshape(1, batch * channels, *padded.shape[2:])
    result = F.conv2d(planes, weight, groups=batch * channels)
    return result.view(batch, channels, *result.shape[2:])
