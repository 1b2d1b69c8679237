import numpy as np
import pytest
import torch

from adavit.augment import AugmentPipe
from tests.augment.helpers import random_images
from tests.references import augment_reference as reference


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
