import numpy as np
import pytest

from adavit.data.assemble import (
    check_resolution,
    choose_resolution,
    converted_blocks,
    decode_all,
    decoding_threads,
    default_resolution,
)
from adavit.data.files.collection import images_in_memory
from adavit.data.image_buffer import ImageBuffer
from adavit.errors import UserError
from tests.references.data_files import pixels


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


def test_images_are_decoded_in_order_and_surveyed() -> None:
    given, progress = pixels(70, 8, 8, 3), list[tuple[int, int]]()
    with decoding_threads() as threads, ImageBuffer((4, 8, 8), None) as buffer:
        images = images_in_memory(given)
        assert choose_resolution(images, 256, threads) == 8
        survey = decode_all(images, buffer, threads, lambda *done: progress.append(done))
        blocks = np.concatenate(list(converted_blocks(buffer, 3)))
    np.testing.assert_array_equal(blocks, given.transpose(0, 3, 1, 2))
    assert survey.kept == list(range(70))
    assert survey.sizes == {(8, 8): 70}
    assert (survey.coloured, survey.transparent) == (70, 0)
    assert progress == [(64, 70), (70, 70)]
