"""Height and width of the patches that a transformer cuts images into.

Square in Dosovitskiy et al. 2021 (arXiv:2010.11929); of an oblong image patches of its shape make a square grid.
"""

import math

from adavit.errors import UserError, shown
from adavit.runtime.resolution import LARGEST_SIDE
from adavit.runtime.sides import Sides, read_sides


class Patch(Sides):
    """Height and width of a patch in pixels."""

    @classmethod
    def of(cls, value: object, *, named: str = "patch") -> "Patch":
        """Reads what people and files write.

        Args:
            value: As for `sides_in`.
            named: What it is, for the message.

        Raises:
            UserError: If it is none of these, or a side is out of range.
        """
        found = cls(*read_sides(value, named=named, such_as="4, or 3x5"))
        nearest = cls(*(min(max(1, side), LARGEST_SIDE) for side in found))
        if found != nearest:
            raise UserError(
                f"{named} is {shown(value)}, but must be at least 1 and at most {LARGEST_SIDE} pixels high and"
                f" wide. Use {nearest.plain}."
            )
        return found

    def grid_of(self, size: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns of patches of images of a height and width."""
        return size[0] // self.height, size[1] // self.width

    def check_fills(
        self, size: tuple[int, int], *, named: str = "patch", of: str = "the resolution"
    ) -> None:
        """Checks that patches fill images.

        Args:
            size: Height and width of the images.
            named: What the patch is, for the message.
            of: What the size is, likewise.

        Raises:
            UserError: If they do not.
        """
        height, width = size
        if height % self.height == 0 and width % self.width == 0:
            return
        side = math.gcd(height, width) if self.is_square else None
        nearest = Patch(
            _nearest_divisor(side or height, self.height),
            _nearest_divisor(side or width, self.width),
        )
        heights, widths = (", ".join(map(str, _divisors(side))) for side in size)
        fitting = f"the sides of a patch may be {heights}"
        if height != width:
            fitting = f"a patch may be {heights} high and {widths} wide"
        raise UserError(
            f"{named} is {self.plain}, but must divide {of} ({Sides(*size).plain}): {fitting}. Use"
            f" {nearest.plain}."
        )


AnyPatch = Patch | tuple[int, int] | int | str
"""What `Patch.of` takes."""


def _divisors(side: int) -> list[int]:
    return [number for number in range(1, side + 1) if side % number == 0]


def _nearest_divisor(side: int, wanted: int) -> int:
    """In proportion; of two the smaller one."""
    return min(_divisors(side), key=lambda number: abs(math.log(number / wanted)))
