"""Homogeneous 2-D matrices, batched, of which the geometric operations are composed.

A matrix is [B, 3, 3] and acts on column vectors (x, y, 1) with x to the right and y down. It is given by its two upper
rows, so that all matrices of a product are made at once. The pipeline composes inverse maps: from the position of an
output pixel to the position in the input it shows. Colour needs no such vocabulary, because its operations commute
(see `adavit.augment.color`).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping

import torch
from torch import Tensor

Entry = Tensor | float
"""A number of each image [B], or one for all of them: 0 or 1."""

Affine = tuple[tuple[Entry, Entry, Entry], tuple[Entry, Entry, Entry]]
"""The two upper rows of a matrix whose third is (0, 0, 1)."""


def product(*factors: Affine) -> Tensor:
    """The product of matrices from left to right [B, 3, 3], of the dtype and on the device of their entries."""
    rows = [row for factor in factors for row in (*factor, (0.0, 0.0, 1.0))]
    entries = [entry for row in rows for entry in row]
    like = next(entry for entry in entries if isinstance(entry, Tensor))
    constants = {0.0: torch.zeros_like(like), 1.0: torch.ones_like(like)}
    filled = [entry if isinstance(entry, Tensor) else constants[entry] for entry in entries]
    matrices = torch.stack(filled, dim=-1).unflatten(-1, (len(factors), 3, 3))
    return functools.reduce(torch.matmul, matrices.unbind(1))


def doubled(*groups: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """The same parameters [B] of each group in float64, all cast at once."""
    values = [value for parameters in groups for value in parameters.values()]
    cast = iter(torch.stack(values).double().unbind(0))
    return [dict(zip(parameters, cast, strict=False)) for parameters in groups]


def identity(like: Tensor) -> Tensor:
    """Identity matrices [B, 3, 3], one for each of the values [B], on their device and of their dtype."""
    return torch.eye(3, device=like.device, dtype=like.dtype).expand(like.shape[0], 3, 3)


def translation(x: Tensor, y: Tensor) -> Affine:
    """Translation by (x, y), each [B], in the unit of the coordinates."""
    return (1.0, 0.0, x), (0.0, 1.0, y)


def scaling(x: Entry, y: Entry) -> Affine:
    """Scaling by the factors x and y."""
    return (x, 0.0, 0.0), (0.0, y, 0.0)


def rotation(turns: Tensor) -> Affine:
    """Rotation R(a) = [[cos a, -sin a], [sin a, cos a]] with a = 2 pi `turns`, [B].

    With y down, a positive angle turns vectors clockwise as seen on the screen.
    """
    angle = turns * (2 * math.pi)
    cosine, sine = angle.cos(), angle.sin()
    return (cosine, -sine, 0.0), (sine, cosine, 0.0)


def quarter_turn_cosine_sine(turns: Tensor) -> tuple[Tensor, Tensor]:
    """Exact cosine and sine of whole quarter turns.

    Args:
        turns: Number of quarter turns [B], whole numbers in {0, 1, 2, 3}, any dtype.

    Returns:
        Cosine and sine [B], each exactly -1, 0 or 1, in the dtype of `turns`.
    """
    cosine = (1 - turns) * (1 - turns % 2)  # 1, 0, -1, 0
    sine = (2 - turns) * (turns % 2)  # 0, 1, 0, -1
    return cosine, sine


def quarter_rotation(turns: Tensor) -> Affine:
    """Rotation by whole quarter turns [B], with entries that are exactly -1, 0 or 1."""
    cosine, sine = quarter_turn_cosine_sine(turns)
    return (cosine, -sine, 0.0), (sine, cosine, 0.0)
