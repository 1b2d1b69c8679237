"""Ways to cut images: into tiles, to their centre, to boxes from a file, and out of their frames."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from adavit.curation.borders import find_frame
from adavit.data.files.members import normal, plain, printable
from adavit.errors import UserError
from adavit.runtime.inputs import read_input
from adavit.runtime.wording import listed

COLUMNS = ("file", "left", "top", "width", "height")
"""Of a file of boxes, in pixels of the image as it is seen (turned as its EXIF says)."""

Part = tuple[str, np.ndarray]
"""What is added to the name of the image, before its suffix; and uint8 [4, h, w]."""


class Cut(Protocol):
    """A way to cut."""

    def check(self, files: list[str]) -> None:
        """Refuses what cannot be cut so, before anything is.

        Args:
            files: Names of all files of the set.

        Raises:
            UserError: If it cannot.
        """

    def parts(self, name: str, image: np.ndarray) -> Iterator[Part]:
        """The parts of an image, views of it; none where it has none.

        Args:
            name: Of its file.
            image: uint8 [4, H, W].

        Raises:
            UserError: If what was asked for does not fit the image.
        """


@dataclass(frozen=True)
class Tiles:
    """Squares side by side, as many as fit, in the middle of the image.

    Attributes:
        side: In pixels.
    """

    side: int

    def check(self, files: list[str]) -> None:
        """All can be cut; those smaller than a tile give none."""

    def parts(self, name: str, image: np.ndarray) -> Iterator[Part]:
        """Row by row, named by their upper left corner."""
        height, width = image.shape[1:]
        top, left = height % self.side // 2, width % self.side // 2
        for y in range(top, height - self.side + 1, self.side):
            for x in range(left, width - self.side + 1, self.side):
                yield f"_y{y:05d}_x{x:05d}", image[:, y : y + self.side, x : x + self.side]


@dataclass(frozen=True)
class Centre:
    """The largest square in the middle, which training takes."""

    def check(self, files: list[str]) -> None:
        """All can be cut."""

    def parts(self, name: str, image: np.ndarray) -> Iterator[Part]:
        """One."""
        height, width = image.shape[1:]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        yield "", image[:, top : top + side, left : left + side]


@dataclass(frozen=True)
class Trim:
    """What is inside a frame of one colour; an image without one stays whole."""

    def check(self, files: list[str]) -> None:
        """All can be cut."""

    def parts(self, name: str, image: np.ndarray) -> Iterator[Part]:
        """One."""
        frame = find_frame(image)
        left, top, right, bottom = (
            (0, 0, image.shape[2], image.shape[1]) if frame is None else frame.box
        )
        yield "", image[:, top:bottom, left:right]


@dataclass(frozen=True)
class Boxes:
    """Boxes by file, of faces or whatever else was found; files without one give nothing.

    Attributes:
        path: Of the file they are from, for messages.
        of_file: (left, top, width, height) in pixels by name, as `_compared` has it.
    """

    path: Path
    of_file: dict[str, list[tuple[int, int, int, int]]]

    @classmethod
    def read(cls, path: Path) -> "Boxes":
        """Boxes of a CSV file with the columns `COLUMNS`, in any order and among others.

        Raises:
            UserError: If it cannot be read, lacks a column, has no box, or one that is none.
        """
        expected = f"expected a CSV file with the columns {','.join(COLUMNS)}"
        try:
            text = read_input(path)
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise UserError(
                f"--faces-like {str(path)!r} cannot be read ({why}), {expected}. Check the path."
            ) from None
        # As a file, whose lines are those of CSV: names may hold what else Python's `splitlines` takes for an end.
        lines = io.StringIO(text.lstrip("\ufeff"), newline="")
        rows = csv.DictReader(lines, strict=True)
        begun = 0
        boxes = defaultdict(list)
        try:
            rows.fieldnames = _columns(rows.fieldnames, path, expected)
            begun = rows.line_num
            for row in rows:
                name = _compared((row["file"] or "").strip())
                boxes[name].append(_box(row, path, rows.line_num))
                begun = rows.line_num
        except csv.Error as error:
            raise UserError(
                f"--faces-like {str(path)!r} cannot be read from line {begun + 1} on ({error}), {expected}. See"
                " whether a quotation mark is without its second."
            ) from None
        if not boxes:
            raise UserError(
                f"--faces-like {str(path)!r} has no box, expected a row for each. Add some, or cut by --centre."
            )
        return cls(path, dict(boxes))

    def check(self, files: list[str]) -> None:
        """Each box must be of a file of the set."""
        unknown = sorted(set(self.of_file) - set(map(_compared, files)))
        if unknown:
            raise UserError(
                f"--faces-like {str(self.path)!r} names files that the set does not have"
                f" ({printable(listed(unknown))}), expected paths inside it such as {printable(files[0])!r}."
                " Correct the column 'file'."
            )

    def parts(self, name: str, image: np.ndarray) -> Iterator[Part]:
        """One for each of its boxes, numbered where there are several."""
        height, width = image.shape[1:]
        boxes = self.of_file.get(_compared(name), [])
        for number, (left, top, across, down) in enumerate(boxes):
            if left < 0 or top < 0 or left + across > width or top + down > height:
                raise UserError(
                    f"--faces-like {str(self.path)!r} has the box {left},{top},{across},{down} of"
                    f" {printable(name)!r}, which has {width}x{height} px, expected left,top,width,height"
                    " inside it. Correct the box, or leave it out."
                )
            ending = f"_{number:02d}" if len(boxes) > 1 else ""
            yield ending, image[:, top : top + down, left : left + across]


def _compared(name: str) -> str:
    """A path in the form in which paths are compared, whichever way a system writes it."""
    return normal(plain(name))


def _columns(names: Sequence[str] | None, path: Path, expected: str) -> list[str]:
    found = [name.strip() for name in names or []]
    if missing := [name for name in COLUMNS if name not in found]:
        raise UserError(
            f"--faces-like {str(path)!r} has the columns {printable(','.join(found)) or 'of nothing'},"
            f" without {', '.join(missing)}, {expected}. Name them in its first line."
        )
    return found


def _box(row: dict[str, str], path: Path, line: int) -> tuple[int, int, int, int]:
    try:
        left, top, width, height = (int(row[name]) for name in COLUMNS[1:])
    except (TypeError, ValueError):
        values = ",".join(str(row[name]) for name in COLUMNS[1:])
        raise UserError(
            f"--faces-like {str(path)!r} has {printable(values)!r} in line {line}, expected four whole numbers of"
            f" pixels ({','.join(COLUMNS[1:])}). Correct the line."
        ) from None
    if width < 1 or height < 1:
        raise UserError(
            f"--faces-like {str(path)!r} has a box of {width}x{height} px in line {line}, expected at least"
            " 1x1. Correct the line."
        )
    return left, top, width, height
