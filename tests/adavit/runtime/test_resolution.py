"""Sides that networks can double to, against an enumeration of all of them."""

from itertools import product

import pytest

from adavit.errors import UserError
from adavit.runtime.resolution import Resolution

POSSIBLE = {(a << k, b << k) for a, b, k in product(range(1, 8), range(1, 8), range(2, 9))}


def test_what_is_possible_is_what_the_definition_enumerates() -> None:
    for sides in product(range(1, 260), repeat=2):
        assert Resolution(*sides).is_possible == (sides in POSSIBLE), sides


@pytest.mark.parametrize("exponent", range(2, 11))
def test_a_square_of_a_power_of_two_starts_from_four_pixels(exponent: int) -> None:
    square = Resolution.of(1 << exponent)
    assert square.smallest == (4, 4)
    assert square.doublings == exponent - 2
    assert square.nominal_side == square.height == square.plain


@pytest.mark.parametrize(
    ("sides", "smallest", "doublings", "nominal"),
    [
        ((96, 64), (6, 4), 4, 64),
        ((24, 40), (3, 5), 3, 32),
        ((48, 32), (6, 4), 3, 32),
        ((48, 48), (6, 6), 3, 32),
        ((28, 28), (7, 7), 2, 16),
        ((4, 28), (1, 7), 2, 16),
        ((4, 8), (2, 4), 1, 8),
    ],
)
def test_the_smallest_grid_has_sides_of_at_most_seven(
    sides: tuple[int, int], smallest: tuple[int, int], doublings: int, nominal: int
) -> None:
    found = Resolution.of(sides)
    assert (found.smallest, found.doublings, found.nominal_side) == (smallest, doublings, nominal)
    assert found.grids[0] == smallest
    assert found.grids[-1] == sides
    for small, large in zip(found.grids, found.grids[1:], strict=False):
        assert (2 * small.height, 2 * small.width) == large


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (32, (32, 32)),
        ("32", (32, 32)),
        ("96x64", (96, 64)),
        (" 24 X 40 ", (24, 40)),
        ("24×40", (24, 40)),
        ([48, 32], (48, 32)),
        (Resolution(48, 32), (48, 32)),
    ],
)
def test_what_people_write_is_read(written: object, read: tuple[int, int]) -> None:
    found = Resolution.of(written)
    assert found == read
    assert Resolution.of(found.plain) == found
    assert Resolution.of(str(found)) == found


@pytest.mark.parametrize(
    "written", [None, True, 3.5, "", "x64", "64x", "6 4", "64x64x64", "-4", (1,), (4.0, 4), "٣٢"]
)
def test_what_is_no_resolution_is_refused(written: object) -> None:
    with pytest.raises(UserError, match=r"height x width. Use 64, or 96x64\."):
        Resolution.of(written)


@pytest.mark.parametrize(
    ("written", "nearest"),
    [(33, "32"), (36, "40"), ("100x64", "96x64"), (2, "4"), (0, "4"), ("25x40", "24x40")],
)
def test_an_impossible_one_is_refused_with_the_nearest(written: object, nearest: str) -> None:
    with pytest.raises(UserError, match=f"Use {nearest}, the nearest one"):
        Resolution.of(written)


def test_sides_have_an_upper_bound() -> None:
    with pytest.raises(UserError, match=r"at most 1024\. Use 1024, the nearest one"):
        Resolution.of(2048, named="data.resolution", largest=1024)
    with pytest.raises(UserError, match=r"^data\.resolution is 4096x64, .* Use 896x128, the"):
        Resolution.of("4096x64", named="data.resolution", largest=1024)
    with pytest.raises(UserError, match=r"Use 8192, the nearest one"):
        Resolution.of(10**40)
