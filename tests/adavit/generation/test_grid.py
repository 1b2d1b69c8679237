import io

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.utils import make_grid

from adavit.generation.grid import CAPTION_HEIGHT, grid_rows, grid_tile, image_grid
from adavit.runtime.pictures import result_png
from adavit.runtime.resolution import Resolution


def square(side: int) -> Resolution:
    return Resolution(side, side)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_grids_hold_every_image_enlarged_to_be_seen(channels: int) -> None:
    images = torch.arange(6, dtype=torch.uint8).view(6, 1, 1, 1).expand(6, channels, 8, 8) * 40
    grid = image_grid(images, columns=3)
    assert grid.size == (3 * 66 + 2, 2 * 66 + 2)
    pixels = np.asarray(grid)
    assert pixels[40, 40].flat[0] == 0
    assert pixels[66 + 40, 2 * 66 + 40].flat[0] == 200


@pytest.mark.parametrize("shape", ["8", "24", "64", "100", "24x40", "48x32", "8x28"])
def test_a_grid_is_taken_apart_into_the_images_it_was_made_of(shape: str) -> None:
    resolution = Resolution(*map(int, (shape.split("x") * 2)[:2]))
    images = torch.randint(256, (6, 3, *resolution), dtype=torch.uint8)
    grid = image_grid(images, columns=3)
    assert grid_rows(grid, resolution=resolution, columns=3) == 2
    for index, image in enumerate(images):
        tile = grid_tile(grid, index // 3, index % 3, resolution=resolution)
        np.testing.assert_array_equal(np.asarray(tile), image.permute(1, 2, 0).numpy())


def test_oblong_images_are_enlarged_as_far_as_their_longer_side_allows() -> None:
    grid = image_grid(torch.zeros(6, 3, 16, 28, dtype=torch.uint8), columns=3)
    assert grid.size == (3 * (2 * 28 + 2) + 2, 2 * (2 * 16 + 2) + 2)
    assert grid_rows(grid, resolution=Resolution(28, 16), columns=3) == 0


def test_other_pictures_are_no_grids() -> None:
    grid = image_grid(torch.zeros(6, 3, 8, 8, dtype=torch.uint8), columns=3)
    assert grid_rows(grid, resolution=square(8), columns=2) == 0
    assert grid_rows(grid, resolution=square(16), columns=3) == 2  # both are enlarged to 64 pixels
    assert grid_rows(grid, resolution=square(128), columns=3) == 0
    assert (
        grid_rows(grid.crop((0, 0, grid.width, grid.height - 1)), resolution=square(8), columns=3)
        == 0
    )


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("side", [8, 64, 100])
def test_captions_stand_below_the_images_and_are_no_part_of_them(side: int, channels: int) -> None:
    images = torch.randint(256, (6, channels, side, side), dtype=torch.uint8)
    captions = ["cat", "a name that is far too long for this", "", "\x1b[31m", "5", "é 猫"]
    grid = image_grid(images, columns=3, captions=captions)
    written = Image.open(io.BytesIO(result_png(grid)))
    plain = image_grid(images, columns=3)
    assert written.size == (plain.width, plain.height + 2 * CAPTION_HEIGHT)
    assert grid_rows(written, resolution=square(side), columns=3) == 2
    for index in range(6):
        row, column = divmod(index, 3)
        own = grid_tile(written, row, column, resolution=square(side))
        expected = grid_tile(plain, row, column, resolution=square(side))
        np.testing.assert_array_equal(np.asarray(own), np.asarray(expected))
    first = np.asarray(written.convert("L"))[-CAPTION_HEIGHT - 2 :]
    assert first.max() > 100  # letters below the last row


def test_the_caption_of_one_image_alone_stands_as_far_from_it_as_in_a_grid() -> None:
    images = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    alone, both = (
        np.asarray(image_grid(images[:count], columns=2, captions=["gypq"] * count).convert("L"))
        for count in (1, 2)
    )
    np.testing.assert_array_equal(alone[64:], both[66 : 66 + CAPTION_HEIGHT, 2:66])
    assert alone[-1].max() > 0 or alone[-2].max() > 0  # where letters reach below their line


def test_a_grid_is_enlarged_as_asked() -> None:
    grid = image_grid(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), columns=2, scale=4)
    assert grid.size == (2 * 34 + 2, 34 + 2)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(("count", "columns"), [(1, 3), (2, 3), (3, 3), (7, 3), (5, 1)])
def test_a_grid_is_that_of_torchvision(channels: int, count: int, columns: int) -> None:
    images = torch.randint(256, (count, channels, 64, 64), dtype=torch.uint8)
    grid = image_grid(images, columns=columns)
    expected = make_grid(images, nrow=columns, padding=2).permute(1, 2, 0)
    np.testing.assert_array_equal(np.asarray(grid), expected.numpy())
