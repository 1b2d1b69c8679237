import numpy as np
import pytest

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
    assert may_be_framed(ground[None])[0]
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
