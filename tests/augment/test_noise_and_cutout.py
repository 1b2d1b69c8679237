import numpy as np
import pytest
import torch

from adavit.augment import AugmentPipe, Noise
from tests.augment.helpers import random_images
from tests.references import augment_reference as reference


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


@pytest.mark.parametrize("size", [0.5, 0.21])
@pytest.mark.parametrize("quantile", [0.03, 0.4, 0.93])
def test_cutout_equals_the_box_pixel_by_pixel(size: float, quantile: float) -> None:
    images = random_images(2, 3, 17, 11)
    found = AugmentPipe(cutout=1, cutout_size=size)(images, quantile=quantile)
    for image, result in zip(images.numpy(), found.numpy(), strict=True):
        expected = reference.cut_box(image, quantile, quantile, size)
        np.testing.assert_array_equal(result, expected)


def test_closed_cutout_returns_the_image_bit_for_bit() -> None:
    images = random_images(2, 3, 8, 8, dtype=torch.float32)
    pipe = AugmentPipe(cutout=1)
    pipe.p.fill_(0)
    assert torch.equal(pipe(images), images)
