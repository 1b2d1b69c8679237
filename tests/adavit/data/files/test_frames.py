import io
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin, features

from adavit.data.files.decode import decode
from adavit.data.files.formats import Unreadable, open_image
from adavit.data.files.frames import found_frames, frame_name, has_frames, list_frames
from adavit.runtime.resolution import Resolution
from tests.references.data_files import encode, pixels
from tests.references.image_writers import (
    DISPLAY_P3,
    PNG_CHANNELS,
    to_eight_bits,
    write_png,
    write_profile,
    write_tiff,
)

KINDS = ["TIFF", "GIF", "WEBP", "PNG", *(["AVIF"] if features.check("avif") else [])]
LEVELS = [10, 90, 170, 250]


def animation(kind: str, levels: list[int] = LEVELS) -> bytes:
    frames = [Image.new("RGB", (8, 8), (level,) * 3) for level in levels]
    options = {"lossless": True} if kind == "WEBP" else {}
    return encode(frames[0], kind, save_all=True, append_images=frames[1:], **options)


@pytest.mark.parametrize("kind", KINDS)
def test_every_frame_can_be_decoded_in_turn(kind: str) -> None:
    opened = open_image(io.BytesIO(animation(kind)))
    assert has_frames(opened)
    numbers = list_frames(opened)
    assert numbers == [0, 1, 2, 3]
    found = []
    for number in numbers:
        opened.seek(number)
        found.append(int(decode(opened, Resolution(8, 8)).planes[0, 4, 4]))
    np.testing.assert_allclose(found, LEVELS, atol=2 if kind == "AVIF" else 0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_frame_is_decoded_after_counting(kind: str) -> None:
    opened = open_image(io.BytesIO(animation(kind)))
    list_frames(opened)
    assert abs(int(decode(opened, Resolution(8, 8)).planes[0, 4, 4]) - 10) <= 2 * (kind == "AVIF")


@pytest.mark.parametrize("kind", [*KINDS, "JPEG", "BMP"])
def test_one_picture_is_one_frame(kind: str) -> None:
    opened = open_image(io.BytesIO(encode(pixels(8, 8, 3), kind)))
    assert (has_frames(opened), list_frames(opened)) == (False, [0])


def test_the_second_picture_of_a_photograph_is_none_of_its_own() -> None:
    pictures = [Image.fromarray(pixels(8, 8, 3, seed=seed)) for seed in range(2)]
    data = encode(pictures[0], "MPO", save_all=True, append_images=pictures[1:])
    assert list_frames(open_image(io.BytesIO(data))) == [0]


def test_thumbnails_and_masks_among_pages_are_none() -> None:
    stream = io.BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(stream, new=True) as writer:
        for kind in (0, 1, 0, 4, 2):
            Image.new("L", (8, 8), kind).save(writer, "TIFF", tiffinfo={254: kind})
            writer.newFrame()
    assert list_frames(open_image(io.BytesIO(stream.getvalue()))) == [0, 2, 4]


def test_pages_of_16_bits_are_read_in_full() -> None:
    pages = [np.full((4, 4), value, dtype=np.uint16) for value in (257, 257 * 99)]
    data = encode(pages[0], "TIFF", save_all=True, append_images=[Image.fromarray(pages[1])])
    opened = open_image(io.BytesIO(data))
    opened.seek(1)
    decoded = decode(opened, Resolution(4, 4))
    assert (decoded.planes[0, 0, 0], decoded.largest) == (99, 257 * 99)


def stack_of_16_bits(pages: list[np.ndarray], *, big_endian: bool, deflated: bool) -> bytes:
    """A TIFF of pages [H, W, 3], uint16."""
    stream = io.BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(stream, new=True) as writer:
        for page in pages:
            writer.write(write_tiff(page, 2, 16, big_endian=big_endian, deflated=deflated))
            writer.newFrame()
    return stream.getvalue()


@pytest.mark.parametrize("deflated", [False, True])
@pytest.mark.parametrize("big_endian", [False, True])
def test_colour_pages_of_16_bits_are_read_in_any_order(big_endian: bool, deflated: bool) -> None:
    random = np.random.default_rng(0)
    pages = [random.integers(0, 65536, (6, 6, 3), dtype=np.uint16) for _ in range(6)]
    opened = open_image(
        io.BytesIO(stack_of_16_bits(pages, big_endian=big_endian, deflated=deflated))
    )
    for number in (0, 1, 1, 4, 2, 2, 5, 3, 0, 5):
        opened.seek(number)
        found = decode(opened, Resolution(6, 6))
        expected = to_eight_bits(pages[number], 16).transpose(2, 0, 1)
        np.testing.assert_array_equal(found.planes[:3], expected)


def test_pages_of_a_stack_are_not_looked_for_from_the_first_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read = []
    load = TiffImagePlugin.ImageFileDirectory_v2.load

    def counted(*arguments: Any) -> None:
        read.append(None)
        load(*arguments)

    def directories(count: int) -> int:
        """That are read for all pages of a stack of so many."""
        pages = [np.full((4, 4, 3), number, dtype=np.uint16) for number in range(count)]
        opened = open_image(io.BytesIO(stack_of_16_bits(pages, big_endian=False, deflated=False)))
        read.clear()
        for number in range(count):
            opened.seek(number)
            decode(opened, Resolution(4, 4))
        return len(read)

    monkeypatch.setattr(TiffImagePlugin.ImageFileDirectory_v2, "load", counted)
    assert directories(40) <= 2.1 * directories(20)


@pytest.mark.parametrize("levels", [(200, 30, 30), (200, 30, 30, 90)], ids=["rgb", "with alpha"])
@pytest.mark.parametrize("with_profile", [(0,), (1,), (2,), (0, 2)])
def test_each_page_has_the_profile_of_its_own_and_no_other(
    levels: tuple[int, ...], with_profile: tuple[int, ...]
) -> None:
    page = Image.fromarray(np.full((8, 8, len(levels)), levels, dtype=np.uint8))
    stream = io.BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(stream, new=True) as writer:
        for number in range(3):
            has_one = {"icc_profile": write_profile(DISPLAY_P3, 2.2)}
            page.save(writer, "TIFF", **(has_one if number in with_profile else {}))
            writer.newFrame()
    opened = open_image(io.BytesIO(stream.getvalue()))
    assert list_frames(opened) == [0, 1, 2]  # which reads all pages and goes back to the first
    for number in (0, 1, 2):
        opened.seek(number)
        found = decode(opened, Resolution(8, 8))
        assert (found.profile is not None) == (number in with_profile)
        assert (found.planes[:3, 0, 0].tolist() != [200, 30, 30]) == (number in with_profile)


@pytest.mark.filterwarnings("ignore::UserWarning")  # as `decoding_threads` does
def test_a_truncated_animation_keeps_what_is_whole() -> None:
    data = animation("TIFF")
    cut = data[: len(data) * 5 // 8]  # the directory of the third page is cut off
    opened = open_image(io.BytesIO(cut))
    numbers = list_frames(opened)
    assert numbers
    assert numbers[0] == 0
    assert int(decode(opened, Resolution(8, 8)).planes[0, 0, 0]) == 10


@pytest.mark.parametrize("whole", [1, 2, 3])
def test_frames_before_the_damage_of_a_gif_are_kept(whole: int) -> None:
    data = animation("GIF")
    place = -1
    for _ in range(whole + 1):  # the descriptor of the first frame that is damaged
        place = data.index(b",\0\0\0\0\x08\0\x08\0", place + 1)
    opened = open_image(io.BytesIO(data[: place + 10]))
    numbers = list_frames(opened)
    assert numbers[:whole] == list(range(whole))
    levels = []
    for number in numbers[:whole]:
        opened.seek(number)
        levels.append(int(decode(opened, Resolution(8, 8)).planes[0, 4, 4]))
    assert levels == LEVELS[:whole]


def grey_gif(frames: list[np.ndarray], colours: dict[int, bytes], key: int | None) -> bytes:
    """A GIF of frames [H, W] of numbers of colours, a palette of greys, and others that some frames have."""
    height, width = frames[0].shape
    greys = bytes(np.arange(256, dtype=np.uint8).repeat(3))
    made = [b"GIF89a", struct.pack("<2H3B", width, height, 0xF7, 0, 0), greys]
    for number, frame in enumerate(frames):
        alone = encode(frame, "GIF", optimize=False)
        start = alone.index(b",", 13 + len(greys)) + 10  # behind the descriptor
        transparent = (0, 0) if key is None else (1, key)
        made.append(struct.pack("<4BH2B", 0x21, 0xF9, 4, transparent[0], 1, transparent[1], 0))
        local = colours.get(number, b"")
        made.append(struct.pack("<B4HB", 0x2C, 0, 0, width, height, 0x87 if local else 0) + local)
        made.append(alone[start:-1])
    return b"".join([*made, b";"])


@pytest.mark.parametrize("key", [None, 7])
def test_colours_behind_a_grey_frame_of_a_gif_are_not_taken_for_greys(key: int | None) -> None:
    frames = [np.full((8, 8), level, dtype=np.uint8) for level in (100, 120, 150, 30)]
    palette = np.stack([np.arange(256), 255 - np.arange(256), np.arange(256)], axis=1)
    colours = {2: palette.astype(np.uint8).tobytes()}
    opened = open_image(io.BytesIO(grey_gif(frames, colours, key)))
    assert list_frames(opened) == [0, 1, 2, 3]
    for number in (0, 1):
        opened.seek(number)
        assert decode(opened, Resolution(8, 8)).planes[:, 4, 4].tolist() == [
            *[frames[number][4, 4]] * 3,
            255,
        ]
    opened.seek(2)
    with pytest.raises(Unreadable, match=r"is a frame of a GIF whose colours are lost; save"):
        decode(opened, Resolution(8, 8))
    with pytest.raises(Unreadable, match="whose colours are lost"):
        opened.seek(3)  # what is drawn there is laid over the second one


@pytest.mark.parametrize("colour_type", [2, 4, 6])
def test_frames_of_16_bits_in_a_png_are_read_by_their_upper_bytes(colour_type: int) -> None:
    channels = PNG_CHANNELS[colour_type]
    frames = np.random.default_rng(0).integers(0, 65536, (3, 8, 8, channels))
    if colour_type != 2:
        frames[..., -1] = 65535

    def control(number: int) -> tuple[bytes, bytes]:
        return b"fcTL", struct.pack(">5I2H2B", number, 8, 8, 0, 0, 1, 10, 0, 0)

    behind = []
    for index in (1, 2):
        alone = write_png(frames[index], colour_type, 16)
        body = b"".join(pixel_chunks(alone))
        behind += [control(2 * index - 1), (b"fdAT", struct.pack(">I", 2 * index) + body)]
    before = [(b"acTL", struct.pack(">2I", 3, 0)), control(0)]
    opened = open_image(
        io.BytesIO(write_png(frames[0], colour_type, 16, before=before, behind=behind))
    )
    assert list_frames(opened) == [0, 1, 2]
    for number in range(3):
        opened.seek(number)
        expected = (frames[number] >> 8)[..., : 1 if colour_type == 4 else 3].transpose(2, 0, 1)
        found = decode(opened, Resolution(8, 8)).planes[:3]
        np.testing.assert_array_equal(found, np.broadcast_to(expected, found.shape))


def pixel_chunks(data: bytes) -> Iterator[bytes]:
    """The contents of the IDAT chunks of a PNG."""
    place = 8
    while place < len(data):
        length, kind = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        if kind == b"IDAT":
            yield data[place + 8 : place + 8 + length]
        place += 12 + length


def test_a_frame_that_is_not_there_is_unreadable() -> None:
    opened = open_image(io.BytesIO(animation("GIF")))
    with pytest.raises(Unreadable, match="is damaged"):
        opened.seek(9)


def test_pages_are_listed_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adavit.data.files.frames.MAXIMUM_FRAMES", 3)
    for kind in ("TIFF", "GIF"):
        assert list_frames(open_image(io.BytesIO(animation(kind)))) == [0, 1, 2]


def test_frames_are_named_by_file_and_number() -> None:
    assert frame_name("a/b.gif", 3) == "a/b.gif#003"


def test_frames_are_told_with_the_number_of_their_files() -> None:
    assert found_frames([3]) == "Found 3 frames or pages in 1 file"
    assert found_frames([700, 500]) == "Found 1,200 frames or pages in 2 files"


def test_that_the_rest_of_a_long_file_does_not_count_is_told() -> None:
    assert "(" not in found_frames([9999, 2])
    assert found_frames([2, 10_000]) == (
        "Found 10,002 frames or pages in 2 files (of a file the first 10,000 count)"
    )
