"""Seeds, layers and steps along directions, as a user writes them. No torch, so that a mistake is told at once."""

import math
import operator
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from adavit.config.section import SEED_END
from adavit.errors import UserError, shown
from adavit.runtime.paths import expand_home

IMAGE_SEED_END = 2**64
"""Seeds of images are below it. Those of runs are below `SEED_END`, as databases and other programs hold them."""

MOST_CENTRES = 1000
"""Of styles, for truncation."""

LONGEST_STEP = 1000.0
"""Along a direction, in standard deviations; far beyond it numbers overflow, and nothing is drawn."""

MOST_IN_RANGE = 1_000_000


def parse_seeds(text: str, *, flag: str = "--seeds", end: int = IMAGE_SEED_END) -> list[int]:
    """`0-63` or `1,5,7-9` as numbers.

    Args:
        text: As it is written.
        flag: What it was given to, for messages.
        end: A power of two that all are below.

    Raises:
        UserError: If it is neither, or a number is not below `end`.
    """
    power = f"2^{end.bit_length() - 1}"
    return _ranges(text, flag, f"numbers below {power}", "0-63", end)


def integers(numbers: Iterable[int]) -> list[int]:
    """Seeds or layers as Python's integers, of a list, a range, an array or a tensor.

    Raises:
        TypeError: If one is not a whole number.
    """
    return list(map(operator.index, numbers))


def parse_layers(text: str) -> list[int]:
    """`0-3` or `0,2,5-7`, given to `--layers`, as numbers; whether a generator has such layers is not known yet.

    Raises:
        UserError: If it is neither.
    """
    return sorted(set(_ranges(text, "--layers", "numbers of layers, from 0,", "0-3", 1000)))


def _ranges(text: str, flag: str, expected: str, example: str, end: int) -> list[int]:
    numbers: list[int] = []
    for part in text.split(","):
        start, dash, stop = part.strip().partition("-")
        first, last = (whole_number(word, end) for word in (start, stop if dash else start))
        if first is None or last is None:
            raise UserError(
                f"{flag} has {shown(part.strip())}, expected {expected} and ranges of them."
                f" Write for example {flag} {example}."
            )
        if last < first or last - first >= MOST_IN_RANGE:
            raise UserError(
                f"{flag} has the range {part.strip()!r}, expected at most a million numbers,"
                " rising, such as 1-5. Correct it."
            )
        numbers += range(first, last + 1)
    return numbers


def whole_number(text: str, end: int = SEED_END) -> int | None:
    """The number that digits stand for; None for other text, and from `end` on."""
    digits = text.isascii() and text.isdecimal() and len(text) <= 20
    return int(text) if digits and int(text) < end else None


@dataclass(frozen=True)
class DirectionStep:
    """A step along one direction of a file.

    Attributes:
        file: That `adavit directions` has written.
        number: Of the direction in it, from 0.
        amount: How far, in standard deviations of w along the direction.
    """

    file: Path
    number: int
    amount: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """A step as `--direction` gives it: FILE:NUMBER=AMOUNT, as "directions.safetensors:2=1.5".

        Raises:
            UserError: If it is none.
        """
        match = re.fullmatch(r"(.+):(\d{1,6})=([^=]+)", text, flags=re.ASCII | re.DOTALL)
        amount = math.nan
        if match is not None:
            try:
                amount = float(match[3])
            except ValueError:
                match = None
        if match is None or not math.isfinite(amount):
            raise UserError(
                f"--direction is {shown(text)}, expected FILE:NUMBER=AMOUNT. Write for example"
                " --direction directions.safetensors:2=1.5."
            )
        if abs(amount) > LONGEST_STEP:
            raise UserError(
                f"--direction goes {amount:g} standard deviations, expected at most {LONGEST_STEP:g} either way: images"
                " change at 1 to 5. Write a smaller number behind the =."
            )
        return cls(expand_home(Path(match[1])), int(match[2]), amount)
