"""Which images, as a user writes it."""

from adavit.config.section import SEED_END
from adavit.errors import UserError, shown


def parse_seeds(text: str) -> list[int]:
    """`0-63` or `1,5,7-9` as numbers.

    Raises:
        UserError: If it is neither, or a number is not below 2^63.
    """
    seeds: list[int] = []
    for part in text.split(","):
        start, dash, end = part.strip().partition("-")
        first, last = whole_number(start), whole_number(end if dash else start)
        if first is None or last is None:
            raise UserError(
                f"--seeds has {shown(part.strip())}, expected numbers below 2^63 and ranges of them."
                " Write for example --seeds 0-63."
            )
        if last < first or last - first >= 1_000_000:
            raise UserError(
                f"--seeds has the range {part.strip()!r}, expected at most a million numbers,"
                " rising, such as 1-5. Correct it."
            )
        seeds += range(first, last + 1)
    return seeds


def whole_number(text: str) -> int | None:
    """The number that digits stand for; None for other text, and from `SEED_END` on."""
    digits = text.isascii() and text.isdecimal() and len(text) < 20
    return int(text) if digits and int(text) < SEED_END else None
