"""Height and width in pixels, as people and files write them: a number for a square, else height x width."""

import operator
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from adavit.errors import UserError, shown


class Sides(NamedTuple):
    """Height and width in pixels.

    Attributes:
        height: Rows.
        width: Columns.
    """

    height: int
    width: int

    @property
    def is_square(self) -> bool:
        """Whether both sides are the same."""
        return self.height == self.width

    @property
    def area(self) -> int:
        """Pixels."""
        return self.height * self.width

    @property
    def plain(self) -> int | str:
        """As it is written into files: a number for squares, else "96x64"."""
        return self.height if self.is_square else str(self)

    def __str__(self) -> str:
        return f"{self.height}x{self.width}"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


def sides_in(value: object) -> tuple[int, int] | None:
    """Height and width that a value stands for.

    Args:
        value: A pair (height, width), a side of a square, or text such as "32" or "96x64", height first. Whole numbers
            may be NumPy's.

    Returns:
        Both, of any size; None if it is none of these.
    """
    if isinstance(value, str):
        found = re.fullmatch(
            r"\s*(\d{1,9})(?:\s*[x×]\s*(\d{1,9}))?\s*", value, flags=re.ASCII | re.I
        )
        return (int(found[1]), int(found[2] or found[1])) if found else None
    pair: Sequence[Any] = value if isinstance(value, tuple | list) else (value, value)
    if len(pair) != 2 or any(isinstance(side, bool) for side in pair):
        return None
    try:
        return operator.index(pair[0]), operator.index(pair[1])
    except TypeError:
        return None


def read_sides(value: object, *, named: str, such_as: str) -> tuple[int, int]:
    """Height and width that a value stands for.

    Args:
        value: As for `sides_in`.
        named: What it is, for the message.
        such_as: Examples, likewise.

    Raises:
        UserError: If it is none of these.
    """
    sides = sides_in(value)
    if sides is None:
        raise UserError(
            f"{named} is {shown(value)}, but must be a side in pixels or height x width. Use {such_as}."
        )
    return sides
