import math

import torch

from adavit.training.objectives.penalties import (
    finite_difference_penalty,
    path_lengths,
    r1_penalty,
    unit_gradient_penalty,
)


def test_the_unit_gradient_penalty_of_a_linear_critic_has_a_closed_form() -> None:
    weight = torch.randn(3, 5, 7)
    images = torch.randn(4, 3, 5, 7, requires_grad=True)
    found = unit_gradient_penalty(r1_penalty((weight * images).sum(dim=(1, 2, 3)), images))
    torch.testing.assert_close(found, ((weight.norm() - 1) ** 2).expand(4), rtol=1e-5, atol=0)


def test_the_unit_gradient_penalty_has_a_gradient_where_the_critic_is_flat() -> None:
    weight = torch.zeros(3, 5, 7, requires_grad=True)
    images = torch.randn(4, 3, 5, 7, requires_grad=True)
    slopes = r1_penalty((weight * images).sum(dim=(1, 2, 3)), images)
    penalty = unit_gradient_penalty(slopes).sum()
    (gradient,) = torch.autograd.grad(penalty, weight)
    assert torch.isfinite(gradient).all()


def test_finite_differences_average_to_the_squared_slope() -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(5, 7, generator=generator, dtype=torch.float64)
    image = torch.randn(5, 7, generator=generator, dtype=torch.float64)
    noise = torch.randn(200_000, 5, 7, generator=generator, dtype=torch.float64)

    def judge(images: torch.Tensor) -> torch.Tensor:  # quadratic: curvature 0.6 in every direction
        return (weight * images + 0.3 * images.square()).sum(dim=(1, 2))

    slope = (weight + 0.6 * image).square().sum()
    sigma = 0.1
    central = finite_difference_penalty(
        judge(image + sigma * noise), judge(image - sigma * noise), 2 * sigma
    ).mean()
    forward = finite_difference_penalty(judge(image + sigma * noise), judge(image[None]), sigma)
    # Of a quadratic form the central difference is exact; E[(sum n^2)^2] = d (d + 2).
    bias = (0.3 * sigma) ** 2 * 35 * 37
    torch.testing.assert_close(central, slope, rtol=0.02, atol=0)  # 4 sigma of sqrt(2 / 200,000)
    torch.testing.assert_close(forward.mean(), slope + bias, rtol=0.02, atol=0)


def test_path_lengths_of_a_linear_generator_have_a_closed_form() -> None:
    # G(w) = sum over layers of A_l w_l, so J_l^T y = A_l^T y.
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(2, 3 * 4 * 5, 6, generator=generator)
    styles = torch.randn(7, 2, 6, generator=generator, requires_grad=True)
    images = torch.einsum("lpw,blw->bp", matrix, styles).view(7, 3, 4, 5)
    noise = torch.randn(7, 3, 4, 5, generator=generator)
    pulled = torch.einsum("lpw,bp->blw", matrix, noise.flatten(1)) / math.sqrt(4 * 5)
    expected = pulled.square().sum(dim=2).mean(dim=1).sqrt()
    torch.testing.assert_close(path_lengths(images, styles, noise), expected, rtol=1e-5, atol=1e-6)


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
