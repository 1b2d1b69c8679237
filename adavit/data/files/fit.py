"""How an image of any shape becomes one of another shape: cut, filled up, or stretched."""

from collections.abc import Sequence
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

    @property
    def resizes(self) -> bool:
        """Whether the part is of another size than it becomes."""
        return (self.part.height, self.part.width) != self.size

    @property
    def enlarges(self) -> bool:
        """Whether it becomes higher, or wider."""
        height, width = self.size
        return height > self.part.height or width > self.part.width

    @property
    def inside(self) -> Box | None:
        """Where in the result it lies; None if it is all of it."""
        if self.size == self.target:
            return None
        (height, width), target = self.size, self.target
        return Box((target.width - width) // 2, (target.height - height) // 2, width, height)

    def fill(self, planes: np.ndarray) -> np.ndarray:
        """Fills up what is smaller than the target with its reflection; a set that is RGBA clears that, see `cleared`.

        Args:
            planes: uint8 [4, *size], red, green, blue and alpha. Not modified.

        Returns:
            uint8 [4, *target].
        """
        inside = self.inside
        if inside is None:
            return planes
        height, width = self.size
        above, left = inside.top, inside.left
        below, right = self.target.height - above - height, self.target.width - left - width
        return np.pad(planes, ((0, 0), (above, below), (left, right)), mode="reflect")


def cleared(images: np.ndarray, inside: Sequence[Box | None]) -> np.ndarray:
    """Images that are transparent around the parts in which they lie, whatever they were filled up with.

    Args:
        images: uint8 [N, 4, H, W], red, green, blue and alpha. Not modified.
        inside: Of each of them `Placement.inside`.

    Returns:
        uint8 [N, 4, H, W], 0 outside.
    """
    if not any(inside):
        return images
    found = np.zeros_like(images)
    for image, given, box in zip(found, images, inside, strict=True):
        if box is None:
            image[:] = given
        else:
            box.part_of(image)[:] = box.part_of(given)
    return found


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
    """The whole image, as large as it fits, and around it its reflection, or nothing in a set that is RGBA."""

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
