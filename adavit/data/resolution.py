"""Which side the images get: 4 * 2^k pixels, by default the largest power of two that fits most of them."""

from collections.abc import Sequence

from adavit.errors import UserError

SMALLEST = 4
LARGEST = 1 << 13


def check_resolution(resolution: int, key: str = "data.resolution") -> None:
    """Refuse a resolution that the networks cannot have.

    Args:
        resolution: Side in pixels.
        key: The configuration key to name in the message.

    Raises:
        UserError: If it is not 4 * 2^k between 4 and 8192.
    """
    is_power_of_two = resolution > 0 and resolution & (resolution - 1) == 0
    if is_power_of_two and SMALLEST <= resolution <= LARGEST:
        return
    below = SMALLEST
    while below * 2 <= min(resolution, LARGEST):
        below *= 2
    nearest = (
        str(below)
        if below in (LARGEST, resolution) or resolution < below
        else f"{below} or {below * 2}"
    )
    raise UserError(
        f"{key} is {resolution}, but must be 4 * 2^k (4, 8, 16, 32, ... {LARGEST}). Use --resolution {nearest}."
    )


def default_resolution(sides: Sequence[int], cap: int) -> int:
    """The largest power of two that fits the smaller side of more than half of the images.

    Args:
        sides: The smaller side of each image in pixels; at least one.
        cap: Upper limit in pixels.

    Returns:
        The resolution, at least 4.
    """
    # Of the sides from the largest down, the one in the middle is reached by more than half of
    # them.
    fitting = sorted(sides, reverse=True)[len(sides) // 2]
    resolution = SMALLEST
    while resolution * 2 <= min(fitting, cap):
        resolution *= 2
    return resolution
