import numpy as np
import pytest

from adavit.runtime.sides import Sides, sides_in


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (4, (4, 4)),
        ("4", (4, 4)),
        ("3x5", (3, 5)),
        (" 24 X 40 ", (24, 40)),
        ("24×40", (24, 40)),
        ([48, 32], (48, 32)),
        (Sides(48, 32), (48, 32)),
        (np.int64(32), (32, 32)),
        ((np.int32(48), np.uint8(32)), (48, 32)),
        (-4, (-4, -4)),
        ("0x3", (0, 3)),
        *((each, None) for each in (None, True, 3.5, "", "x64", "64x", "6 4", "1x2x3", "-4", (1,))),
        *((each, None) for each in ((4.0, 4), (True, 4), np.True_, "٣", b"4", {"height": 4})),
    ],
)
def test_sides_are_read_where_there_are_any(written: object, read: tuple[int, int] | None) -> None:
    found = sides_in(written)
    assert found == read
    assert found is None or {type(side) for side in found} == {int}


@pytest.mark.parametrize(
    ("sides", "plain", "area"), [(Sides(4, 4), 4, 16), (Sides(3, 5), "3x5", 15)]
)
def test_squares_are_written_as_a_number(sides: Sides, plain: int | str, area: int) -> None:
    assert (sides.plain, sides.area, sides.is_square) == (plain, area, plain == 4)
    assert sides_in(sides.plain) == sides
    assert f"{sides:>5}" == f"  {sides.height}x{sides.width}"
