"""How images lie side by side, as it is asked for. No torch, so that a mistake is told at once."""

import re
from dataclasses import dataclass
from typing import Self

from adavit.errors import UserError
from adavit.runtime.wording import counted


@dataclass(frozen=True)
class GridLayout:
    """How images lie side by side.

    Attributes:
        columns: Images in a row; None makes about as many as there are rows.
        rows: How many of these at most; None has room for all.
        scale: How many pixels each pixel becomes in both directions; None enlarges small images.
        captions: Whether seed and class stand below each image.
    """

    columns: int | None = None
    rows: int | None = None
    scale: int | None = None
    captions: bool = False

    @classmethod
    def parse(cls, text: str, *, scale: int | None, captions: bool) -> Self:
        """A layout as `--grid` gives it: columns x rows, as "8x4", or "" for any.

        Raises:
            UserError: If it is neither.
        """
        match = re.fullmatch(r"(?:([1-9]\d{0,3})x([1-9]\d{0,3}))?", text)
        if match is None:
            raise UserError(
                f"--grid is {text!r}, expected columns x rows. Write for example --grid 8x4."
            )
        columns, rows = (None if part is None else int(part) for part in match.groups())
        return cls(columns, rows, scale, captions)

    def columns_of(self, count: int) -> int:
        """Images in a row where there are so many in all.

        Raises:
            UserError: If there is no room for them.
        """
        if self.columns is None:
            return max(1, round(count**0.5))
        if self.rows is not None and count > self.columns * self.rows:
            room = counted(self.columns * self.rows, "image", "images")
            raise UserError(
                f"--grid {self.columns}x{self.rows} has room for {room}, but {count} are to be drawn. Name fewer"
                " with --seeds or --styles, or give --grid more rows."
            )
        return self.columns
