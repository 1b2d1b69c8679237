"""Positions: which places are alike, and their picture."""

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image

from adavit.diagnostics.discriminator.positions import (
    PositionView,
    as_tiles,
    draw_positions,
    mosaic,
    neighbour_similarity,
    position_similarity,
    view_positions,
)
from adavit.models import ViTDiscriminator
from adavit.models.vit.layout import TokenLayout
from adavit.models.vit.parts import POSITIONS
from tests.networks import make_vit


def vit(**arguments: object) -> ViTDiscriminator:
    torch.manual_seed(0)
    sizes = {"resolution": 16, "patch": 4, "width": 16, "heads": 2, "depth": 1}
    return make_vit(**{**sizes, **arguments})


def test_similarity_of_positions_that_are_equal_in_a_row() -> None:
    layout = TokenLayout(3, 5, class_tokens=1)
    table = torch.eye(3).repeat_interleave(5, dim=0) * 7
    tiles = position_similarity(table, layout)
    assert tiles.shape == (3, 5, 3, 5)
    assert (tiles[1, 2] == torch.tensor([[0.0], [1.0], [0.0]])).all()
    neighbours, pairs = neighbour_similarity(tiles)
    assert neighbours == pytest.approx(12 / 22)  # 12 pairs side by side, 10 above each other
    assert pairs == pytest.approx(4 / 14)
    assert all(map(math.isnan, neighbour_similarity(as_tiles(torch.ones(1, 1), 1, 1))))


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("attention", ["qknorm", "axial"])
def test_every_position_embedding_shows_what_it_has(position: str, attention: str) -> None:
    view = view_positions(
        vit(position_embedding=position, attention=attention, registers=1).encoder
    )
    if position == "none":
        assert view is None
        return
    assert view is not None
    if position == "relative":
        sizes = {tuple(table.shape) for table in view.biases.values()}
        assert sizes == ({(2, 1, 7), (2, 7, 1)} if attention == "axial" else {(2, 7, 7)})
        return
    assert view.similarity is not None
    lines = 1 if (position, attention) == ("rope2d", "axial") else 4
    assert view.similarity.shape == (lines, 4, lines, 4)
    diagonal = view.similarity.flatten(2).flatten(0, 1).diagonal()
    torch.testing.assert_close(diagonal, torch.ones_like(diagonal))


def test_rotation_shows_the_product_of_a_vector_with_itself_elsewhere() -> None:
    encoder = vit(position_embedding="rope2d", width=32).encoder
    rotation = encoder.blocks[0].attention.position
    vector = torch.tensor([1.0, 0.0]).repeat(8).expand(1, 2, 17, 16)
    rotated = rotation.rotate(vector, None)[0, 0, 1:]
    view = view_positions(encoder)
    assert view is not None
    assert view.similarity is not None
    torch.testing.assert_close(view.similarity, as_tiles(rotated @ rotated.T / 8, 4, 4))


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def test_the_mosaic_puts_each_tile_at_its_place() -> None:
    tiles = torch.arange(2 * 3 * 2 * 4).view(2, 3, 2, 4)
    picture = mosaic(tiles)
    assert picture.shape == (2 * 3, 3 * 5)
    np.testing.assert_array_equal(picture[3:5, 5:9], tiles[1, 1].numpy())
    assert np.isnan(picture[2]).all()
    assert np.isnan(picture[:, 4]).all()


def test_tables_and_single_lines_are_drawn() -> None:
    biases = {f"block {number}": torch.randn(2, 3, 5) for number in (1, 2)}
    assert opened(draw_positions(PositionView(None, biases), "title")).height > 100
    line = torch.rand(1, 20, 1, 20)  # more places than are drawn
    assert opened(draw_positions(PositionView(line, {}), "title")).height > 100
