import pytest
import torch
from torch import Tensor

from adavit.training.objectives.losses import LOSSES

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
