import torch

from adavit.training.objectives.losses import discriminator_loss, generator_loss
from adavit.training.objectives.penalties import r1_penalty


def test_losses_equal_their_logarithms() -> None:
    real = torch.tensor([-3.0, 0.0, 2.5], dtype=torch.float64)
    fake = torch.tensor([1.0, -0.5, 4.0], dtype=torch.float64)
    expected_g = -torch.log(torch.sigmoid(fake))
    expected_d = -torch.log(torch.sigmoid(real)) - torch.log(1 - torch.sigmoid(fake))
    torch.testing.assert_close(generator_loss(fake), expected_g, rtol=1e-12, atol=0)
    torch.testing.assert_close(discriminator_loss(real, fake), expected_d, rtol=1e-12, atol=0)


def test_losses_stay_finite_where_logarithms_would_not() -> None:
    assert generator_loss(torch.tensor([-1e4])).item() == 1e4


def test_r1_of_a_quadratic_form_has_a_closed_form() -> None:
    # D(x) = sum a x^2, so the gradient is 2 a x and the penalty 4 sum a^2 x^2.
    factor = torch.randn(3, 5, 7, dtype=torch.float32)
    images = torch.randn(4, 3, 5, 7, requires_grad=True)
    penalty = r1_penalty((factor * images.square()).sum(dim=(1, 2, 3)), images)
    expected = 4 * (factor * images).square().sum(dim=(1, 2, 3))
    torch.testing.assert_close(penalty, expected)


def test_r1_is_differentiable_in_the_weights() -> None:
    weight = torch.tensor(1.5, requires_grad=True)
    images = torch.randn(2, 1, 3, 3, requires_grad=True)
    penalty = r1_penalty((weight * images.square()).sum(dim=(1, 2, 3)), images).sum()
    (gradient,) = torch.autograd.grad(penalty, weight)
    torch.testing.assert_close(gradient, 8 * weight.detach() * images.detach().square().sum())
