"""Input saliency."""

import torch
from torch import Tensor, nn

from adavit.diagnostics.discriminator.saliency import gradient_norms, input_gradients, saliency_maps


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
    torch.testing.assert_close(gradient_norms(gradients), weights.double().norm().expand(2))
    assert not images.requires_grad


def test_the_length_of_a_gradient_whose_square_overflows_is_told() -> None:
    expected = torch.full((2,), 1e25 * 192**0.5, dtype=torch.float64)
    torch.testing.assert_close(gradient_norms(torch.full((2, 3, 8, 8), 1e25)), expected)
