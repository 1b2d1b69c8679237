"""How an image of any shape becomes one of another shape: cut, filled up, or stretched."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from adavit.data.files.resize import Box
from adavit.runtime.resolution import Resolution

FitName = Literal["crop", "pad", "stretch"]
"""Names of `FITS`."""


@dataclass(frozen=True)
class Placement:
    """What becomes of an image.

    Attributes:
        part: What is resized.
        size: Height and width that it is resized to.
        target: Of the result, in whose middle it lies.
    """

    part: Box
    size: tuple[int, int]
    target: Resolution

    def fill(self, planes: np.ndarray) -> np.ndarray:
        """Fills up what is smaller than the target: with a reflection, or with nothing where there is transparency.

        Args:
            planes: uint8 [4, *size], red, green, blue and alpha, 0 where alpha is 0. Not modified.

        Returns:
            uint8 [4, *target].
        """
        margins = [
            (all_of - some, some) for all_of, some in zip(self.target, self.size, strict=True)
        ]
        if not any(missing for missing, _ in margins):
            return planes
        around = [(missing // 2, missing - missing // 2) for missing, _ in margins]
        if (planes[3] < 255).any():
            return np.pad(planes, ((0, 0), *around))
        return np.pad(planes, ((0, 0), *around), mode="reflect")


class Fit(Protocol):
    """Interface of the ways."""

    def place(self, size: tuple[int, int], target: Resolution) -> Placement:
        """What is done with an image of width and height `size`."""


class Crop:
    """The largest part in the middle that has the wanted shape; odd margins are one smaller at left and top."""

    def place(self, size: tuple[int, int], target: Resolution) -> Placement:
        """See `Fit`."""
        width, height = size
        part_width = min(width, max(1, round(height * target.width / target.height)))
        part_height = min(height, max(1, round(width * target.height / target.width)))
        left, top = (width - part_width) // 2, (height - part_height) // 2
        return Placement(Box(left, top, part_width, part_height), target, target)


class Pad:
    """The whole image, as large as it fits, and around it what is like its border, or nothing."""

    def place(self, size: tuple[int, int], target: Resolution) -> Placement:
        """See `Fit`."""
        width, height = size
        scale = min(target.width / width, target.height / height)
        fitted = (
            min(target.height, max(1, round(height * scale))),
            min(target.width, max(1, round(width * scale))),
        )
        return Placement(Box(0, 0, width, height), fitted, target)


class Stretch:
    """The whole image, wider or higher than it was."""

    def place(self, size: tuple[int, int], target: Resolution) -> Placement:
        """See `Fit`."""
        return Placement(Box(0, 0, *size), target, target)


FITS: dict[FitName, Fit] = {"crop": Crop(), "pad": Pad(), "stretch": Stretch()}
"""By the values of `data.fit`."""
