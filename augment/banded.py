"""The 2x filters of the resampler as matrices along one axis, multiplied block by block.

Upsampling and downsampling by sym6 are linear maps of a line of pixels; written as matrices, the reflection at
the borders is folded in once, lines shorter than the filter need no special case, and the transpose (for the
gradient) is as easy as the map. The matrices are banded: on a long axis only dense blocks along the band are
multiplied.

The crossover: up to `BLOCK` = 32 pixels the matrix is one dense block. Measured on 2 CPU cores at 48 planes of
256 x 256, one dense multiplication of the last axis takes 31 ms, blocks of 64, 32 and 16 pixels 9, 5 and 5 ms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from adavit.augment.wavelets import SYM6, SYM6_PEAK

MARGIN = len(SYM6) // 2
"""Upsampled samples kept beyond the first and last pixel, so that an identity map stays exact."""

BLOCK = 32
"""Pixels per dense block of a banded matrix; a shorter axis is one block."""


@dataclass(frozen=True)
class Block:
    """A dense part of a banded matrix: all that its rows contain.

    Attributes:
        columns: First and one past the last column.
        entries: The part of the matrix [rows, columns].
    """

    columns: tuple[int, int]
    entries: Tensor


Banded = tuple[Block, ...]
"""Blocks from the first row of a matrix to the last."""


def reflect(position: Tensor, size: int) -> Tensor:
    """Fold positions into [0, size - 1] by reflection about the centres of the border pixels.

    Args:
        position: Positions in pixels, any shape and dtype, any distance away.
        size: Pixels on the axis, >= 1.

    Returns:
        Folded positions of the same shape and dtype; all 0 when `size` is 1.
    """
    if size == 1:
        return torch.zeros_like(position)
    last = size - 1
    return last - (position.remainder(2 * last) - last).abs()


def upsampled_length(size: int) -> int:
    """Samples of the upsampled line: 2 per pixel, and `MARGIN` beyond the first and the last pixel."""
    return 2 * (size - 1) + 1 + 2 * MARGIN


def supersampled_length(size: int) -> int:
    """Samples from which the low-pass makes `size` pixels at stride 2."""
    return 2 * (size - 1) + len(SYM6)


def _taps(index: Tensor, dtype: torch.dtype) -> Tensor:
    """sym6 at integer indices of any shape, 0 outside the filter."""
    taps = torch.zeros(index.shape, device=index.device, dtype=dtype)
    # Scalars instead of a tensor of taps: copying one to a CUDA device would wait for the device.
    for position, tap in enumerate(SYM6):
        taps = taps.masked_fill(index == position, tap)
    return taps


def upsampling_matrix(size: int, *, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Matrix from `size` pixels to the upsampled line, reflection included.

    Row r is position r - MARGIN of the line upsampled by 2, on which pixel i has position 2 i. Two cascaded
    stages (this one and `downsampling_matrix`) give the identity, as sym6 is orthogonal to its even shifts.

    Returns:
        Matrix [upsampled_length(size), size]; each row sums to 1.
    """
    row = torch.arange(upsampled_length(size), device=device)[:, None] - MARGIN
    reach = len(SYM6)  # pixels beyond the borders that a row may touch
    pixel = torch.arange(-reach, size + reach, device=device)
    band = _taps(row - 2 * pixel + SYM6_PEAK, dtype) * math.sqrt(2)
    fold = reflect(pixel, size)[:, None] == torch.arange(size, device=device)
    return band @ fold.to(dtype)


def downsampling_matrix(size: int, *, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Matrix from the supersampled line to `size` pixels: the mirrored low-pass at stride 2.

    Column c is position c - SYM6_PEAK of the line on which pixel i has position 2 i.

    Returns:
        Matrix [size, supersampled_length(size)]; each row sums to 1.
    """
    column = torch.arange(supersampled_length(size), device=device)
    pixel = torch.arange(size, device=device)[:, None]
    return _taps(column - 2 * pixel, dtype) / math.sqrt(2)


def _clip_reflected(first: int, last: int, size: int) -> tuple[int, int]:
    """The range within [0, size) that covers first..last after reflection, as start and stop."""
    top = size - 1
    low = min(first, 2 * top - last) if last > top else first
    high = max(last, -first) if first < 0 else last
    return max(low, 0), min(high, top) + 1


def split_upsampling(matrix: Tensor) -> tuple[Banded, Banded]:
    """Blocks of an upsampling matrix and of its transpose."""
    rows, size = matrix.shape
    if size <= BLOCK:
        return (Block((0, size), matrix),), (Block((0, rows), matrix.T.contiguous()),)
    forward, backward = [], []
    for start in range(0, rows, 2 * BLOCK):
        stop = min(start + 2 * BLOCK, rows)
        # Row r touches the pixels i with 0 <= r - MARGIN - 2 i + SYM6_PEAK < 12.
        first = (start - MARGIN + SYM6_PEAK - len(SYM6)) // 2
        last = (stop - 1 - MARGIN + SYM6_PEAK) // 2
        low, high = _clip_reflected(first, last, size)
        forward.append(Block((low, high), matrix[start:stop, low:high].contiguous()))
    for start in range(0, size, BLOCK):
        stop = min(start + BLOCK, size)
        # Pixels within a filter's length of a border are also seen through the reflection.
        low = 0 if start < len(SYM6) else 2 * start + MARGIN - SYM6_PEAK
        high = rows if stop > size - len(SYM6) else 2 * stop + MARGIN - SYM6_PEAK + len(SYM6)
        high = min(high, rows)
        backward.append(Block((low, high), matrix[low:high, start:stop].T.contiguous()))
    return tuple(forward), tuple(backward)


def split_downsampling(matrix: Tensor) -> tuple[Banded, Banded]:
    """Blocks of a downsampling matrix and of its transpose."""
    size, columns = matrix.shape
    if size <= BLOCK:
        return (Block((0, columns), matrix),), (Block((0, size), matrix.T.contiguous()),)
    forward, backward = [], []
    for start in range(0, size, BLOCK):
        stop = min(start + BLOCK, size)
        low, high = 2 * start, 2 * (stop - 1) + len(SYM6)
        forward.append(Block((low, high), matrix[start:stop, low:high].contiguous()))
    for start in range(0, columns, 2 * BLOCK):
        stop = min(start + 2 * BLOCK, columns)
        low = max((start - len(SYM6)) // 2, 0)
        high = min((stop - 1) // 2 + 1, size)
        backward.append(Block((low, high), matrix[low:high, start:stop].T.contiguous()))
    return tuple(forward), tuple(backward)


def multiply_columns(matrix: Banded, planes: Tensor) -> Tensor:
    """Apply a matrix along the vertical axis.

    Args:
        matrix: Blocks of a matrix [R, K].
        planes: [N, K, W].

    Returns:
        [N, R, W].
    """
    parts = [block.entries @ planes[:, block.columns[0] : block.columns[1]] for block in matrix]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def multiply_rows(matrix: Banded, planes: Tensor) -> Tensor:
    """Apply a matrix along the horizontal axis.

    Args:
        matrix: Blocks of a matrix [R, K].
        planes: [N, H, K].

    Returns:
        [N, H, R].
    """
    lines = planes.flatten(0, 1)  # [N H, K]: one large product instead of N small ones
    parts = [lines[:, block.columns[0] : block.columns[1]] @ block.entries.T for block in matrix]
    result = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
    return result.unflatten(0, planes.shape[:2])
