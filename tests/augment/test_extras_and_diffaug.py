import kornia
import pytest
import torch
from torch import Tensor

from adavit.augment import AugmentPipe, DiffAugment, make_pipe
from adavit.augment.diffaug import change_colors, translate
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


def test_diffaug_ignores_p_and_is_a_preset() -> None:
    pipe = make_pipe("diffaug")
    assert isinstance(pipe, DiffAugment)
    images = random_images(4, 3, 16, 12)
    first = pipe(images, generator=torch.Generator().manual_seed(1))
    pipe.p.fill_(0)
    assert torch.equal(pipe(images, generator=torch.Generator().manual_seed(1)), first)
    assert not torch.equal(first, images)


def test_diffaug_colors_follow_the_definitions() -> None:
    images = random_images(2, 3, 5, 7)
    values = {
        "brightness": torch.tensor([0.3, -0.2], dtype=torch.float64),
        "saturation": torch.tensor([0.0, 1.7], dtype=torch.float64),
        "contrast": torch.tensor([1.4, 0.6], dtype=torch.float64),
    }
    found = change_colors(images, values)
    for index in range(2):
        brightness, saturation, contrast = (values[name][index] for name in values)
        image = images[index] + brightness
        mean = image.mean(0, keepdim=True)
        image = (image - mean) * saturation + mean
        image = (image - image.mean()) * contrast + image.mean()
        torch.testing.assert_close(found[index], image, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("x", "y"), [(2, -1), (0, 0), (-3, 4)])
def test_diffaug_translation_brings_in_zeros(x: int, y: int) -> None:
    images = random_images(1, 2, 5, 7)
    values = {"shift_x_px": torch.tensor([float(x)]), "shift_y_px": torch.tensor([float(y)])}
    found = translate(images, values)
    expected = torch.zeros_like(images)
    for row in range(5):
        for column in range(7):
            if 0 <= row - y < 5 and 0 <= column - x < 7:
                expected[0, :, row, column] = images[0, :, row - y, column - x]
    assert torch.equal(found, expected)


def test_diffaug_draws_stay_in_their_ranges() -> None:
    values = make_pipe("diffaug").sample((5000, 3, 32, 40))
    color, shift, box = values["color"], values["translation"], values["cutout"]
    for tensor, low, high in (
        (color["brightness"], -0.5, 0.5),
        (color["saturation"], 0.0, 2.0),
        (color["contrast"], 0.5, 1.5),
        (shift["shift_x_px"], -5, 5),
        (shift["shift_y_px"], -4, 4),
        (box["left_px"], -10, 30),
        (box["top_px"], -8, 24),
    ):
        assert low <= tensor.min() <= low + 0.02 * (high - low)
        assert high - 0.02 * (high - low) <= tensor.max() <= high


def test_diffaug_cutout_is_half_the_image() -> None:
    pipe = make_pipe("diffaug", policies=("cutout",))
    found = pipe(torch.ones(1, 1, 16, 12), quantile=0.5)
    assert (found == 0).sum() == 8 * 6
    assert repr(pipe).count("cutout") >= 1


def test_diffaug_policies_act_alone_and_unknown_ones_are_refused() -> None:
    images = random_images(3, 4, 16, 12)
    for policy in ("color", "translation", "cutout"):
        found = DiffAugment((policy,))(images)
        assert not torch.equal(found, images)
    assert torch.equal(DiffAugment(("color",))(images)[:, 3], images[:, 3])
    with pytest.raises(ValueError, match=r"policies has 'colour', but DiffAugment knows color"):
        DiffAugment(("colour",))
