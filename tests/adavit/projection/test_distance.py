from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adavit.features.choice import find_network
from adavit.metrics.extractors.random_features import RandomFeatures
from adavit.models import ResNetDiscriminator, ViTDiscriminator
from adavit.projection.distance import (
    DiscriminatorMaps,
    Distance,
    LpipsMaps,
    Maps,
    NetworkMaps,
    PixelMaps,
)
from tests.networks import make_resnet, make_vit
from tests.small_weights import write_mobilenet


def images(count: int, channels: int = 3, side: int = 16, seed: int = 0) -> Tensor:
    return (
        2 * torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(seed))
        - 1
    )


def distances(maps: Maps, first: Tensor, second: Tensor) -> Tensor:
    distance = Distance([maps])
    return distance.between(first, distance.of(second))


def test_pixels_are_compared_by_their_mean_square_at_each_size() -> None:
    first, second = images(2), images(2, seed=1)
    sizes = [F.adaptive_avg_pool2d(first - second, side) for side in (16, 8, 4)]
    expected = sum(each.square().mean(dim=(1, 2, 3)) for each in sizes) / 3
    torch.testing.assert_close(distances(PixelMaps(), first, second), expected)
    torch.testing.assert_close(distances(PixelMaps(3.0), first, second), 3 * expected)


def test_oblong_images_are_compared_down_to_their_smallest_grid() -> None:
    first, second = (images(2, side=40, seed=seed)[:, :, :24] for seed in (0, 1))
    sizes = [
        F.adaptive_avg_pool2d(first - second, shape)
        for shape in ((24, 40), (12, 20), (6, 10), (3, 5))
    ]
    expected = sum(each.square().mean(dim=(1, 2, 3)) for each in sizes) / 4
    torch.testing.assert_close(distances(PixelMaps(), first, second), expected)


def test_colour_under_transparency_makes_no_difference_and_alpha_does() -> None:
    clear = images(1, channels=4)
    clear[:, 3] = -1
    recoloured = torch.cat([-clear[:, :3], clear[:, 3:]], dim=1)
    opaque = torch.cat([clear[:, :3], torch.ones(1, 1, 16, 16)], dim=1)
    assert distances(PixelMaps(), clear, recoloured) == 0
    assert distances(PixelMaps(), clear, opaque) > 0.5


def test_lpips_is_the_squared_distance_of_its_features_and_gradients_flow() -> None:
    extractor = RandomFeatures("cpu")  # takes unrounded images too, and VGG16 takes a second
    maps = LpipsMaps(extractor, "0123")
    first, second = images(2).requires_grad_(), images(2, seed=1)
    found = distances(maps, first, second)
    features = [extractor.of_unrounded(each) for each in (first, second)]
    torch.testing.assert_close(found, (features[0] - features[1]).square().sum(dim=1))
    (gradient,) = torch.autograd.grad(found.sum(), first)
    assert gradient.abs().max() > 0
    assert maps.described()["network"] == "lpips-vgg16 0123"
    assert Distance([maps, PixelMaps()]).networks == ("lpips-vgg16 0123",)


@pytest.fixture
def make() -> Callable[..., ResNetDiscriminator | ViTDiscriminator]:
    def build(kind: str, **changes: Any) -> ResNetDiscriminator | ViTDiscriminator:
        torch.manual_seed(0)
        if kind == "vit":
            sizes = {"width": 16, "heads": 2, "depth": 2, "resolution": 16}
            network: Any = make_vit(**{**sizes, **changes})
        else:
            network = make_resnet(
                **{"resolution": 16, "channel_base": 128, "channel_max": 16, **changes}
            )
        return network.eval().requires_grad_(False)

    return build


def test_maps_of_a_convolutional_discriminator_are_those_between_its_blocks(
    make: Callable[..., Any],
) -> None:
    network, seen = make("resnet", num_classes=3), images(3)
    maps = DiscriminatorMaps(network).of(seen)
    features = network.from_image(seen)
    for block, found in zip([nn.Identity(), *network.blocks], maps, strict=True):
        features = block(features)
        torch.testing.assert_close(found, F.normalize(features, dim=1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("readout", ["cls", "gap"])
def test_maps_of_a_vit_are_its_patches_between_its_blocks(
    make: Callable[..., Any], readout: str
) -> None:
    network, seen = make("vit", readout=readout, registers=1), images(2)
    maps = DiscriminatorMaps(network).of(seen)
    assert [list(found.shape) for found in maps] == [[2, 16, 4, 4]] * (2 if readout == "cls" else 3)
    encoder = network.encoder
    tokens, start = encoder.embed(seen), encoder.layout.class_tokens
    if start:
        tokens = torch.cat([encoder.class_token.expand(2, -1, -1), tokens], dim=1)
    tokens = torch.cat([encoder.position(tokens), encoder.registers.expand(2, -1, -1)], dim=1)
    tokens = encoder.blocks[0](tokens, twice_differentiable=True)
    patch = F.normalize(tokens[:, start + 4 * 1 + 2], dim=1)  # row 1, column 2
    torch.testing.assert_close(maps[1][:, :, 1, 2], patch, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["resnet", "vit", "pixels", "network"])
def test_gradients_flow_and_no_image_depends_on_the_others(
    kind: str, make: Callable[..., Any], tmp_path: Path
) -> None:
    maps: Maps = PixelMaps()
    if kind == "network":
        found = find_network(write_mobilenet(tmp_path / "m.pth"))
        built = found.build(side=32, maps=2, class_token=False, mean=None, std=None)
        maps = NetworkMaps(built, found.identity)
        assert maps.name == "torchvision:mobilenet_v3_small"
    elif kind != "pixels":
        # With groups of images compared with each other, which the maps must not show.
        maps = DiscriminatorMaps(make(kind, minibatch_std_group=4))
    first, second = images(3).requires_grad_(), images(3, seed=1)
    together = distances(maps, first, second)
    alone = torch.cat([distances(maps, first[k : k + 1], second[k : k + 1]) for k in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-6)
    (gradient,) = torch.autograd.grad(together[1], first)
    assert gradient[1].abs().max() > 0
    assert gradient[[0, 2]].abs().max() == 0
    torch.testing.assert_close(distances(maps, second, second), torch.zeros(3), rtol=0, atol=1e-9)
    described = maps.described()
    assert described["maps"]
