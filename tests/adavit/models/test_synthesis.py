"""From styles to images, layer by layer."""

import math

import pytest
import torch
import torch.nn.functional as F

from adavit.models.modulated_convolution import modulations
from adavit.models.pixel_noise import added_noise
from adavit.models.synthesis import SynthesisLayer
from adavit.runtime.resolution import Resolution
from tests.networks import make_generator


@pytest.fixture
def layer() -> SynthesisLayer:
    torch.manual_seed(0)
    made = SynthesisLayer(3, 4, style_dim=5, resolution=Resolution(8, 8), noise="learned")
    torch.nn.init.normal_(made.bias)
    torch.nn.init.constant_(made.noise.strength, 0.3)
    return made


def drawn_by(
    layer: SynthesisLayer,
    features: torch.Tensor,
    w: torch.Tensor,
    stream: torch.Generator | None = None,
) -> torch.Tensor:
    """The layer alone, of a style, with its fixed noise or with noise of a stream."""
    (modulation,) = modulations([layer], w)
    if layer.noise is None:
        return layer(features, modulation)
    (added,) = added_noise([layer.noise], len(w), stream, torch.float32)
    return layer(features, modulation, added)


def by_hand(layer: SynthesisLayer, features: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """Each image with weights of its own (Karras et al. 2020, arXiv:1912.04958, equations 1 to 3)."""
    images = []
    for one, style in zip(features, layer.affine(w), strict=True):  # with the kernels' gain
        weight = layer.weight * style[None, :, None, None]
        weight = weight / (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        plain = F.conv2d(one[None], weight, padding=1)
        noisy = plain + layer.noise.strength * layer.noise.fixed + layer.bias[:, None, None]
        images.append(math.sqrt(2) * F.leaky_relu(noisy, 0.2))
    return torch.cat(images)


def test_a_layer_is_a_demodulated_convolution_with_noise(layer: SynthesisLayer) -> None:
    features, w = torch.randn(2, 3, 8, 8), torch.randn(2, 5)
    expected = by_hand(layer, features, w)
    torch.testing.assert_close(drawn_by(layer, features, w), expected, rtol=1e-4, atol=1e-4)


def test_drawn_noise_takes_the_place_of_the_fixed_one(layer: SynthesisLayer) -> None:
    features, w = torch.randn(2, 3, 8, 8), torch.randn(2, 5)
    first, again = (
        drawn_by(layer, features, w, torch.Generator().manual_seed(1)) for _ in range(2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, drawn_by(layer, features, w))


def test_an_upsampling_layer_doubles_the_side() -> None:
    torch.manual_seed(0)
    layer = SynthesisLayer(
        3, 4, style_dim=5, resolution=Resolution(16, 16), noise="none", upsample=True
    )
    assert drawn_by(layer, torch.randn(2, 3, 8, 8), torch.randn(2, 5)).shape == (2, 4, 16, 16)


def test_every_layer_takes_its_own_style() -> None:
    torch.manual_seed(0)
    sizes = {"latent_dim": 4, "style_dim": 4, "channel_base": 64, "channel_max": 8}
    synthesis = make_generator(resolution=16, **sizes).synthesis
    styles = torch.randn(1, 1, 4).repeat(1, synthesis.style_count, 1)
    images = synthesis(styles)
    for layer in range(synthesis.style_count):
        changed = styles.clone()
        changed[:, layer] += 1
        assert not torch.allclose(synthesis(changed), images), layer
