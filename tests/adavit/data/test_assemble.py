import pytest

from adavit.data.assemble import check_resolution, default_resolution
from adavit.errors import UserError


@pytest.mark.parametrize("resolution", [4, 8, 16, 32, 64, 1024, 8192])
def test_four_times_a_power_of_two_is_accepted(resolution: int) -> None:
    check_resolution(resolution)


@pytest.mark.parametrize(
    ("resolution", "remedy"),
    [
        (0, "4"),
        (-32, "4"),
        (2, "4"),
        (5, "4 or 8"),
        (48, "32 or 64"),
        (100, "64 or 128"),
        (16_384, "8192"),
    ],
)
def test_other_resolutions_are_refused_with_the_nearest(resolution: int, remedy: str) -> None:
    match = (
        rf"data\.resolution is {resolution}, but must be 4 \* 2\^k .* Use --resolution {remedy}\.$"
    )
    with pytest.raises(UserError, match=match):
        check_resolution(resolution)


@pytest.mark.parametrize(
    ("sides", "cap", "expected"),
    [
        ([64], 256, 64),
        ([63], 256, 32),
        ([100, 100, 20], 256, 64),  # two of three
        ([100, 20], 256, 16),  # half is not most
        ([100, 100, 20, 20], 256, 16),
        ([5000], 256, 256),
        ([5000], 32, 32),
        ([3], 256, 4),
        ([1, 1, 500], 256, 4),
    ],
)
def test_default_fits_the_smaller_side_of_most_images(
    sides: list[int], cap: int, expected: int
) -> None:
    assert default_resolution(sides, cap) == expected
