"""Images that are looked at block by block: those of a set at 1024 px are more than many memories hold."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from adavit.metrics import as_rgb


@dataclass(frozen=True)
class ChosenImages:
    """Some images of a set, in an order and perhaps flipped; none is read before it is asked for.

    Attributes:
        images: All of the set, uint8 [N, C, H, W]; may be memory-mapped.
        indices: Of those that are chosen, int64 [M].
        mirrored: Which of them are flipped left and right, bool [M].
    """

    images: np.ndarray
    indices: Tensor
    mirrored: Tensor

    @classmethod
    def of(cls, images: np.ndarray, indices: np.ndarray | None = None) -> Self:
        """Images of a set as they are, or all of them."""
        chosen = torch.arange(len(images)) if indices is None else torch.from_numpy(indices)
        # A memory map is slow to take parts of; an array of the same memory is not.
        return cls(np.asarray(images), chosen, torch.zeros(len(chosen), dtype=torch.bool))

    def with_flips(self) -> "ChosenImages":
        """These, and after them each the other way round."""
        return ChosenImages(
            self.images, self.indices.repeat(2), torch.cat([self.mirrored, ~self.mirrored])
        )

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, rows: slice | Tensor) -> Tensor:
        """Some of them, uint8 [B, C, H, W]: a copy."""
        pixels = torch.from_numpy(self.images[self.indices[rows].numpy()])
        flipped = self.mirrored[rows]
        if flipped.any():
            pixels[flipped] = pixels[flipped].flip(-1)
        return pixels


def visible(images: Tensor) -> Tensor:
    """Pixels as they are compared: uint8 [B, C, H, W], C in 1, 3; RGBA on black."""
    return as_rgb(images) if images.shape[1] == 4 else images
