"""The resolution of a set for which nobody has asked for one: what most of its images have, within a limit of area."""

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence

from adavit.data.files.fit import FITS, FitName
from adavit.runtime.resolution import (
    LARGEST_RESOLUTION,
    SMALLEST_SIDE,
    Resolution,
    possible_resolutions,
)
from adavit.runtime.wording import counted

KEPT_BY_SQUARES = 0.8
"""Part of the middle image that a square must leave, or else another shape is looked for."""

ALIKE = 0.75
"""Part of the images that must be wider than high, or higher than wide, or else squares are taken."""

MOST_CUT = 0.75
"""Images of which a crop leaves less are counted."""

NEAR_AREA = 2.5
"""A resolution of so many times the pixels, or fewer, is one that may be trained at instead."""

Size = tuple[int, int]
"""Width and height in pixels, as the image is seen."""


def default_resolution(sizes: Sequence[Size], cap: int) -> Resolution:
    """The resolution for images of such sizes.

    Where a square leaves most of the middle image (the medians of height and width), or where many images lie and
    many stand, it is the largest square of 4 * 2^k that fits the smaller side of more than half of the images. Else it
    is, of all that fit the middle image, the one that shows most: pixels times the square of the part that is left of
    that image.

    Args:
        sizes: Of each image; at least one.
        cap: Side of the largest square that is chosen; others have at most as many pixels.

    Returns:
        At least 4x4.
    """
    width = statistics.median(width for width, _ in sizes)
    height = statistics.median(height for _, height in sizes)
    fitting = [
        each
        for each in possible_resolutions()
        if not each.is_square
        and each.area <= cap**2
        and each.height <= height
        and each.width <= width
    ]
    alike = max(sum(w > h for w, h in sizes), sum(w < h for w, h in sizes)) >= ALIKE * len(sizes)
    square_left = part_left((width, height), Resolution(1, 1))
    if not fitting or not alike or square_left >= KEPT_BY_SQUARES:
        return _square([min(size) for size in sizes], cap)
    return max(fitting, key=lambda each: (each.area * part_left((width, height), each) ** 2, each))


def part_left(size: tuple[float, float], resolution: Resolution) -> float:
    """Part of an image of width and height `size` that a crop to the shape of a resolution leaves, in (0, 1]."""
    width, height = size
    ratio = (width / height) / (resolution.width / resolution.height)
    return min(ratio, 1 / ratio)


def _square(sides: Sequence[int], cap: int) -> Resolution:
    # Of the sides from the largest down, the one in the middle is reached by more than half of them.
    fitting = sorted(sides, reverse=True)[len(sides) // 2]
    side = SMALLEST_SIDE
    while side * 2 <= min(fitting, cap):
        side *= 2
    return Resolution(side, side)


def describe_resolution(
    sizes: Mapping[Size, int], resolution: Resolution, *, cap: int | None, fit: FitName
) -> str:
    """How images came to their resolution, in a sentence.

    Args:
        sizes: How often each (width, height) occurs.
        resolution: Of all of them now.
        cap: Side of the largest square that could be chosen; None where the resolution was asked for.
        fit: What was done with other shapes.
    """
    total = sum(sizes.values())
    fitting = _count(sizes, resolution)
    double = Resolution(2 * resolution.height, 2 * resolution.width)
    reasons = [] if resolution.is_square else ["height x width"]
    if cap is not None and 2 * _count(sizes, double) > total:
        reasons.append(
            f"the default's limit here is {cap}, most images are larger; --resolution {double.plain}"
            " shows more of them at about four times the time and memory of a step"
        )
    elif cap is not None:
        kind = "power of two" if resolution.is_square else f"of the shape {_shape(resolution)}"
        reasons.append(f"the largest {kind} that fits {fitting} of {total:,} images")
    placed = {size: FITS[fit].place(size, resolution) for size in sizes}
    if enlarged := sum(sizes[size] for size, placement in placed.items() if placement.enlarges):
        reasons.append(f"{counted(enlarged, 'smaller one is', 'smaller ones are')} enlarged")
    why = f" ({'; '.join(reasons)})" if reasons else ""
    resized = any(placement.resizes for placement in placed.values())
    how = "resized with Lanczos" if resized else "not resized"
    return f"Resolution: {resolution}{why}; {_fitted(sizes, resolution, fit)}{how}."


def _fitted(sizes: Mapping[Size, int], resolution: Resolution, fit: FitName) -> str:
    """What was done with other shapes; empty where there was none."""
    left = {size: part_left(size, resolution) for size in sizes}
    if all(part > 1 - 1e-9 for part in left.values()):
        return ""
    if fit == "pad":
        return "filled up at the borders, "
    if fit == "stretch":
        return f"stretched (half of them were over {stretch_factor(sizes, resolution):.2f} times as wide), "
    cut = sum(count for size, count in sizes.items() if left[size] < MOST_CUT)
    kind = "centre squares" if resolution.is_square else f"cut to {_shape(resolution)}"
    told = (
        [f"{cut:,} of {sum(sizes.values()):,} lose over a quarter; --fit pad keeps all"]
        if cut
        else []
    )
    other = None if resolution.is_square else _of_their_shape(sizes, resolution)
    if other is not None:
        told.append(f"--resolution {other.plain} leaves most whole")
    return f"{kind} ({'; '.join(told)}), " if told else f"{kind}, "


def _of_their_shape(sizes: Mapping[Size, int], resolution: Resolution) -> Resolution | None:
    """The resolution next in area that cuts nothing off more than half of the images, if one is near."""
    shape, count = max(_shapes(sizes).items(), key=lambda item: item[1])
    is_theirs = resolution.width * shape[1] == resolution.height * shape[0]
    if is_theirs or 2 * count <= sum(sizes.values()):
        return None
    near = [
        each
        for each in possible_resolutions(LARGEST_RESOLUTION)
        if each.width * shape[1] == each.height * shape[0]
        and resolution.area / NEAR_AREA <= each.area <= resolution.area * NEAR_AREA
    ]
    return min(near, key=lambda each: abs(math.log(each.area / resolution.area)), default=None)


def _shapes(sizes: Mapping[Size, int]) -> Counter[Size]:
    """How many images have each shape, as the smallest whole width and height."""
    found: Counter[Size] = Counter()
    for (width, height), count in sizes.items():
        common = math.gcd(width, height)
        found[width // common, height // common] += count
    return found


def stretch_factor(sizes: Mapping[Size, int], resolution: Resolution) -> float:
    """By how much images were wider, over their height, than they are at a resolution: the median over all of them."""
    shape = resolution.width / resolution.height
    factors = [width / height / shape for (width, height), n in sizes.items() for _ in range(n)]
    return statistics.median(factors)


def _count(sizes: Mapping[Size, int], least: Resolution) -> int:
    """Images that are at least so large."""
    return sum(
        count
        for (width, height), count in sizes.items()
        if width >= least.width and height >= least.height
    )


def _shape(resolution: Resolution) -> str:
    common = math.gcd(*resolution)
    return f"{resolution.height // common}:{resolution.width // common}"
