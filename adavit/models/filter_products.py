"""Linear filters along rows and columns as products with matrices: what an accelerator does fastest.

cuDNN has no fast kernel for a depthwise convolution of features in channels_last: on an H100 the FIR filters took two
thirds of a training step at 256 px, and 10 to 30 times as long as these products (`benchmarks/results/h100.md`).
Derivatives of every order are products again.
"""

import functools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from adavit.runtime.precision import without_autocast

_ALIGNED = 8
"""Numbers to whose multiple a row of a matrix is stored: tensor cores read 16 bytes at a time."""


def filter_matrix(
    taps: tuple[float, ...],
    size: int,
    *,
    padding: int,
    stride: int,
    dtype: torch.dtype,
    device: torch.device,
) -> Tensor:
    """The matrix of a filter along one side.

    Args:
        taps: Of the filter.
        size: Pixels of the side.
        padding: Zeros on each end in pixels.
        stride: Pixels from one result to the next.
        dtype: Of the matrix.
        device: Of the matrix, which is kept there for the next call.

    Returns:
        [(size + 2 * padding - len(taps)) // stride + 1, size].
    """
    if torch.compiler.is_compiling():  # which would not see that the matrix is kept
        return _made(taps, size, padding, stride, dtype, device)
    return _kept(taps, size, padding, stride, dtype, device)


@functools.lru_cache(maxsize=256)
def _kept(*of: Any) -> Tensor:
    with torch.inference_mode(False):  # a tensor of that mode could not be trained with afterwards
        return _made(*of)


def _made(
    taps: tuple[float, ...],
    size: int,
    padding: int,
    stride: int,
    dtype: torch.dtype,
    device: torch.device,
) -> Tensor:
    unit = torch.eye(size, dtype=torch.float64)[:, None]
    kernel = torch.tensor(taps, dtype=torch.float64)[None, None]
    matrix = F.conv1d(unit, kernel, padding=padding, stride=stride)[:, 0].T
    stored = F.pad(matrix, (0, -size % _ALIGNED)).contiguous().to(device, dtype)
    return stored[:, :size]


def multiply_sides(features: Tensor, columns: Tensor, rows: Tensor) -> Tensor:
    """Multiplies the columns and the rows of features with a matrix each.

    Args:
        features: Features [B, C, H, W], fastest in channels_last.
        columns: [H', H].
        rows: [W', W].

    Returns:
        Features [B, C, H', W'] in channels_last, in the same dtype; after each of the two products rounded to it.
    """
    batch, channels, height, width = features.shape
    wide, high = len(rows), len(columns)
    with without_autocast(features.device):
        lines = features.permute(0, 2, 3, 1).reshape(batch * height, width, channels)
        across = torch.bmm(rows.expand(batch * height, -1, -1), lines)
        planes = across.reshape(batch, height, wide * channels)
        both = torch.bmm(columns.expand(batch, -1, -1), planes)
    return both.reshape(batch, high, wide, channels).permute(0, 3, 1, 2)
