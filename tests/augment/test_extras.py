import kornia
import pytest
import torch
from torch import Tensor

from adavit.augment import AugmentPipe
from tests.augment.helpers import random_images


def negate(images: Tensor) -> Tensor:
    return -images


def test_extra_operations_happen_with_their_multiplier_times_p() -> None:
    pipe = AugmentPipe(extra=[(negate, 0.5)])
    images = torch.ones(4000, 1, 1, 1)
    for p in (0.0, 0.6, 1.0):
        pipe.p.fill_(p)
        rate = (pipe(images) == -1).float().mean().item()
        assert rate == pytest.approx(0.5 * p, abs=0.04)
        assert p > 0 or torch.equal(pipe(images), images)


def test_extra_operations_come_last_and_are_left_out_of_quantile_mode() -> None:
    images = random_images(2, 3, 8, 8)
    pipe = AugmentPipe(cutout=1, extra=[(lambda x: x + 1, 1.0)])
    found = pipe(images)
    assert (found == 1).all(1).any()  # the box was cut before 1 was added
    assert (found >= 0).all()
    assert torch.equal(pipe(images, quantile=0.4), AugmentPipe(cutout=1)(images, quantile=0.4))


def test_kornia_modules_get_the_range_they_expect() -> None:
    seen: list[tuple[float, float]] = []

    class Seen(kornia.augmentation.RandomInvert):
        def forward(self, images: Tensor, *args: object, **keywords: object) -> Tensor:
            seen.append((images.min().item(), images.max().item()))
            return super().forward(images, *args, **keywords)

    images = random_images(2, 3, 8, 8, dtype=torch.float32)
    pipe = AugmentPipe(extra=[(Seen(p=1.0), 1.0)])
    # Inverting 1 - x in [0, 1] is negation in [-1, 1].
    torch.testing.assert_close(pipe(images), -images, rtol=0, atol=1e-6)
    assert seen[0][0] >= 0
    assert seen[0][1] <= 1


def test_gradients_pass_through_kornia_where_it_does_not_clamp() -> None:
    images = (0.5 * random_images(2, 3, 8, 8, dtype=torch.float32)).requires_grad_()
    pipe = AugmentPipe(extra=[(kornia.augmentation.RandomHorizontalFlip(p=1.0), 1.0)])
    pipe(images).sum().backward()
    torch.testing.assert_close(images.grad, torch.ones_like(images))


def test_extras_that_are_no_operations_are_refused() -> None:
    with pytest.raises(ValueError, match=r"extra has \(3, 1.0\), but must be pairs of a callable"):
        AugmentPipe(extra=[(3, 1.0)])  # type: ignore[list-item]
    with pytest.raises(ValueError, match=r"extra has .*2.0\), but must be pairs"):
        AugmentPipe(extra=[(negate, 2.0)])
    with pytest.raises(ValueError, match=r"returned shape \(1, 3, 4, 2\) for \(1, 3, 4, 4\)"):
        AugmentPipe(extra=[(lambda x: x[..., :2], 1.0)])(torch.zeros(1, 3, 4, 4))
