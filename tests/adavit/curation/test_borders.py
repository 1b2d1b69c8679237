import io

import numpy as np
import pytest
from PIL import Image

from adavit.curation.borders import find_frame, may_be_framed
from tests.adavit.curation.conftest import textured


def image(height: int = 30, width: int = 44) -> np.ndarray:
    return np.ascontiguousarray(textured(1, height, width).transpose(2, 0, 1)).copy()


def test_a_frame_is_found_with_its_box_and_colour() -> None:
    framed = image()
    colour = np.array([20, 200, 90], np.uint8)[:, None, None]
    framed[:, :3] = framed[:, -2:] = framed[:, :, :4] = framed[:, :, -5:] = colour
    found = find_frame(framed)
    assert found is not None
    assert found.box == (4, 3, 39, 28)
    assert found.colour == (20, 200, 90)


def test_strips_above_and_below_are_a_frame_and_one_strip_is_none() -> None:
    framed = image()
    framed[:, :4] = 0
    assert find_frame(framed) is None
    framed[:, -4:] = 0
    found = find_frame(framed)
    assert found is not None
    assert found.box == (0, 4, 44, 26)


def test_a_ground_behind_an_object_is_no_frame() -> None:
    ground = np.full((3, 32, 32), 250, np.uint8)
    rows, columns = np.mgrid[:32, :32]
    ground[:, (rows - 16) ** 2 + (columns - 16) ** 2 < 100] = 30
    assert find_frame(ground) is None
    ground[:, 7:25, 4:20] = (
        30  # a square leaves the ground at one line, but not along the whole side
    )
    ground[:, 10:12, 22:28] = 30
    assert may_be_framed(ground[None], np.arange(1))[0]
    assert find_frame(ground) is None


@pytest.mark.parametrize("levels", [0, 200])
def test_an_image_of_one_colour_and_one_without_strips_have_no_frame(levels: int) -> None:
    assert find_frame(np.full((1, 12, 12), levels, np.uint8)) is None
    assert find_frame(image()) is None


def test_what_is_transparent_at_the_edge_is_ground() -> None:
    cut_out = np.concatenate([image(), np.full((1, 30, 44), 255, np.uint8)])
    cut_out[:, :4] = cut_out[:, -4:] = 0
    assert find_frame(cut_out) is None
    cut_out[3] = 255
    assert find_frame(cut_out) is not None


def on_background(drawn: np.ndarray) -> np.ndarray:
    """A dark drawing, bool [64, 64], on white."""
    return np.where(drawn, 20, 255)[None].repeat(3, axis=0).astype(np.uint8)


@pytest.mark.parametrize("turned", [False, True])
def test_an_object_with_two_straight_edges_on_a_ground_is_no_frame(turned: bool) -> None:
    drawn = np.zeros((64, 64), bool)
    drawn[14:50, 12:16] = drawn[14:50, 48:52] = True  # as the legs of an m
    drawn[14:18, 24:32] = True
    found = find_frame(on_background(drawn.T if turned else drawn))
    assert found is None
    drawn[14:18, 12:52] = drawn[46:50, 12:52] = True  # all four edges straight: as good as a frame
    found = find_frame(on_background(drawn.T if turned else drawn))
    assert found is not None
    assert found.box == ((14, 12, 50, 52) if turned else (12, 14, 52, 50))


@pytest.mark.parametrize("depth", [0.3, 0.38])
def test_two_strips_may_be_deeper_than_four(depth: float) -> None:
    lines = round(depth * 64)
    film = textured(3, 64, 40).transpose(2, 0, 1).copy()
    film[:, :lines] = film[:, -lines:] = 0
    found = find_frame(film)
    assert found is not None
    assert found.box == (0, lines, 40, 64 - lines)
    film[:, :, :4] = film[:, :, -4:] = 0
    assert find_frame(film) is None


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (40, 90, 160)])
def test_a_frame_is_found_after_a_resize_and_after_a_jpeg(colour: tuple[int, int, int]) -> None:
    # What a filter mixes at the edge, and what it rings with beside it, are neither strip nor picture.
    framed = textured(5, 190, 250).copy()
    framed[:14] = framed[-14:] = framed[:, :14] = framed[:, -14:] = colour
    small = Image.fromarray(framed).resize((64, 64), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    Image.fromarray(framed).save(buffer, format="JPEG", quality=80)
    for seen, (across, down), slack in (
        (small, (14 * 64 / 250, 14 * 64 / 190), 1.5),
        (Image.open(buffer), (14, 14), 2),
    ):
        found = find_frame(np.asarray(seen).transpose(2, 0, 1))
        assert found is not None
        left, top, right, bottom = found.box
        wanted = (across, down, seen.width - across, seen.height - down)
        np.testing.assert_allclose((left, top, right, bottom), wanted, atol=slack)
        np.testing.assert_allclose(found.colour, colour, atol=8)


def test_a_strip_that_grows_out_of_the_picture_is_no_frame() -> None:
    fading = textured(6, 64, 64).transpose(2, 0, 1).astype(np.float32)
    distance = np.minimum(np.arange(64), np.arange(64)[::-1])[:, None]
    faded = 255 + (fading - 255) * (distance / 12).clip(0, 1)
    assert find_frame(faded.round().astype(np.uint8)) is None


def test_every_framed_image_passes_the_quick_look_at_some_of_its_lines() -> None:
    framed = np.stack([textured(index, 64, 64).transpose(2, 0, 1) for index in range(8)])
    for index, depth in enumerate((1, 2, 3, 5, 8, 11, 14, 16)):
        framed[index, :, :depth] = framed[index, :, -depth:] = 255
        assert find_frame(framed[index]) is not None
    assert may_be_framed(framed, np.arange(8)).all()
    assert may_be_framed(framed, np.arange(8), every=(2, 2)).all()


@pytest.mark.parametrize("side", [64, 96, 128, 192, 256])
@pytest.mark.parametrize("turned", [False, True])
def test_a_frame_of_any_depth_passes_it(side: int, turned: bool) -> None:
    every = side // 32
    picture = np.random.default_rng(0).integers(0, 256, (3, side, side), dtype=np.uint8)
    deepest = 0
    for depth in range(1, side // 2):
        framed = picture.copy()
        framed[:, :depth] = framed[:, -depth:] = 0
        framed = framed.swapaxes(1, 2) if turned else framed
        if find_frame(framed) is not None:
            deepest = depth
            assert may_be_framed(framed[None], np.arange(1), every=(every, every))[0], depth
    assert deepest == int(0.4 * side)


def test_a_stray_pixel_of_a_strip_hides_it_at_no_place() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (3, 64, 64), dtype=np.uint8)
    picture[:, :8] = picture[:, -8:] = 0
    for column in range(64):
        framed = picture.copy()
        framed[:, 0, column] = framed[:, 4, column] = 255
        assert find_frame(framed) is not None
        assert may_be_framed(framed[None], np.arange(1), every=(2, 2))[0], column


def test_images_of_a_few_pixels_are_looked_at_too() -> None:
    random = np.random.default_rng(0)
    for height in range(1, 9):
        for width in range(1, 9):
            few = random.integers(0, 2, (3, height, width), dtype=np.uint8) * 255
            few[:, 0] = few[:, -1] = few[:, :, 0] = few[:, :, -1] = 255
            assert may_be_framed(few[None], np.arange(1)).shape == (1,)
            found = find_frame(few)
            assert found is None or min(height, width) > 4
