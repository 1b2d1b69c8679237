"""The spectral norm of a weight against its singular values."""

import pytest
import torch
from torch import Tensor

from adavit.models.spectral_norm import spectral_norm


def norm_by_svd(weight: Tensor) -> Tensor:
    return torch.linalg.svdvals(weight.detach().double().flatten(1))[0].to(weight.dtype)


@pytest.mark.parametrize("shape", [(7, 7), (96, 32), (32, 96), (5, 3, 4, 4), (1, 9), (384, 96)])
def test_the_norm_is_the_largest_singular_value(shape: tuple[int, ...]) -> None:
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(1)) * 0.03
    torch.testing.assert_close(spectral_norm(weight), norm_by_svd(weight), rtol=1e-3, atol=0)


def test_the_norm_holds_without_a_gap_between_singular_values() -> None:
    left = torch.linalg.qr(torch.randn(300, 300, generator=torch.Generator().manual_seed(0)))[0]
    for values in (torch.ones(300), 1 - torch.arange(300) / 3e5, torch.linspace(1, 0.99, 300)):
        norm = spectral_norm((left * values) @ left.T)
        assert 1 - 0.003 < norm.item() < 1 + 1e-5


def test_the_gradient_of_the_norm_is_that_of_the_singular_value() -> None:
    weight = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(spectral_norm(weight), weight)
    left, _, right = torch.linalg.svd(weight.detach())
    torch.testing.assert_close(gradient, torch.outer(left[:, 0], right[0]), rtol=0, atol=1e-8)


def test_norms_are_exact_under_autocast() -> None:
    weight = torch.randn(48, 24, generator=torch.Generator().manual_seed(2))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(spectral_norm(weight), norm_by_svd(weight), rtol=1e-4, atol=0)
