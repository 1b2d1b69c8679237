import copy
import math

import pytest
import torch

from adavit.models.fitting import resize_position_embeddings
from adavit.models.vit.encoder import VisionEncoder
from adavit.models.vit.layout import TokenLayout
from adavit.models.vit.parts import POSITIONS
from adavit.models.vit.position import Learned1d, Learned2d, Sinusoids2d
from tests.networks import make_encoder

LEARNED = ["learned1d", "learned2d", "relative"]


def encoder(size: tuple[int, int], position: str, **parts: object) -> VisionEncoder:
    torch.manual_seed(0)
    sizes = {"patch": 2, "width": 16, "depth": 2, "heads": 2, "mlp_ratio": 2.0, "layer_scale": 0.5}
    made = make_encoder(
        image_size=size, image_channels=3, position_embedding=position, **sizes, **parts
    )
    made.draw_weights()
    return made


@pytest.mark.parametrize("attention", ["qknorm", "axial"])
@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("size", [(8, 8), (6, 14)])
def test_the_same_resolution_gives_the_same_state_and_leaves_the_given_one(
    position: str, size: tuple[int, int], attention: str
) -> None:
    network = encoder(size, position, attention=attention)
    state = network.state_dict()
    before = copy.deepcopy(state)
    fitting = resize_position_embeddings(
        state, network, grid=(network.layout.rows, network.layout.columns)
    )
    assert fitting.keys() == before.keys()
    for name in before:
        torch.testing.assert_close(fitting[name], before[name], rtol=0, atol=0)
        torch.testing.assert_close(state[name], before[name], rtol=0, atol=0)


@pytest.mark.parametrize("attention", ["qknorm", "axial"])
@pytest.mark.parametrize("position", POSITIONS)
def test_a_state_of_one_resolution_loads_at_another(position: str, attention: str) -> None:
    small, large = (encoder(size, position, attention=attention) for size in ((8, 12), (20, 14)))
    state = small.state_dict()
    before = copy.deepcopy(state)
    large.load_state_dict(resize_position_embeddings(state, large, grid=(4, 6)))
    assert all(torch.equal(state[name], before[name]) for name in before)
    images = torch.randn(2, 3, 20, 14)
    assert large(images, twice_differentiable=False).shape == (2, 71, 16)


@pytest.mark.parametrize("position", LEARNED)
def test_a_smooth_embedding_stays_what_it_is(position: str) -> None:
    # Values in proportion to the place are the same ramp on a finer grid, away from the borders.
    small, large = encoder((16, 16), position), encoder((32, 48), position)
    with torch.no_grad():
        for module in (small.position, *(block.attention.position for block in small.blocks)):
            if position == "learned1d" and hasattr(module, "table"):
                ramp = torch.arange(8.0).repeat_interleave(8) + 0.5
                module.table[:, 1:] = ramp[None, :, None]
                module.table[:, 0] = -7
            if position == "learned2d" and hasattr(module, "rows"):
                module.rows.copy_((torch.arange(8.0) + 0.5)[:, None].expand(-1, 8))
            if position == "relative" and hasattr(module, "table"):
                module.table.copy_(
                    (torch.arange(15.0) + 0.5)[None, :, None].expand_as(module.table)
                )
    fitting = resize_position_embeddings(small.state_dict(), large, grid=(8, 8))
    if position == "learned1d":
        table = fitting["position.table"]
        assert (table[:, 0] == -7).all()
        values = table[0, 1:, 0].view(16, 24)[4:-4, 0]
        expected = (torch.arange(16.0) + 0.5) / 2
    elif position == "learned2d":
        assert fitting["position.columns"].shape == (24, 8)
        values, expected = fitting["position.rows"][4:-4, 0], (torch.arange(16.0) + 0.5) / 2
    else:
        values = fitting["blocks.0.attention.position.table"][1, 4:-4, 0]
        expected = (torch.arange(31.0) + 0.5) * 15 / 31
    torch.testing.assert_close(values, expected[4:-4], rtol=0, atol=1e-4)


def test_a_table_of_other_parts_leaves_the_rest_as_it_is() -> None:
    state, other = encoder((8, 8), "learned2d").state_dict(), encoder((8, 12), "learned1d")
    fitting = resize_position_embeddings(state, other, grid=(4, 4))
    assert fitting.keys() == state.keys()
    assert all(fitting[name] is state[name] for name in state)
    odd = {**encoder((8, 8), "learned1d").state_dict(), "norm.bias": state["norm.bias"]}
    for grid in ((3, 5), (4, 4), (2, 4), (17, 1), (5, 5)):
        left = odd.keys() - resize_position_embeddings(odd, other, grid=grid).keys()
        assert left == (set() if grid in ((4, 4), (17, 1)) else {"position.table"})
    for table in (torch.zeros(()), torch.zeros(17)):
        cut = {**odd, "position.table": table}
        assert "position.table" not in resize_position_embeddings(cut, other, grid=(4, 4))


def test_learned_embeddings_are_added_at_their_places() -> None:
    layout = TokenLayout(2, 3, class_tokens=1)
    raster, cross = Learned1d(layout, 4), Learned2d(layout, 4)
    raster.draw_weights()
    cross.draw_weights()
    tokens = torch.randn(2, 7, 4)
    torch.testing.assert_close((raster(tokens) - tokens)[1], raster.table[0])
    added = (cross(tokens) - tokens)[0]
    assert added[0].abs().max() == 0
    torch.testing.assert_close(added[1 + 3 * 1 + 2], torch.cat([cross.rows[1], cross.columns[2]]))


def test_sinusoids_are_those_of_the_formula() -> None:
    embedding = Sinusoids2d(TokenLayout(3, 2), 8)
    added = embedding(torch.zeros(1, 6, 8))[0]
    row, column = 2, 1
    waves = [1.0, 10000.0 ** (-1 / 2)]
    expected = [
        wave(place * frequency)
        for place in (row, column)
        for wave in (math.sin, math.cos)
        for frequency in waves
    ]
    torch.testing.assert_close(added[2 * row + column], torch.tensor(expected))


@pytest.mark.parametrize("position", POSITIONS)
def test_only_without_an_embedding_is_the_order_of_patches_unseen(position: str) -> None:
    network = encoder((8, 8), position)
    patches = torch.randn(2, 16, 16)
    order = torch.randperm(16)
    flags = {"twice_differentiable": False, "class_token_only": True}
    change = (network.encode(patches, **flags) - network.encode(patches[:, order], **flags)).abs()
    if position == "none":
        assert change.max() < 1e-5
    else:
        assert change.max() > 1e-4
