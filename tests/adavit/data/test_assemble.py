from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adavit.data.assemble import (
    check_resolution,
    choose_resolution,
    common_white,
    converted_blocks,
    decode_all,
    decoding_threads,
    default_resolution,
)
from adavit.data.files.collection import images_in_memory, open_files
from adavit.data.files.frames import Frames
from adavit.data.image_buffer import ImageBuffer
from adavit.errors import UserError
from tests.references.data_files import encode, pixels, png, write_folder


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


def frames_of(*levels: int) -> bytes:
    frames = [Image.new("RGB", (8, 8), (level,) * 3) for level in levels]
    return encode(frames[0], "GIF", save_all=True, append_images=frames[1:])


@pytest.mark.parametrize("frames", ["first", "all"])
def test_frames_are_images_of_their_own_only_if_asked_for(tmp_path: Path, frames: Frames) -> None:
    files = {"a.png": png(1), "b.gif": frames_of(10, 20, 30), "c.png": png(2)}
    with (
        open_files(write_folder(tmp_path / "set", files), "set") as collection,
        decoding_threads() as threads,
        ImageBuffer((4, 8, 8), None) as buffer,
    ):
        survey = decode_all(collection.images(), buffer, threads, None, frames=frames)
        levels = buffer.read(0, len(buffer))[:, 0, 0, 0].tolist()
    assert survey.frames == [3]
    if frames == "first":
        assert (survey.kept, survey.names) == ([0, 1, 2], ["a.png", "b.gif", "c.png"])
        assert levels[1] == 10
    else:
        numbered = ["b.gif#000", "b.gif#001", "b.gif#002"]
        assert survey.kept == [0, 1, 1, 1, 2]
        assert survey.names == ["a.png", *numbered, "c.png"]
        assert levels[1:4] == [10, 20, 30]


def test_a_damaged_page_is_named_and_the_others_are_kept(tmp_path: Path) -> None:
    pages = [Image.fromarray(pixels(8, 8, seed=seed)) for seed in range(3)]
    data = encode(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    middle = data.index(np.asarray(pages[1]).tobytes())
    place = np.array([middle], dtype="<u4").tobytes()
    assert data.count(place) == 1
    broken = data.replace(place, b"\xff\xff\xff\x7f")
    with (
        open_files(write_folder(tmp_path / "set", {"a.tif": broken}), "set") as collection,
        decoding_threads() as threads,
        ImageBuffer((4, 8, 8), None) as buffer,
    ):
        survey = decode_all(collection.images(), buffer, threads, None, frames="all")
        kept = buffer.read(0, len(buffer))[:, 0]
    assert survey.names == ["a.tif#000", "a.tif#002"]
    np.testing.assert_array_equal(kept, [np.asarray(pages[0]), np.asarray(pages[2])])
    assert [each.name for each in survey.skipped] == ["a.tif#001"]


@pytest.mark.parametrize(
    ("largest", "white"), [(0, 1), (1, 1), (2, 3), (255, 255), (256, 511), (4095, 4095)]
)
def test_the_common_white_holds_the_largest_sample_of_all_pages(
    tmp_path: Path, largest: int, white: int
) -> None:
    def deep(value: int) -> Image.Image:
        return Image.fromarray(np.full((4, 4), value, dtype=np.uint16))

    stack = encode(deep(0), "TIFF", save_all=True, append_images=[deep(largest)])
    files = {"a.png": png(1), "b.png": encode(deep(0)), "c.tif": stack, "d.png": b"damaged"}
    with (
        open_files(write_folder(tmp_path / "set", files), "set") as collection,
        decoding_threads() as threads,
    ):
        images = collection.images()
        assert common_white(images, "all", threads) == white
        assert common_white(images, "first", threads) == 1
        assert common_white(images[:1], "all", threads) is None
