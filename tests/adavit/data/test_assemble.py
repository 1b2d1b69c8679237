from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adavit.data.assemble import (
    converted_blocks,
    decode_all,
    decoding_threads,
    sizes_of,
    white_of,
)
from adavit.data.files.collection import images_in_memory, open_files
from adavit.data.files.fit import FITS
from adavit.data.files.frames import Frames
from adavit.data.image_buffer import ImageBuffer
from adavit.data.reading import Reading
from adavit.runtime.resolution import Resolution
from tests.references.data_files import encode, pixels, png, write_folder


def test_images_are_decoded_in_order_and_surveyed() -> None:
    given, progress = pixels(70, 8, 8, 3), list[tuple[int, int]]()
    with decoding_threads() as threads, ImageBuffer((4, 8, 8), None) as buffer:
        images = images_in_memory(given)
        assert sizes_of(images, threads) == [(8, 8)] * 70
        survey = decode_all(images, buffer, threads, lambda *done: progress.append(done))
        blocks = np.concatenate(list(converted_blocks(buffer, 3, survey.inside)))
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
        every, first = Reading("all", "set"), Reading("first", "set")
        side, fit = Resolution(8, 8), FITS["crop"]
        assert white_of(every, images, threads, resolution=side, fit=fit) == white
        assert white_of(first, images, threads, resolution=side, fit=fit) == 1
        assert white_of(every, images[:1], threads, resolution=side, fit=fit) is None


@pytest.mark.parametrize("unreadable", ["floating point", "damaged"])
def test_the_common_white_holds_pages_behind_one_that_cannot_be_read(
    tmp_path: Path, unreadable: str
) -> None:
    bright = Image.fromarray(np.full((8, 8), 4000, dtype=np.uint16))
    kind = np.uint16 if unreadable == "damaged" else np.float32
    first = Image.fromarray(pixels(8, 8).astype(kind))
    stack = encode(first, "TIFF", save_all=True, append_images=[bright])
    if unreadable == "damaged":
        place = np.array([stack.index(np.asarray(first).tobytes())], dtype="<u4").tobytes()
        assert stack.count(place) == 1
        stack = stack.replace(place, b"\xff\xff\xff\x7f")
    files = {"a.tif": stack, "b.png": encode(np.full((8, 8), 200, dtype=np.uint16))}
    with (
        open_files(write_folder(tmp_path / "set", files), "set") as collection,
        decoding_threads() as threads,
        ImageBuffer((4, 8, 8), None) as buffer,
    ):
        images = collection.images()
        side, fit = Resolution(8, 8), FITS["crop"]
        white = white_of(Reading("all", "set"), images, threads, resolution=side, fit=fit)
        survey = decode_all(images, buffer, threads, None, frames="all", white=white, fit=fit)
        levels = buffer.read(0, len(buffer))[:, 0, 0, 0].tolist()
    assert white == 4095
    assert [each.name for each in survey.skipped] == ["a.tif#000"]
    assert levels == [249, 12]  # 4000 and 200 of 4095
