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


def test_an_operation_that_writes_into_what_it_is_given_changes_open_images_alone() -> None:
    images = random_images(4, 3, 8, 8)
    given, pipe = images.clone(), AugmentPipe(extra=[(lambda x: x.mul_(0), 1.0)])
    for p in (0.0, 1.0):
        pipe.p.fill_(p)
        assert torch.equal(pipe(images), given * (1 - p))
        assert torch.equal(images, given)


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


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_autocast_does_not_round_the_filters(dtype: torch.dtype) -> None:
    images = random_images(2, 3, 17, 11, dtype=dtype)
    for operation in (
        kornia.augmentation.RandomAffine(degrees=20.0, translate=(0.1, 0.1), p=1.0),
        kornia.augmentation.RandomPerspective(p=1.0),
        kornia.augmentation.RandomGaussianBlur((3, 3), (0.5, 2.0), p=1.0),
    ):
        pipe = AugmentPipe(extra=[(operation, 1.0)])
        expected = pipe(images.float(), generator=torch.Generator().manual_seed(3)).to(dtype)
        assert not torch.equal(expected, images)
        for enabled in (False, True):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
                found = pipe(images, generator=torch.Generator().manual_seed(3))
            assert torch.equal(found, expected)


def test_operations_see_single_precision_outside_autocast() -> None:
    seen = []

    def look(images: Tensor) -> Tensor:
        seen.append((images.dtype, torch.is_autocast_enabled("cpu")))
        return images

    pipe = AugmentPipe(extra=[(look, 1.0)])
    dtypes = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for dtype in dtypes:
            images = random_images(2, 3, 5, 7, dtype=dtype)
            assert torch.equal(pipe(images), images)
    assert seen == [
        (torch.float64 if each == torch.float64 else torch.float32, False) for each in dtypes
    ]


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
