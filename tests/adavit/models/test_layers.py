import math

import pytest
import torch
import torch.nn.functional as F

from adavit.models.layers import EqualisedConv2d, EqualisedLinear, normalise_second_moment


@pytest.mark.parametrize("activation", [False, True])
@pytest.mark.parametrize("lr_multiplier", [1.0, 0.01])
def test_linear_multiplies_normal_weights_by_the_gain_at_run_time(
    activation: bool, lr_multiplier: float
) -> None:
    torch.manual_seed(0)
    layer = EqualisedLinear(
        300, 200, activation=activation, bias_init=0.5, lr_multiplier=lr_multiplier
    )
    assert layer.weight.std().item() == pytest.approx(1 / lr_multiplier, rel=0.02)
    inputs = torch.randn(7, 300)
    expected = inputs @ (layer.weight * lr_multiplier / math.sqrt(300)).T + 0.5
    if activation:
        expected = F.leaky_relu(expected, 0.2) * math.sqrt(2)
    torch.testing.assert_close(layer(inputs), expected)


@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("activation", [False, True])
def test_convolution_multiplies_normal_weights_by_the_gain_at_run_time(
    kernel_size: int, activation: bool
) -> None:
    torch.manual_seed(0)
    layer = EqualisedConv2d(5, 6, kernel_size, activation=activation, output_gain=0.3)
    torch.nn.init.normal_(layer.bias)
    inputs = torch.randn(3, 5, 7, 4)
    gain = 1 / math.sqrt(5 * kernel_size**2)
    expected = F.conv2d(inputs, layer.weight * gain, layer.bias, padding=kernel_size // 2)
    if activation:
        expected = F.leaky_relu(expected, 0.2) * math.sqrt(2)
    torch.testing.assert_close(layer(inputs), expected * 0.3)


@pytest.mark.parametrize("kernel_size", [1, 3])
def test_convolution_with_downsampling_is_filter_then_stride_two(kernel_size: int) -> None:
    torch.manual_seed(0)
    layer = EqualisedConv2d(5, 6, kernel_size, downsample=True)
    inputs = torch.randn(2, 5, 8, 6)
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    kernel = torch.outer(taps, taps).expand(5, 1, 4, 4)
    smoothed = F.conv2d(F.pad(inputs, [1 + kernel_size // 2] * 4), kernel, groups=5)
    expected = F.conv2d(smoothed, layer.weight / math.sqrt(5 * kernel_size**2), stride=2)
    assert layer(inputs).shape == (2, 6, 4, 3)
    torch.testing.assert_close(layer(inputs), expected)


@pytest.mark.parametrize("downsample", [False, True])
def test_convolution_layer_has_right_second_derivatives(downsample: bool) -> None:
    torch.manual_seed(0)
    layer = EqualisedConv2d(2, 3, 3, activation=True, downsample=downsample).double()
    inputs = torch.randn(2, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    weight = layer.weight.detach().clone().requires_grad_()
    bias = torch.randn(3, dtype=torch.float64, requires_grad=True)

    def function(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(layer, {"weight": w, "bias": b}, (x,))

    assert torch.autograd.gradcheck(function, (inputs, weight, bias))
    assert torch.autograd.gradgradcheck(function, (inputs, weight, bias))


def test_normalised_vectors_have_mean_square_one() -> None:
    vectors = torch.randn(5, 17) * torch.tensor([0.1, 1.0, 3.0, 10.0, 100.0])[:, None]
    squares = normalise_second_moment(vectors).square().mean(dim=1)
    torch.testing.assert_close(squares, torch.ones(5))


def test_a_dense_layer_stays_in_float32_under_autocast() -> None:
    """Styles of bfloat16 would have 8 bits."""
    torch.manual_seed(0)
    layer = EqualisedLinear(16, 4, activation=True)
    vectors = torch.randn(3, 16)
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(vectors)
        narrow = layer(vectors.bfloat16())
    assert found.dtype == narrow.dtype == torch.float32
    assert torch.equal(found, layer(vectors))
    assert torch.equal(narrow, layer(vectors.bfloat16().float()))
