"""Principal components of filters."""

import pytest
import torch

from adavit.diagnostics.discriminator.patches import patch_components, principal_components
from adavit.models import ViTDiscriminator
from adavit.models.vit.parts import CONSTRAINTS, STEMS
from tests.networks import make_vit


def vit(**arguments: object) -> ViTDiscriminator:
    torch.manual_seed(0)
    sizes = {"resolution": 16, "patch": 4, "width": 16, "heads": 2, "depth": 1}
    return make_vit(**{**sizes, **arguments})


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
