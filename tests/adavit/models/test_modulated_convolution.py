import pytest
import torch
import torch.nn.functional as F

from adavit.models.modulated_convolution import (
    demodulation,
    modulated_convolution,
    modulations,
    scale_and_shift,
)
from adavit.models.pixel_noise import added_noise
from adavit.models.synthesis import SynthesisLayer, ToImage
from adavit.runtime.resolution import Resolution
from tests.references.models import modulated_sample_by_sample


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("upsample", [False, True], ids=["same", "up"])
def test_scaling_features_equals_scaling_the_kernels_of_each_sample(upsample: bool) -> None:
    features, weight, styles = drawn(3, 5, 7, 4), drawn(6, 5, 3, 3, seed=1), drawn(3, 5, seed=2)
    factors = demodulation([weight], styles)
    result = modulated_convolution(features, weight, styles, upsample=upsample)
    expected = modulated_sample_by_sample(features, weight, styles, upsample=upsample)
    assert result.shape == ((3, 6, 14, 8) if upsample else (3, 6, 7, 4))
    torch.testing.assert_close(result * factors[:, :, None, None], expected)


def test_demodulated_kernels_have_norm_one() -> None:
    weight, styles = drawn(6, 5, 3, 3), drawn(3, 5, seed=2)
    kernels = weight[None] * styles[:, None, :, None, None]
    norms = (
        (kernels * demodulation([weight], styles)[:, :, None, None, None]).square().sum((2, 3, 4))
    )
    torch.testing.assert_close(norms, torch.ones_like(norms))


def test_demodulation_of_zero_styles_is_finite() -> None:
    assert (
        demodulation([drawn(6, 5, 3, 3)], torch.zeros(2, 5, dtype=torch.float64)).isfinite().all()
    )


@pytest.mark.parametrize("drawn_noise", [False, True])
def test_synthesis_layer_equals_its_formula(drawn_noise: bool) -> None:
    torch.manual_seed(0)
    layer = SynthesisLayer(5, 6, style_dim=4, resolution=Resolution(7, 7), noise="learned")
    torch.nn.init.normal_(layer.bias)
    torch.nn.init.constant_(layer.noise.strength, 0.7)
    features, style = torch.randn(3, 5, 7, 7), torch.randn(3, 4)
    noise = torch.Generator().manual_seed(1) if drawn_noise else None
    pixels = layer.noise.fixed
    if drawn_noise:
        pixels = torch.randn(3, 1, 7, 7, generator=torch.Generator().manual_seed(1))
    convolved = modulated_sample_by_sample(
        features, layer.weight, layer.affine(style), upsample=False
    )  # styles hold the gain of the kernels
    inner = convolved + 0.7 * pixels + layer.bias[:, None, None]
    expected = F.leaky_relu(inner, 0.2) * 2**0.5
    (added,) = added_noise([layer.noise], 3, noise, torch.float32)
    torch.testing.assert_close(layer(features, *modulations([layer], style), added), expected)


def test_image_branch_is_a_modulated_convolution_without_demodulation() -> None:
    torch.manual_seed(0)
    branch = ToImage(5, 3, style_dim=4)
    torch.nn.init.normal_(branch.bias)
    features, style = torch.randn(2, 5, 7, 4), torch.randn(2, 4)
    scaled = features * branch.affine(style)[:, :, None, None]
    kernel = branch.weight[:, :, None, None]
    drawn_image = branch(features, *modulations([branch], style))
    torch.testing.assert_close(drawn_image, F.conv2d(scaled, kernel, branch.bias))


@pytest.mark.parametrize("upsample", [False, True], ids=["same", "up"])
def test_modulated_convolution_has_right_second_derivatives(upsample: bool) -> None:
    inputs = [drawn(2, 2, 3, 2), drawn(2, 2, 3, 3, seed=1), drawn(2, 2, seed=2)]
    for tensor in inputs:
        tensor.requires_grad_()

    def function(*parts: torch.Tensor) -> torch.Tensor:
        return modulated_convolution(*parts, upsample=upsample)

    assert torch.autograd.gradgradcheck(function, inputs)


def test_demodulation_of_several_layers_is_that_of_each() -> None:
    weights, styles = [drawn(6, 5, 3, 3), drawn(2, 3, 3, 3, seed=1)], drawn(4, 8, seed=2)
    apart = [demodulation(weights[:1], styles[:, :5]), demodulation(weights[1:], styles[:, 5:])]
    torch.testing.assert_close(demodulation(weights, styles), torch.cat(apart, dim=1))


def test_demodulation_has_right_derivatives_of_both_orders() -> None:
    inputs = [drawn(2, 3, 2, 2), drawn(3, 2, 2, 2, seed=1), drawn(2, 5, seed=2)]
    for tensor in inputs:
        tensor.requires_grad_()

    def function(first: torch.Tensor, second: torch.Tensor, styles: torch.Tensor) -> torch.Tensor:
        return demodulation([first, second], styles)

    assert torch.autograd.gradcheck(function, inputs)
    assert torch.autograd.gradgradcheck(function, inputs)


def test_scale_and_shift_is_its_formula_with_derivatives_of_both_orders() -> None:
    inputs = [drawn(2, 3, 4, 2), drawn(2, 3, seed=1), drawn(3, seed=2)]
    features, factors, shifts = inputs
    expected = features * factors[:, :, None, None] + shifts[:, None, None]
    torch.testing.assert_close(scale_and_shift(*inputs), expected)
    for tensor in inputs:
        tensor.requires_grad_()
    assert torch.autograd.gradcheck(scale_and_shift, inputs)
    assert torch.autograd.gradgradcheck(scale_and_shift, inputs)


def test_layers_with_styles_of_their_own_are_modulated_as_each_is_alone() -> None:
    torch.manual_seed(0)
    layers = [
        SynthesisLayer(5, 6, style_dim=4, resolution=Resolution(7, 7), noise="none"),
        ToImage(6, 3, style_dim=4),
        SynthesisLayer(6, 2, style_dim=4, resolution=Resolution(7, 7), noise="none"),
    ]
    styles = list(torch.randn(3, 2, 4))
    alone = [modulations([layer], style)[0] for layer, style in zip(layers, styles, strict=True)]
    together = modulations(layers, styles)
    shared = modulations(layers, styles[0])
    for index, (one, other) in enumerate(zip(alone, together, strict=True)):
        torch.testing.assert_close(one.styles, other.styles)
        assert (one.factors is None) == (other.factors is None) == (index == 1)
        if one.factors is not None:
            torch.testing.assert_close(one.factors, other.factors)
    torch.testing.assert_close(shared[0].styles, alone[0].styles)
    torch.testing.assert_close(shared[2].factors, modulations([layers[2]], styles[0])[0].factors)
