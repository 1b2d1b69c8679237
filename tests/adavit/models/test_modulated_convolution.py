import pytest
import torch
import torch.nn.functional as F

from adavit.models import pointwise
from adavit.models.modulated_convolution import demodulation, modulated_convolution
from adavit.models.pointwise import finish_layer, scale_channels
from tests.references.models import modulated_sample_by_sample


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("upsample", [False, True], ids=["same", "up"])
def test_scaling_features_equals_scaling_the_kernels_of_each_sample(upsample: bool) -> None:
    features, weight, styles = drawn(3, 5, 7, 4), drawn(6, 5, 3, 3, seed=1), drawn(3, 5, seed=2)
    factors = demodulation(weight, styles)
    result = modulated_convolution(features, weight, styles, upsample=upsample)
    expected = modulated_sample_by_sample(features, weight, styles, upsample=upsample)
    assert result.shape == ((3, 6, 14, 8) if upsample else (3, 6, 7, 4))
    torch.testing.assert_close(result * factors[:, :, None, None], expected)


def test_demodulated_kernels_have_norm_one() -> None:
    weight, styles = drawn(6, 5, 3, 3), drawn(3, 5, seed=2)
    kernels = weight[None] * styles[:, None, :, None, None]
    norms = (kernels * demodulation(weight, styles)[:, :, None, None, None]).square().sum((2, 3, 4))
    torch.testing.assert_close(norms, torch.ones_like(norms))


def test_demodulation_of_zero_styles_is_finite() -> None:
    assert demodulation(drawn(6, 5, 3, 3), torch.zeros(2, 5)).isfinite().all()


@pytest.mark.parametrize("noise_batch", [1, 5])
def test_finish_layer_equals_its_formula_whatever_the_chunk(
    noise_batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = [
        drawn(5, 3, 4, 6),
        drawn(5, 3, seed=1),
        drawn(3, seed=2),
        drawn(noise_batch, 1, 4, 6, seed=3),
    ]
    for tensor in inputs:
        tensor.requires_grad_()
    features, factors, bias, noise = inputs
    formula = features * factors[:, :, None, None] + bias[:, None, None] + noise
    expected = F.leaky_relu(formula, 0.2)
    probe = drawn(5, 3, 4, 6, seed=4)
    expected_gradients = torch.autograd.grad(expected, inputs, probe)
    for chunk_bytes in (1, 2 * 3 * 4 * 6 * 8, 10**9):
        monkeypatch.setattr(pointwise, "CHUNK_BYTES", chunk_bytes)
        result = finish_layer(*inputs)
        torch.testing.assert_close(result, expected)
        for first, second in zip(
            torch.autograd.grad(result, inputs, probe), expected_gradients, strict=True
        ):
            torch.testing.assert_close(first, second)


@pytest.mark.parametrize("noise_batch", [1, 3])
def test_finish_layer_has_right_second_derivatives(noise_batch: int) -> None:
    inputs = [
        drawn(3, 2, 2, 3),
        drawn(3, 2, seed=1),
        drawn(2, seed=2),
        drawn(noise_batch, 1, 2, 3, seed=3),
    ]
    for tensor in inputs:
        tensor.requires_grad_()
    assert torch.autograd.gradcheck(finish_layer, inputs)
    assert torch.autograd.gradgradcheck(finish_layer, inputs)


def test_scale_channels_has_right_first_and_second_derivatives() -> None:
    features, factors = drawn(3, 2, 2, 3).requires_grad_(), drawn(3, 2, seed=1).requires_grad_()
    expected = features * factors[:, :, None, None]
    torch.testing.assert_close(scale_channels(features, factors), expected)
    assert torch.autograd.gradcheck(scale_channels, (features, factors))
    assert torch.autograd.gradgradcheck(scale_channels, (features, factors))


@pytest.mark.parametrize("upsample", [False, True], ids=["same", "up"])
def test_modulated_convolution_has_right_second_derivatives(upsample: bool) -> None:
    inputs = [drawn(2, 2, 3, 2), drawn(2, 2, 3, 3, seed=1), drawn(2, 2, seed=2)]
    for tensor in inputs:
        tensor.requires_grad_()

    def function(*parts: torch.Tensor) -> torch.Tensor:
        return modulated_convolution(*parts, upsample=upsample)

    assert torch.autograd.gradgradcheck(function, inputs)
