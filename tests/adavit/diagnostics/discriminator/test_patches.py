"""Principal components of filters."""

import io

import pytest
import torch
from PIL import Image

from adavit.diagnostics.discriminator.patches import (
    PatchComponents,
    draw_components,
    patch_components,
)
from adavit.models import ViTDiscriminator
from adavit.models.vit.parts import CONSTRAINTS, STEMS
from tests.networks import make_vit


def vit(**arguments: object) -> ViTDiscriminator:
    torch.manual_seed(0)
    sizes = {"resolution": 16, "patch": 4, "width": 16, "heads": 2, "depth": 1}
    return make_vit(**{**sizes, **arguments})


@pytest.mark.parametrize("stem", STEMS)
@pytest.mark.parametrize("constraint", CONSTRAINTS)
@pytest.mark.parametrize(("high", "wide"), [(4, 4), (2, 8)])
def test_components_of_every_stem(stem: str, constraint: str, high: int, wide: int) -> None:
    encoder = vit(stem=stem, weight_constraint=constraint, patch=(high, wide)).encoder
    found = patch_components(encoder.stem, image_channels=3)
    sides = {
        "linear": (3, high, wide),
        "overlap": (3, 2 * high, 2 * wide),
        "spt": (3, high, 5 * wide),
    }
    assert found.filters.shape[1:] == sides.get(stem, (3, 3, 3))
    lengths = found.filters.flatten(1).norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths))
    assert (found.explained.diff() <= 0).all()


@pytest.mark.parametrize("stem", ["linear", "spt"])
@pytest.mark.parametrize(("high", "wide"), [(4, 4), (8, 2)])
def test_filters_are_cut_as_the_stem_cuts_images(stem: str, high: int, wide: int) -> None:
    layer = vit(stem=stem, patch=(high, wide)).encoder.stem
    pattern = torch.randn(3, high, wide, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        weight = layer.projection.weight.zero_()
        if stem == "linear":
            weight[0] = pattern.flatten()
        else:
            weight[0, :48] = pattern.flatten()  # the copy that is not moved comes first
    found = patch_components(layer, image_channels=3).filters[0, :, :, :wide].float()
    sign = (found.flatten() @ pattern.flatten()).sign()
    torch.testing.assert_close(found, sign * pattern / pattern.norm())
    if stem == "linear":  # and a patch of that pattern is what the feature answers to most
        assert layer(pattern[None])[0, 0, 0].item() == pytest.approx(pattern.square().sum().item())


@pytest.mark.parametrize(("high", "wide"), [(16, 1), (1, 80)])
def test_a_picture_of_long_patches_has_a_bound(high: int, wide: int) -> None:
    filters = torch.rand(9, 1, high, wide)
    content = draw_components(PatchComponents("patch embedding", filters, torch.rand(9)), "title")
    with Image.open(io.BytesIO(content)) as picture:
        assert max(picture.size) < 2500
