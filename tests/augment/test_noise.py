import pytest
import torch

from adavit.augment import AugmentPipe, Noise
from tests.augment.helpers import random_images


def test_noise_adds_the_field_times_sigma() -> None:
    images = random_images(2, 3, 5, 7)
    field = random_images(2, 3, 5, 7, seed=1)
    values = {"sigma": torch.tensor([0.5, 0.0]), "field": field}
    found = Noise(noise=1).transform(images, values)
    torch.testing.assert_close(found[0], images[0] + 0.5 * field[0], rtol=0, atol=1e-12)
    assert torch.equal(found[1], images[1])


def test_noise_in_quantile_mode_has_the_strength_of_the_published_convention() -> None:
    values = AugmentPipe(noise=1).sample((2, 3, 64, 64), quantile=0.6)["noise"]
    expected = 0.1 * torch.erfinv(torch.tensor(0.6))
    torch.testing.assert_close(values["sigma"], expected.expand(2), rtol=1e-6, atol=0)
    assert values["field"].std().item() == pytest.approx(1, abs=0.03)


def test_noise_is_as_strong_as_its_scale() -> None:
    weak, strong = (
        AugmentPipe(noise=1, noise_std=std).sample((2, 3, 8, 8), quantile=0.6)["noise"]["sigma"]
        for std in (0.1, 0.3)
    )
    torch.testing.assert_close(strong, 3 * weak)
