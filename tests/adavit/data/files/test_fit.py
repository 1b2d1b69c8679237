import numpy as np
import pytest

from adavit.data.files.fit import FITS, Placement, cleared
from adavit.data.files.resize import Box
from adavit.runtime.resolution import Resolution

SQUARE, OBLONG = Resolution(8, 8), Resolution(16, 24)


@pytest.mark.parametrize(
    ("size", "target", "expected"),
    [
        ((8, 8), SQUARE, (0, 0, 8, 8)),
        ((13, 8), SQUARE, (2, 0, 8, 8)),
        ((8, 13), SQUARE, (0, 2, 8, 8)),
        ((1, 1), SQUARE, (0, 0, 1, 1)),
        ((60, 40), OBLONG, (0, 0, 60, 40)),
        ((60, 60), OBLONG, (0, 10, 60, 40)),
        ((90, 40), OBLONG, (15, 0, 60, 40)),
        ((1, 40), OBLONG, (0, 19, 1, 1)),
    ],
)
def test_a_crop_is_the_largest_part_in_the_middle(
    size: tuple[int, int], target: Resolution, expected: tuple[int, int, int, int]
) -> None:
    assert FITS["crop"].place(size, target) == Placement(Box(*expected), target, target)


@pytest.mark.parametrize(
    ("size", "fitted"), [((60, 40), (16, 24)), ((40, 60), (16, 11)), ((1000, 1), (1, 24))]
)
def test_padding_shows_the_whole_image_undistorted(
    size: tuple[int, int], fitted: tuple[int, int]
) -> None:
    place = FITS["pad"].place(size, OBLONG)
    assert place == Placement(Box(0, 0, *size), fitted, OBLONG)
    planes = np.arange(4 * fitted[0] * fitted[1], dtype=np.uint8).reshape(4, *fitted)
    filled = place.fill(planes)
    assert filled.shape == (4, 16, 24)
    inside = place.inside
    assert (inside is None) == (fitted == OBLONG)
    if inside is not None:
        shown = filled[:, inside.top :, inside.left :][:, : inside.height, : inside.width]
        np.testing.assert_array_equal(shown, planes)


def test_stretching_shows_the_whole_image() -> None:
    assert FITS["stretch"].place((7, 90), OBLONG) == Placement(Box(0, 0, 7, 90), OBLONG, OBLONG)


def test_what_fills_images_up_is_cleared() -> None:
    images = np.full((3, 4, 8, 6), 9, dtype=np.uint8)
    inside = [None, Box(0, 2, 6, 3), Box(1, 0, 4, 8)]
    expected = images.copy()
    expected[1, :, :2] = expected[1, :, 5:] = 0
    expected[2, :, :, 0] = expected[2, :, :, 5] = 0
    np.testing.assert_array_equal(cleared(images, inside), expected)
    assert (images == 9).all()
    assert cleared(images, [None] * 3) is images
