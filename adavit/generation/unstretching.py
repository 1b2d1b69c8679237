"""Images drawn by a generator whose training images were stretched, back in the shape that those had."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from adavit.data.files.resize import Box, resize_with_alpha
from adavit.errors import UserError
from adavit.runs.generator_file import StoredGenerator


def as_drawn(image: Tensor) -> Tensor:
    """The image itself."""
    return image


@dataclass(frozen=True)
class Unstretching:
    """Enlarges one side of images by Pillow's Lanczos, so that no pixel is lost.

    Attributes:
        factor: How many times as wide, over their height, the images become.
    """

    factor: float

    @classmethod
    def of(cls, stored: StoredGenerator) -> Self:
        """What undoes the stretching of a generator's training images.

        Raises:
            UserError: If they were not stretched.
        """
        if stored.stretch == 1:
            raise UserError(
                f"--unstretch is given, but the images that {str(stored.path)!r} was trained on were not stretched,"
                " expected a run of adavit train --fit stretch. Leave it out."
            )
        return cls(stored.stretch)

    def __call__(self, image: Tensor) -> Tensor:
        """An image uint8 [C, H, W] on the CPU, with one side longer."""
        channels, height, width = image.shape
        size = (
            round(height * max(1.0, 1 / self.factor)),
            round(width * max(1.0, self.factor)),
        )
        pixels = image.permute(1, 2, 0).numpy()
        has_alpha = channels == 4

        def strip(edges: tuple[int, int, int, int]) -> tuple[np.ndarray, np.ndarray | None]:
            left, top, right, bottom = edges
            part = pixels[top:bottom, left:right].astype(np.float32)
            return (part[..., :3], part[..., 3] / np.float32(255)) if has_alpha else (part, None)

        colour, alpha = resize_with_alpha(Box(0, 0, width, height), strip, size)
        return torch.from_numpy(np.concatenate([colour, alpha[None]]) if has_alpha else colour)
