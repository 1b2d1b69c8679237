import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from adavit.augment import PRESETS
from adavit.augment.settings import OPERATIONS
from tests.augment.helpers import EVERYTHING, pipe_of, random_images


def fixed(name: str, images: Tensor) -> object:
    """The pipe of a name with parameters drawn once, from a seed."""
    pipe = pipe_of(name)
    values = pipe.sample(images.shape, torch.Generator().manual_seed(11))
    return lambda value: pipe.transform(value, values)


@pytest.mark.parametrize("name", [*OPERATIONS, *PRESETS, EVERYTHING, "diffaug"])
@pytest.mark.parametrize("shape", [(2, 3, 5, 4), (2, 1, 3, 6), (1, 4, 4, 4)])
def test_first_and_second_derivatives_are_those_of_finite_differences(
    name: str, shape: tuple[int, ...]
) -> None:
    images = random_images(*shape).requires_grad_()
    work = fixed(name, images)
    assert gradcheck(work, (images,), fast_mode=True)
    assert gradgradcheck(work, (images,), fast_mode=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["blit", "geom", "color", "filter", EVERYTHING])
def test_every_element_of_the_derivatives_is_that_of_finite_differences(name: str) -> None:
    images = random_images(1, 3, 3, 4).requires_grad_()
    work = fixed(name, images)
    assert gradcheck(work, (images,))
    assert gradgradcheck(work, (images,))


@pytest.mark.parametrize("name", ["filter", EVERYTHING])
def test_derivatives_of_axes_long_enough_for_convolution(name: str) -> None:
    images = random_images(1, 1, 66, 3).requires_grad_()
    work = fixed(name, images)
    assert gradcheck(work, (images,), fast_mode=True)
    assert gradgradcheck(work, (images,), fast_mode=True)


def logits(images: Tensor) -> Tensor:
    """A discriminator that is not linear, with fixed weights."""
    weight = torch.linspace(-1, 1, images[0].numel(), dtype=images.dtype).view(images[0].shape)
    return torch.tanh(images * weight).square().sum((1, 2, 3)) + (images[..., :-1] ** 3).mean()


@pytest.mark.parametrize("name", ["bgc", EVERYTHING, "diffaug"])
def test_r1_through_the_pipe_equals_finite_differences(name: str) -> None:
    images = random_images(2, 3, 8, 7)
    work = fixed(name, images)

    def penalty(value: Tensor) -> Tensor:
        value = value.requires_grad_()
        (gradient,) = torch.autograd.grad(logits(work(value)).sum(), value, create_graph=True)
        return gradient.square().sum()

    # The penalty itself, from differences of the logits along every pixel.
    step = 1e-6
    gradient = torch.zeros_like(images)
    for index in range(images.numel()):
        offset = torch.zeros_like(images).view(-1)
        offset[index] = step
        offset = offset.view(images.shape)
        up, down = (logits(work(images + sign * offset)).sum() for sign in (1, -1))
        gradient.view(-1)[index] = (up - down) / (2 * step)
    assert penalty(images.clone()).item() == pytest.approx(gradient.square().sum().item(), rel=1e-6)

    # And its gradient along a direction, from differences of the penalty.
    direction = random_images(*images.shape, seed=5)
    value = images.clone().requires_grad_()
    (slope,) = torch.autograd.grad(penalty(value), value)
    up, down = (penalty((images + sign * 1e-5 * direction).detach()) for sign in (1, -1))
    expected = (up - down).item() / 2e-5
    assert (slope * direction).sum().item() == pytest.approx(expected, rel=1e-5)


def test_functional_gradients_and_hessian_products_work() -> None:
    images = random_images(2, 3, 6, 5)
    work = fixed(EVERYTHING, images)
    value = images.clone().requires_grad_()
    (expected,) = torch.autograd.grad(logits(work(value)).sum(), value)

    def total(value: Tensor) -> Tensor:
        return logits(work(value)).sum()

    torch.testing.assert_close(torch.func.grad(total)(images), expected, rtol=0, atol=1e-12)
    _, pull = torch.func.vjp(torch.func.grad(total), images)
    (product,) = pull(torch.ones_like(images))
    assert product.isfinite().all()
    batch = torch.stack([images, images.flip(3)])
    each = torch.func.vmap(torch.func.grad(total))(batch)
    torch.testing.assert_close(each[0], expected, rtol=0, atol=1e-12)


def test_gradients_of_the_images_reach_through_forward_with_random_draws() -> None:
    images = random_images(2, 3, 17, 11, dtype=torch.float32).requires_grad_()
    pipe_of(EVERYTHING)(images).sum().backward()
    assert images.grad is not None
    assert images.grad.isfinite().all()
