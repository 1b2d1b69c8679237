"""R3GAN's blocks."""

import pytest
import torch
import torch.nn.functional as F

from adavit.models import ResNetDiscriminator
from adavit.models.resnet.r3gan import BasisEpilogue, R3GANBlock, Transition
from adavit.runtime.resolution import Resolution
from tests.networks import make_resnet


def made(form: str, **sizes: int) -> ResNetDiscriminator:
    torch.manual_seed(0)
    return make_resnet(
        **{"resolution": 16, "channel_base": 128, "channel_max": 16, **sizes}, form=form
    )


def test_r3gan_blocks_start_as_the_identity() -> None:
    features = torch.randn(2, 32, 4, 6)
    assert torch.equal(R3GANBlock(32, blocks=4)(features), features)


def test_a_r3gan_block_is_a_grouped_inverted_bottleneck() -> None:
    torch.manual_seed(0)
    block = R3GANBlock(24, blocks=16)
    first, _, second, _, third = block.layers
    assert first.weight.shape == (48, 24, 1, 1)
    assert second.weight.shape == (48, 16, 3, 3)  # three groups of 16
    assert third.weight.shape == (24, 48, 1, 1)
    # He's deviation for a slope of 0.2, times 16^(-1/4).
    expected = (2 / 1.04 / (16 * 9)) ** 0.5 / 2
    assert second.weight.std().item() == pytest.approx(expected, rel=0.05)
    torch.nn.init.normal_(third.weight)
    features = torch.randn(1, 24, 4, 4)
    inner = F.leaky_relu(F.conv2d(features, first.weight), 0.2)
    pieces = [
        F.conv2d(inner[:, at : at + 16], second.weight[at : at + 16], padding=1)
        for at in (0, 16, 32)
    ]
    expected_output = features + F.conv2d(F.leaky_relu(torch.cat(pieces, 1), 0.2), third.weight)
    torch.testing.assert_close(block(features), expected_output, rtol=1e-4, atol=1e-4)


def test_the_basis_is_a_depthwise_convolution_over_the_whole_map() -> None:
    epilogue = BasisEpilogue(5, 1, Resolution(3, 5))
    features = torch.randn(2, 6, 3, 5)
    expected = F.conv2d(features, epilogue.weight[:, None], groups=6).flatten(1)
    torch.testing.assert_close(epilogue(features), expected)


def test_r3gan_has_two_blocks_a_resolution_and_changes_channels_only_where_they_differ() -> None:
    layers = made("r3gan", resolution=32).blocks  # 4, 8, 16, 16 channels
    kinds = [type(layer) for layer in layers]
    assert kinds == [R3GANBlock, R3GANBlock] + 3 * [Transition, R3GANBlock, R3GANBlock]
    changes = [layer.convolution for layer in layers if isinstance(layer, Transition)]
    assert [None if layer is None else tuple(layer.weight.shape[:2]) for layer in changes] == [
        (8, 4),
        (16, 8),
        None,
    ]
