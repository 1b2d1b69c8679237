"""Resample images at the positions of an affine map, without aliasing or blur, differentiable twice.

The arrangement follows appendix B.1 of Karras et al. 2020 (arXiv:2006.06676): reflect, upsample by 2 with
sym6, sample bilinearly at the mapped positions, low-pass with the mirrored sym6 and downsample by 2. Here
nothing is padded to the largest excursion in the batch: positions are folded by reflection about the centres
of the border pixels, so all shapes are fixed.

For given maps the whole of it is linear in the images, y = D S U x. So one autograd function holds it: its
gradient is the transpose, whose gradient is the map again. Any number of derivatives exist, none needs the
second derivative of `grid_sample` (absent from torch 2.11), and of the images nothing is kept for the backward
pass: only where they are sampled, two numbers for each of 4 H W positions.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from adavit.augment.banded import (
    MARGIN,
    downsampling_matrix,
    multiply_columns,
    multiply_rows,
    split_downsampling,
    split_upsampling,
    supersampled_length,
    upsampled_length,
    upsampling_matrix,
)
from adavit.augment.matrices import identity
from adavit.augment.wavelets import SYM6_PEAK

_CHUNK_BYTES = 4 * 2**20
"""On the CPU so many bytes of upsampled images are worked on at a time, to stay in the cache."""


class _AxisFilters:
    """The four filters of one axis: up, down and their transposes."""

    def __init__(self, size: int, device: torch.device, dtype: torch.dtype) -> None:
        upsampling = upsampling_matrix(size, device=device, dtype=dtype)
        downsampling = downsampling_matrix(size, device=device, dtype=dtype)
        self.up, self.up_transposed = split_upsampling(upsampling)
        self.down, self.down_transposed = split_downsampling(downsampling)


_filters: dict[tuple[int, torch.device, torch.dtype], _AxisFilters] = {}


def _axis_filters(size: int, like: Tensor) -> _AxisFilters:
    """Filters for an axis of `size` pixels, kept between calls."""
    key = (size, like.device, like.dtype)
    if key in _filters:
        return _filters[key]
    # Made in inference mode they could not be used in training afterwards.
    with torch.inference_mode(False), torch.no_grad():
        filters = _AxisFilters(*key)
    # What is made while a CUDA graph is captured has no values yet, so must not be found by later calls.
    if not (like.is_cuda and torch.cuda.is_current_stream_capturing()):
        _filters[key] = filters
    return filters


def _folded(position: Tensor, border: float) -> Tensor:
    """Fold normalised positions on one axis back into the extended line.

    Positions on the extended line are kept, the others are folded about the centres of the border pixels.

    Args:
        position: In half lengths of the extended line, from its first sample (0) to its last (2) and beyond.
            Modified.
        border: Distance of a border pixel's centre from the middle of the line, in the same unit.

    Returns:
        Positions relative to the middle, in [-1, 1].
    """
    if border == 0:  # an axis of one pixel: every position shows it
        return torch.zeros_like(position)
    # In float32 the unnormalisation in grid_sample, (x + 1) (size - 1) / 2, undoes this subtraction exactly
    # where the line is longest, so that an identity map lands on the samples. Any other order of these steps
    # costs accuracy.
    position = position.sub_(1)
    offset = position + border
    periods = (offset * (1 / (4 * border))).round_()
    folded = offset.sub_(periods, alpha=4 * border).abs_().sub_(border)
    return torch.where(position.abs() <= 1, position, folded)


def _sampling_grid(inverse_map: Tensor, height: int, width: int, dtype: torch.dtype) -> Tensor:
    """Where each supersampled output position lies on the upsampled image.

    Args:
        inverse_map: [B, 3, 3], float64, from output to input, in pixels about the image centre.
        height: Pixels.
        width: Pixels.
        dtype: Of the result.

    Returns:
        Positions (x, y) [B, H', W', 2] in [-1, 1], the convention of `grid_sample` with align_corners.
    """
    sizes = (width, height)
    steps = [_steps(size, inverse_map) for size in sizes]
    # Where both axes are as long, they go through the same kernels.
    parts = [(0, 2)] if width == height else [(0, 1), (1, 2)]
    positions = []
    for first, last in parts:
        half = sizes[first] - 1 + MARGIN  # of the extended line, in upsampled samples
        rows = inverse_map[:, first:last]  # [B, 1 or 2, 3]
        along_x = (rows[:, :, 0, None] * steps[0] + 2 * rows[:, :, 2, None] + half) / half
        along_y = rows[:, :, 1, None] * steps[1] / half
        # Of y round the larger part last, see _folded: moved by 1 where the axis is the second.
        one = torch.arange(first, last, device=rows.device, dtype=rows.dtype)[:, None]
        along_x, along_y = (along_x - one).to(dtype), (along_y + one).to(dtype)
        position = along_x[:, :, None, :] + along_y[:, :, :, None]
        positions.append(_folded(position, (sizes[first] - 1) / half))
    both = positions[0] if len(parts) == 1 else torch.cat(positions, dim=1)
    return both.permute(0, 2, 3, 1)


def _steps(size: int, like: Tensor) -> Tensor:
    """Positions of the supersampled line [.] from the image centre, in upsampled samples."""
    steps = torch.arange(supersampled_length(size), device=like.device, dtype=like.dtype)
    return steps - (SYM6_PEAK + size - 1)


def _resample(images: Tensor, grid: Tensor) -> Tensor:
    """Compute y = D S U x. See `resample`."""
    batch, channels, height, width = images.shape
    vertical, horizontal = _axis_filters(height, images), _axis_filters(width, images)
    planes = images.reshape(batch * channels, height, width)
    planes = multiply_rows(horizontal.up, multiply_columns(vertical.up, planes))
    upsampled = planes.unflatten(0, (batch, channels))
    # 0, 0, True: bilinear, zeros outside (never reached), aligned corners.
    sampled = torch.grid_sampler_2d(upsampled, grid, 0, 0, True)
    planes = sampled.flatten(0, 1)
    planes = multiply_columns(vertical.down, multiply_rows(horizontal.down, planes))
    return planes.unflatten(0, (batch, channels))


def _resample_transposed(images: Tensor, grid: Tensor) -> Tensor:
    """Compute x = U^T S^T D^T y, the gradient of `_resample`."""
    batch, channels, height, width = images.shape
    vertical, horizontal = _axis_filters(height, images), _axis_filters(width, images)
    planes = images.reshape(batch * channels, height, width)
    planes = multiply_rows(
        horizontal.down_transposed, multiply_columns(vertical.down_transposed, planes)
    )
    sampled = planes.unflatten(0, (batch, channels))
    spread = _spread_in_order if torch.are_deterministic_algorithms_enabled() else _spread
    planes = spread(sampled, grid, upsampled_length(height), upsampled_length(width)).flatten(0, 1)
    planes = multiply_columns(
        vertical.up_transposed, multiply_rows(horizontal.up_transposed, planes)
    )
    return planes.unflatten(0, (batch, channels))


def _spread(sampled: Tensor, grid: Tensor, height: int, width: int) -> Tensor:
    """The transpose of sampling images [B, C, height, width] bilinearly at `grid`, of what was sampled."""
    # The values of the sampled image do not enter its gradient, only its shape: no memory behind it.
    shape_only = sampled.new_zeros(()).expand(*sampled.shape[:2], height, width)
    spread: Tensor = torch.ops.aten.grid_sampler_2d_backward(
        sampled, shape_only, grid, 0, 0, True, (True, False)
    )[0]
    return spread


def _spread_in_order(sampled: Tensor, grid: Tensor, height: int, width: int) -> Tensor:
    """The same as sums in a fixed order, by `index_add_`: on CUDA torch's kernel adds as its threads come."""
    batch, channels = sampled.shape[:2]
    values = sampled.permute(0, 2, 3, 1).reshape(-1, channels)
    axes = []
    for positions, size in zip(grid.unbind(-1), (width, height), strict=True):
        position = ((positions + 1) / 2 * (size - 1)).reshape(-1)
        low = position.floor().clamp_(0, size - 1)
        part = position - low
        at = low.long()
        axes.append(((at, 1 - part), ((at + 1).clamp_(max=size - 1), part)))
    first = torch.arange(batch, device=sampled.device) * (height * width)
    first = first.repeat_interleave(len(values) // batch)
    spread = values.new_zeros(batch * height * width, channels)
    for row, row_weight in axes[1]:
        for column, column_weight in axes[0]:
            weight = (row_weight * column_weight)[:, None]
            spread.index_add_(0, first + row * width + column, values * weight)
    return spread.unflatten(0, (batch, height, width)).permute(0, 3, 1, 2).contiguous()


def _resample_active(images: Tensor, grid: Tensor, active: Tensor, transposed: bool) -> Tensor:
    """Resample the active images, or transpose that; on the CPU a few at a time."""
    work = _resample_transposed if transposed else _resample
    batch, channels, height, width = images.shape
    size = batch
    if images.device.type == "cpu":
        image_bytes = channels * upsampled_length(height) * upsampled_length(width)
        image_bytes *= images.element_size()
        # grid_sample shares the images of a chunk among the threads.
        size = max(_CHUNK_BYTES // max(image_bytes, 1), torch.get_num_threads())
    if batch == 0:
        return images.clone()
    parts = []
    for start in range(0, batch, size):
        part = slice(start, start + size)
        resampled = work(images[part], grid[part])
        parts.append(torch.where(active[part, None, None, None], resampled, images[part]))
    return parts[0] if len(parts) == 1 else torch.cat(parts)


# Operators of their own, so that compiled code runs exactly this: the compiler would replace grid_sample by
# formulas that round positions otherwise, and take a minute over it. Not by torch.library.custom_op, whose
# operators import the compiler when they are called: more than a second before the first step.
_OPERATOR = "adavit_augment::resample"
torch.library.define(_OPERATOR, torch.library.infer_schema(_resample_active, mutates_args=()))
torch.library.impl(_OPERATOR, "CompositeExplicitAutograd", _resample_active)
_GRID_OPERATOR = "adavit_augment::sampling_grid"
torch.library.define(_GRID_OPERATOR, torch.library.infer_schema(_sampling_grid, mutates_args=()))
torch.library.impl(_GRID_OPERATOR, "CompositeExplicitAutograd", _sampling_grid)


@torch.library.register_fake(_OPERATOR)
def _(images: Tensor, grid: Tensor, active: Tensor, transposed: bool) -> Tensor:
    """What the operator returns, without values."""
    return torch.empty_like(images, memory_format=torch.contiguous_format)


@torch.library.register_fake(_GRID_OPERATOR)
def _(inverse_map: Tensor, height: int, width: int, dtype: torch.dtype) -> Tensor:
    """Likewise."""
    rows, columns = supersampled_length(height), supersampled_length(width)
    return inverse_map.new_empty((len(inverse_map), 2, rows, columns), dtype=dtype).permute(
        0, 2, 3, 1
    )


class _Resample(torch.autograd.Function):
    """The map (or its transpose) as a linear function of the images; positions and flags get no gradient."""

    @staticmethod
    def forward(images: Tensor, grid: Tensor, active: Tensor, transposed: bool) -> Tensor:
        resampled: Tensor = torch.ops.adavit_augment.resample(images, grid, active, transposed)
        return resampled

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, grid, active, ctx.transposed = inputs
        ctx.save_for_backward(grid, active)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        grid, active = ctx.saved_tensors
        return _Resample.apply(grads[0], grid, active, not ctx.transposed), None, None, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Tensor, int]:
        """Vectorised calls are one call on a larger batch."""
        tensors = [
            value.expand(info.batch_size, *value.shape) if dim is None else value.movedim(dim, 0)
            for value, dim in zip(inputs[:3], in_dims[:3], strict=True)
        ]
        images, grid, active = (value.flatten(0, 1) for value in tensors)
        result = _Resample.apply(images, grid, active, inputs[3])
        return result.unflatten(0, (info.batch_size, -1)), 0


def positions(
    inverse_map: Tensor, height: int, width: int, dtype: torch.dtype
) -> dict[str, Tensor]:
    """Where `resample_at` is to sample images, for affine maps.

    Args:
        inverse_map: [B, 3, 3], from the position of an output pixel to that of the input it shows; x to the
            right, y down, in pixels about the image centre. Gets no gradient.
        height: Of the images.
        width: Likewise.
        dtype: Likewise, float32 or float64.

    Returns:
        `grid` of positions and `active` [B], whether the map moves anything; both with the batch first.
    """
    inverse_map = inverse_map.detach().double()
    # The filters would return the image too, but only to rounding: in float32 to 3e-5 at 256 pixels, for want
    # of accuracy in the normalised positions that grid_sample takes.
    active = (inverse_map != identity(inverse_map[:, 0, 0])).flatten(1).any(1)
    grid = torch.ops.adavit_augment.sampling_grid(inverse_map, height, width, dtype)
    return {"grid": grid, "active": active}


def resample_at(images: Tensor, grid: Tensor, active: Tensor) -> Tensor:
    """Resample images at what `positions` has returned for their size.

    Appendix B.1 of Karras et al. 2020 (arXiv:2006.06676). Beyond the borders the image is reflected about the
    centres of its border pixels. An identity map returns the image bit for bit.

    Args:
        images: [B, C, H, W], float32 or float64, any C, H and W >= 1. Differentiable any number of times.
        grid: Positions.
        active: [B].

    Returns:
        [B, C, H, W], a new tensor.
    """
    return _Resample.apply(images, grid, active, False)


def resample(images: Tensor, inverse_map: Tensor) -> Tensor:
    """Resample images at the positions of affine maps [B, 3, 3]; see `positions` and `resample_at`."""
    height, width = images.shape[2:]
    return resample_at(images, **positions(inverse_map, height, width, images.dtype))
