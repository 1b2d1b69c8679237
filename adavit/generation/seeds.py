"""Which images, as a user writes it."""

from adavit.errors import UserError


def parse_seeds(text: str) -> list[int]:
    """`0-63` or `1,5,7-9` as numbers.

    Raises:
        UserError: If it is neither.
    """
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise UserError(
                f"--seeds is {text!r}, expected numbers and ranges. Write for example --seeds 0-63."
            )
        end = int(last) if dash else int(first)
        if end < int(first) or end - int(first) >= 1_000_000:
            raise UserError(
                f"--seeds has the range {part.strip()!r}, expected up to a million rising numbers."
                " Correct it."
            )
        seeds += range(int(first), end + 1)
    return seeds
