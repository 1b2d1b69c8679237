import math

import pytest
import torch
from torch import Tensor, nn

from adavit.diagnostics.discriminator.patches import patch_components, principal_components
from adavit.diagnostics.discriminator.positions import (
    as_tiles,
    neighbour_similarity,
    position_similarity,
    view_positions,
)
from adavit.diagnostics.discriminator.saliency import gradient_norms, input_gradients, saliency_maps
from adavit.models import ResNetDiscriminator, ViTDiscriminator
from adavit.models.vit.layout import TokenLayout
from adavit.models.vit.parts import CONSTRAINTS, POSITIONS, STEMS
from adavit.watch.logits import LogitFigures, logits_of


def vit(**arguments: object) -> ViTDiscriminator:
    torch.manual_seed(0)
    sizes = {"resolution": 16, "patch": 4, "width": 16, "heads": 2, "depth": 1}
    return ViTDiscriminator(**{**sizes, **arguments})  # type: ignore[arg-type]


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


def test_principal_components_of_a_known_covariance() -> None:
    first, second = torch.tensor([3.0, 0, 4, 0]) / 5, torch.tensor([0.0, 1, 0, 0])
    rows = torch.stack([3 * first, -3 * first, second, -second]) + torch.tensor([9.0, 8, 7, 6])
    components, explained = principal_components(rows)
    torch.testing.assert_close(components[:2], torch.stack([first, second]).double())
    torch.testing.assert_close(explained, torch.tensor([0.9, 0.1, 0, 0]).double())
    assert (principal_components(torch.ones(3, 2))[1] == 0).all()


@pytest.mark.parametrize("stem", STEMS)
@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_components_of_every_stem(stem: str, constraint: str) -> None:
    encoder = vit(stem=stem, weight_constraint=constraint).encoder
    found = patch_components(encoder.stem, image_channels=3)
    sides = {"linear": (3, 4, 4), "overlap": (3, 8, 8), "spt": (3, 4, 20)}
    assert found.filters.shape[1:] == sides.get(stem, (3, 3, 3))
    lengths = found.filters.flatten(1).norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths))
    assert (found.explained.diff() <= 0).all()


@pytest.mark.parametrize("stem", ["linear", "spt"])
def test_filters_are_cut_as_the_stem_cuts_images(stem: str) -> None:
    layer = vit(stem=stem).encoder.stem
    pattern = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        weight = layer.projection.weight.zero_()
        if stem == "linear":
            weight[0] = pattern.flatten()
        else:
            weight[0, :48] = pattern.flatten()  # the copy that is not moved comes first
    found = patch_components(layer, image_channels=3).filters[0, :, :, :4].float()
    sign = (found.flatten() @ pattern.flatten()).sign()
    torch.testing.assert_close(found, sign * pattern / pattern.norm())
    if stem == "linear":  # and a patch of that pattern is what the feature answers to most
        assert layer(pattern[None])[0, 0, 0].item() == pytest.approx(pattern.square().sum().item())


class Linear(nn.Module):
    """A logit that is a weighted sum of the pixels."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = weights

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        return (images * self.weights).sum(dim=(1, 2, 3))


def test_saliency_of_a_linear_discriminator_is_its_weights() -> None:
    weights = torch.randn(3, 5, 7, generator=torch.Generator().manual_seed(0))
    images = torch.zeros(2, 3, 5, 7)
    gradients = input_gradients(Linear(weights), images, None)
    torch.testing.assert_close(gradients, weights.expand(2, -1, -1, -1))
    torch.testing.assert_close(saliency_maps(gradients)[0], weights.abs().amax(0))
    torch.testing.assert_close(gradient_norms(gradients), weights.norm().expand(2))
    assert not images.requires_grad


@pytest.mark.parametrize("count", [1, 63, 64, 67])
def test_logits_are_those_of_full_groups(count: int) -> None:
    torch.manual_seed(0)
    network = ResNetDiscriminator(
        resolution=8, channel_base=64, channel_max=8, minibatch_std_group=4
    ).eval()
    images = torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    filled = torch.cat([images] * 128)[:128]
    with torch.no_grad():
        expected = torch.cat([network(filled[:64]), network(filled[64:])])[:count]
    torch.testing.assert_close(logits_of(network, images, None), expected)


def test_figures_of_logits() -> None:
    figures = LogitFigures(
        {
            "training": torch.tensor([3.0, 1.0, 2.0, 2.0]),
            "heldout": torch.tensor([1.0, -1.0]),
            "generated": torch.tensor([-2.0, -2.0]),
        }
    )
    record = figures.as_record()
    assert record["training"]["mean"] == 2.0
    assert record["heldout"]["share_above_0"] == 0.5
    assert record["r_v"] == pytest.approx((2 - 0) / (2 + 2))
    assert (record["r_t"], record["r_relative"]) == (1.0, 1.0)
    assert sum(record["generated"]["histogram"]) == pytest.approx(1.0)
    assert len(record["histogram_edges"]) == len(record["training"]["histogram"]) + 1
    # Variances of the means: (2 / 3) / 4 and 2 / 2.
    expected = 2 / math.sqrt(1 / 6 + 1)
    assert figures.heldout_gap_in_standard_errors == pytest.approx(expected)


def test_figures_without_training_images_are_undefined_not_zero() -> None:
    figures = LogitFigures({"heldout": torch.ones(3), "generated": torch.zeros(3)})
    record = figures.as_record()
    assert (record["r_t"], record["r_v"], record["r_relative"]) == (None, None, None)
    assert math.isnan(figures.heldout_gap_in_standard_errors)
