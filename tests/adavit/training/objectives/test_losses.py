import pytest
import torch
from torch import Tensor

from adavit.training.objectives.losses import (
    LOSSES,
    TopK,
    discriminator_loss,
    generator_loss,
    largest_logits,
)

REAL = torch.tensor([-3.0, 0.0, 0.4, 2.5], dtype=torch.float64)


FAKE = torch.tensor([1.0, -0.5, 0.4, -4.0], dtype=torch.float64)


def sigmoid(x: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-x))


def test_hinge_is_flat_beyond_its_margins() -> None:
    loss = LOSSES["hinge"]
    expected = torch.tensor([4 + 2, 1 + 0.5, 0.6 + 1.4, 0 + 0], dtype=torch.float64)
    torch.testing.assert_close(loss.discriminator(REAL, FAKE), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(loss.generator(FAKE, REAL), -FAKE, rtol=0, atol=0)


def test_wasserstein_is_the_difference_of_the_logits() -> None:
    loss = LOSSES["wasserstein"]
    torch.testing.assert_close(loss.discriminator(REAL, FAKE), FAKE - REAL, rtol=0, atol=0)
    torch.testing.assert_close(loss.generator(FAKE, REAL), -FAKE, rtol=0, atol=0)


def test_relativistic_equals_its_logarithms() -> None:
    loss = LOSSES["relativistic"]
    d_expected, g_expected = -torch.log(sigmoid(REAL - FAKE)), -torch.log(sigmoid(FAKE - REAL))
    torch.testing.assert_close(loss.discriminator(REAL, FAKE), d_expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(loss.generator(FAKE, REAL), g_expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", LOSSES)
def test_each_network_gains_by_the_side_it_is_on(name: str) -> None:
    real, fake = torch.zeros(3, requires_grad=True), torch.zeros(3, requires_grad=True)
    loss = LOSSES[name]
    d_real, d_fake = torch.autograd.grad(loss.discriminator(real, fake).sum(), (real, fake))
    (g_fake,) = torch.autograd.grad(loss.generator(fake, real).sum(), fake)
    assert (d_real < 0).all()
    assert (d_fake > 0).all()
    assert (g_fake < 0).all()


@pytest.mark.parametrize(("name", "changes"), [("hinge", True), ("relativistic", False)])
def test_only_the_hinge_has_a_threshold(name: str, changes: bool) -> None:
    loss = LOSSES[name].discriminator
    same = torch.allclose(loss(REAL + 3, FAKE + 3), loss(REAL, FAKE), rtol=1e-9)
    assert same is not changes


def test_top_k_keeps_the_best_and_fewer_with_each_epoch() -> None:
    top = TopK(0.5, epoch_images=100)
    logits = torch.tensor([3.0, -1, 2, 0])
    assert largest_logits(logits, top.count(4, 0)).tolist() == [0, 2, 3, 1]
    assert largest_logits(logits, top.count(4, 100 * 69)).tolist() == [
        0,
        2,
    ]  # 0.99^69 is just below 0.5
    counts = [top.count(100, 100 * epoch) for epoch in (0, 1, 2, 20, 68, 69, 1000)]
    assert counts == [100, 99, 99, 82, 51, 50, 50]
    assert TopK(0.01, 1).count(4, 10**6) == 1
    assert TopK(0.55, 1).count(100, 10**6) == 55  # 0.55 * 100 is 55.000000000000007


def test_losses_equal_their_logarithms() -> None:
    real = torch.tensor([-3.0, 0.0, 2.5], dtype=torch.float64)
    fake = torch.tensor([1.0, -0.5, 4.0], dtype=torch.float64)
    expected_g = -torch.log(torch.sigmoid(fake))
    expected_d = -torch.log(torch.sigmoid(real)) - torch.log(1 - torch.sigmoid(fake))
    torch.testing.assert_close(generator_loss(fake), expected_g, rtol=1e-12, atol=0)
    torch.testing.assert_close(discriminator_loss(real, fake), expected_d, rtol=1e-12, atol=0)


def test_losses_stay_finite_where_logarithms_would_not() -> None:
    assert generator_loss(torch.tensor([-1e4])).item() == 1e4
