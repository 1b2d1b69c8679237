"""Height and width of images: sides a * 2^k and b * 2^k, as networks double them.

Networks that double and halve need sides with a common power of two. Halved together until both are at most 7 they give
the smallest grid: 32 -> 4x4 (as in StyleGAN2, arXiv:1912.04958), 96x64 -> 6x4, 24x40 -> 3x5.
"""

import math

from adavit.errors import UserError
from adavit.runtime.sides import Sides, read_sides

LARGEST_FACTOR = 7
"""The most that a side of the smallest grid may have."""

SMALLEST_SIDE = 4
"""The least that a side of an image may have; sides are multiples of it."""

LARGEST_SIDE = 1 << 13
"""The most, in pixels."""

LARGEST_RESOLUTION = 1024
"""The most that a run trains at."""


class Resolution(Sides):
    """Height and width of images in pixels."""

    @classmethod
    def of(
        cls, value: object, *, named: str = "resolution", largest: int = LARGEST_SIDE
    ) -> "Resolution":
        """Reads what people and files write.

        Args:
            value: As for `sides_in`.
            named: What it is, for the message.
            largest: The most that a side may have.

        Raises:
            UserError: If it is none of these, or no network can have such sides.
        """
        found = cls(*read_sides(value, named=named, such_as="64, or 96x64"))
        if not found.is_possible or max(found) > largest:
            raise UserError(
                f"{named} is {found.plain}, but sides must be a * 2^k and b * 2^k with a and b from 1 to"
                f" {LARGEST_FACTOR} and k from 2, as in 32, 48, 96x64 (height x width), at most {largest}. Use"
                f" {found.nearest(largest).plain}, the nearest one."
            )
        return found

    @property
    def is_possible(self) -> bool:
        """Whether networks can have it."""
        if min(self) < SMALLEST_SIDE or self.height % SMALLEST_SIDE or self.width % SMALLEST_SIDE:
            return False
        return max(self) >> _common_doublings(self) <= LARGEST_FACTOR

    @property
    def doublings(self) -> int:
        """How many times the sides halve until both are at most 7; k of 4 * 2^k for a square of that side."""
        halvings = 0
        while max(self) >> halvings > LARGEST_FACTOR:
            halvings += 1
        return halvings

    @property
    def smallest(self) -> "Resolution":
        """The grid that doubles to it: 4x4 for squares of 4 * 2^k, 6x4 for 96x64."""
        return Resolution(self.height >> self.doublings, self.width >> self.doublings)

    @property
    def grids(self) -> list["Resolution"]:
        """From the smallest grid to the images, each twice the one before."""
        height, width = self.smallest
        return [Resolution(height << k, width << k) for k in range(self.doublings + 1)]

    @property
    def nominal_side(self) -> int:
        """4 * 2^doublings, by which widths of networks are chosen; the side of a square of 4 * 2^k."""
        return SMALLEST_SIDE << self.doublings

    def nearest(self, largest: int) -> "Resolution":
        """The possible one of sides up to `largest` whose sides are nearest in proportion."""
        return min(possible_resolutions(largest), key=lambda other: (_distance(self, other), other))


AnyResolution = Resolution | tuple[int, int] | int | str
"""What `Resolution.of` takes."""


def _common_doublings(sides: tuple[int, int]) -> int:
    """The largest k such that 2^k divides both."""
    both = sides[0] | sides[1]
    return (both & -both).bit_length() - 1


def possible_resolutions(largest: int = LARGEST_SIDE) -> list[Resolution]:
    """All that networks can have, of sides up to `largest`; some more than once."""
    powers = range(2, largest.bit_length())
    factors = range(1, LARGEST_FACTOR + 1)
    found = (Resolution(a << k, b << k) for k in powers for a in factors for b in factors)
    return [each for each in found if max(each) <= largest]


def _distance(one: tuple[int, int], other: tuple[int, int]) -> float:
    return math.hypot(*(math.log2(max(a, 1) / b) for a, b in zip(one, other, strict=True)))
