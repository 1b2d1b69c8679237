import pytest

from adavit.data.default_resolution import (
    default_resolution,
    describe_resolution,
    part_left,
    stretch_factor,
)
from adavit.data.files.fit import FitName
from adavit.runtime.resolution import Resolution


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
def test_squares_are_powers_of_two_that_fit_most_images(
    sides: list[int], cap: int, expected: int
) -> None:
    assert default_resolution([(side, side) for side in sides], cap) == (expected, expected)


@pytest.mark.parametrize(
    ("sizes", "cap", "expected"),
    [
        ([(640, 480)], 256, (192, 256)),  # 4:3 is there exactly
        ([(480, 640)], 256, (256, 192)),
        ([(640, 480)], 32, (24, 32)),
        ([(6000, 4000)], 32, (24, 40)),  # 3:2 as 5:3 has twice the pixels that 3:2 would have
        ([(1920, 1080)], 256, (192, 320)),
        ([(125, 100)], 256, (64, 64)),  # a square leaves 80% of 5:4
        ([(56, 24)], 256, (24, 56)),
        ([(640, 480), (480, 640)], 256, (256, 256)),  # as many upright ones
        ([(640, 480)] * 3 + [(480, 640)], 256, (192, 256)),
        ([(600, 400)] * 2 + [(400, 600)], 256, (256, 256)),  # a third would lose more than half
        ([(3, 9)], 256, (4, 4)),
        ([(4, 100)], 256, (28, 4)),
    ],
)
def test_other_shapes_follow_the_middle_image(
    sizes: list[tuple[int, int]], cap: int, expected: tuple[int, int]
) -> None:
    found = default_resolution(sizes, cap)
    assert found == expected
    assert found.area <= cap**2


def test_a_crop_leaves_what_both_shapes_share() -> None:
    assert part_left((640, 480), Resolution(32, 32)) == pytest.approx(0.75)
    assert part_left((480, 640), Resolution(32, 32)) == pytest.approx(0.75)
    assert part_left((640, 480), Resolution(24, 32)) == pytest.approx(1)
    assert part_left((600, 400), Resolution(24, 40)) == pytest.approx(0.9)


def test_the_stretch_is_that_of_the_image_in_the_middle() -> None:
    sizes = {(640, 480): 2, (480, 640): 1}
    assert stretch_factor(sizes, Resolution(32, 32)) == pytest.approx(4 / 3)
    assert stretch_factor(sizes, Resolution(24, 32)) == pytest.approx(1)


@pytest.mark.parametrize(
    ("fit", "words"),
    [
        (
            "crop",
            "; cut to 3:5 (1 of 4 lose over a quarter; --fit pad keeps all; --resolution 32x48 leaves most whole),"
            " resized with Lanczos.",
        ),
        ("pad", "; filled up at the borders, resized with Lanczos."),
        ("stretch", "; stretched (half of them were over 0.90 times as wide), resized with"),
    ],
)
def test_the_sentence_names_shape_and_loss(fit: str, words: str) -> None:
    sizes = {(600, 400): 3, (400, 600): 1}
    said = describe_resolution(sizes, Resolution(24, 40), cap=None, fit=fit)  # type: ignore[arg-type]
    assert said.startswith(f"Resolution: 24x40 (height x width){words}")


@pytest.mark.parametrize(
    ("fit", "size", "told"),
    [
        ("crop", (80, 64), "Resolution: 64x64; centre squares, not resized."),
        (
            "crop",
            (100, 40),
            "Resolution: 64x64 (9 smaller ones are enlarged); centre squares (9 of",
        ),
        ("pad", (100, 40), "Resolution: 64x64; filled up at the borders, resized with Lanczos."),
        ("pad", (64, 40), "Resolution: 64x64; filled up at the borders, not resized."),
        (
            "pad",
            (50, 40),
            "Resolution: 64x64 (9 smaller ones are enlarged); filled up at the borders,",
        ),
        ("stretch", (100, 40), "Resolution: 64x64 (9 smaller ones are enlarged); stretched"),
    ],
)
def test_the_sentence_says_what_was_resampled(
    fit: FitName, size: tuple[int, int], told: str
) -> None:
    assert describe_resolution({size: 9}, Resolution(64, 64), cap=None, fit=fit).startswith(told)


@pytest.mark.parametrize(
    ("sizes", "resolution", "told"),
    [
        ({(200, 100): 9}, (48, 80), "cut to 3:5 (--resolution 48x96 leaves most whole)"),
        ({(96, 64): 3, (90, 61): 2}, (24, 40), "cut to 3:5 (--resolution 32x48 leaves most whole)"),
        ({(96, 64): 2, (90, 61): 2}, (24, 40), "cut to 3:5, "),  # half is not most
        ({(97, 61): 9}, (24, 40), "cut to 3:5, "),  # no network has that shape
        ({(96, 64): 9, (100, 64): 1}, (64, 96), "cut to 2:3, "),  # which is theirs
        ({(1280, 768): 9}, (768, 1024), "cut to 3:4, "),  # theirs is larger than any run takes
        ({(4000, 3000): 9}, (32, 32), "centre squares, "),
    ],
)
def test_a_resolution_that_cuts_nothing_is_named_where_there_is_one_near(
    sizes: dict[tuple[int, int], int], resolution: tuple[int, int], told: str
) -> None:
    found = Resolution(*resolution)
    assert f"; {told}" in f"; {describe_resolution(sizes, found, cap=None, fit='crop')}"
