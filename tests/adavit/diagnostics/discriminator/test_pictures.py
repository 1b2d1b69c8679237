import io

import numpy as np
import pytest
import torch
from PIL import Image

from adavit.diagnostics.discriminator.images_picture import Look, draw_images, to_top
from adavit.diagnostics.discriminator.patches import PatchComponents
from adavit.diagnostics.discriminator.patches_picture import draw_components
from adavit.diagnostics.discriminator.positions import PositionView
from adavit.diagnostics.discriminator.positions_picture import draw_positions, mosaic


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def test_a_map_is_brightest_at_its_top_and_zeros_stay_zeros() -> None:
    light = torch.zeros(10, 20)
    light[0, :4] = 2.0
    light[0, 0] = 1.0
    shown = to_top(light)
    assert shown[0, 0] == pytest.approx(0.5)
    assert (shown[0, 1:4] == 1).all()
    assert (shown[1:] == 0).all()
    assert (to_top(torch.zeros(3, 3)) == 0).all()


def test_the_mosaic_puts_each_tile_at_its_place() -> None:
    tiles = torch.arange(2 * 3 * 2 * 4).view(2, 3, 2, 4)
    picture = mosaic(tiles)
    assert picture.shape == (2 * 3, 3 * 5)
    np.testing.assert_array_equal(picture[3:5, 5:9], tiles[1, 1].numpy())
    assert np.isnan(picture[2]).all()
    assert np.isnan(picture[:, 4]).all()


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images_of_any_channels_are_drawn(channels: int) -> None:
    images = torch.rand(2, channels, 8, 8) * 2 - 1
    look = Look(images, torch.tensor([1.0, -1.0]), torch.rand(2, 8, 8), torch.rand(2, 2, 2))
    few = Look(images[:1], torch.tensor([0.0]), torch.zeros(1, 8, 8), torch.zeros(1, 2, 2))
    wide = opened(draw_images({"heldout": look, "generated": few}, "a $title"))
    assert wide.width > 2 * wide.height
    filters = PatchComponents("x", torch.randn(9, channels, 3, 3), torch.full((9,), 0.1))
    assert opened(draw_components(filters, "title")).width > 100


def test_tables_and_single_lines_are_drawn() -> None:
    biases = {f"block {number}": torch.randn(2, 3, 5) for number in (1, 2)}
    assert opened(draw_positions(PositionView(None, biases), "title")).height > 100
    line = torch.rand(1, 20, 1, 20)  # more places than are drawn
    assert opened(draw_positions(PositionView(line, {}), "title")).height > 100
