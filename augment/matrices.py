"""Homogeneous 2-D matrices, batched, of which the geometric operations are composed.

A matrix is [B, 3, 3] and acts on column vectors (x, y, 1) with x to the right and y down. The pipeline
composes inverse maps: from the position of an output pixel to the position in the input it shows. Colour
needs no such vocabulary, because its operations commute (see `adavit.augment.color`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def _from_rows(rows: list[list[Tensor]]) -> Tensor:
    """Stack entries [B] into matrices [B, 3, 3], adding the row (0, 0, 1)."""
    one, zero = torch.ones_like(rows[0][0]), torch.zeros_like(rows[0][0])
    entries = [entry for row in (*rows, [zero, zero, one]) for entry in row]
    return torch.stack(entries, dim=-1).unflatten(-1, (3, 3))


def identity(like: Tensor) -> Tensor:
    """Identity matrices [B, 3, 3], one for each of the values [B], on their device and of their dtype."""
    return torch.eye(3, device=like.device, dtype=like.dtype).expand(like.shape[0], 3, 3)


def translation(x: Tensor, y: Tensor) -> Tensor:
    """Translation by (x, y), each [B], in the unit of the coordinates."""
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    return _from_rows([[one, zero, x], [zero, one, y]])


def scaling(x: Tensor, y: Tensor) -> Tensor:
    """Scaling by the factors x and y, each [B]."""
    zero = torch.zeros_like(x)
    return _from_rows([[x, zero, zero], [zero, y, zero]])


def rotation(turns: Tensor) -> Tensor:
    """Rotation R(a) = [[cos a, -sin a], [sin a, cos a]] with a = 2 pi `turns`, [B].

    With y down, a positive angle turns vectors clockwise as seen on the screen.
    """
    angle = turns * (2 * math.pi)
    cosine, sine, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    return _from_rows([[cosine, -sine, zero], [sine, cosine, zero]])


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


def quarter_rotation(turns: Tensor) -> Tensor:
    """Rotation by whole quarter turns [B], with entries that are exactly -1, 0 or 1."""
    cosine, sine = quarter_turn_cosine_sine(turns)
    zero = torch.zeros_like(cosine)
    return _from_rows([[cosine, -sine, zero], [sine, cosine, zero]])
