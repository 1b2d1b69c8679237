import numpy as np
import pytest
import torch

from adavit.models.masked_patches.targets import class_count, mean_colour_classes
from adavit.runtime.patch import Patch


@pytest.mark.parametrize(
    ("channels", "high", "wide"), [(1, 4, 4), (3, 4, 4), (4, 4, 4), (3, 3, 5), (1, 6, 2)]
)
def test_classes_are_those_of_a_loop_over_patches(channels: int, high: int, wide: int) -> None:
    generator = torch.Generator().manual_seed(channels)
    images = torch.empty(3, channels, 12, 20).uniform_(-1.2, 1.2, generator=generator)
    images *= torch.rand(3, 1, 1, 1, generator=generator)  # some dull, some beyond the range
    images += torch.linspace(-0.9, 0.9, 20)
    before = images.clone()
    expected = []
    for image in images.double().numpy():
        for row in range(0, 12, high):
            for column in range(0, 20, wide):
                number = 0
                for channel in range(channels):
                    mean = image[channel, row : row + high, column : column + wide].mean()
                    number = 8 * number + int(np.clip(np.floor(8 * (mean + 1) / 2), 0, 7))
                expected.append(number)
    classes = mean_colour_classes(images, Patch(high, wide))
    assert classes.dtype == torch.int64
    assert classes.flatten().tolist() == expected
    assert torch.equal(images, before)
    assert len(set(expected)) > 5


@pytest.mark.parametrize(
    ("colour", "number"),
    [
        ((-1.0, -1.0, -1.0), 0),
        ((1.0, 1.0, 1.0), 511),
        ((1.0, -1.0, -1.0), 64 * 7),
        ((-1.0, 1.0, -1.0), 8 * 7),
        ((-1.0, -1.0, 1.0), 7),
        ((0.0, -0.25, 0.25), 64 * 4 + 8 * 3 + 5),  # on the borders of levels, which belong above
        ((1.5, -1.5, 0.99), 64 * 7 + 7),  # augmentation goes beyond the range
    ],
)
def test_known_colours_have_known_classes(colour: tuple[float, ...], number: int) -> None:
    images = torch.tensor(colour).view(1, 3, 1, 1).expand(1, 3, 4, 8)
    assert mean_colour_classes(images, Patch(4, 4)).tolist() == [[number, number]]


def test_grey_has_8_classes_rgb_512_and_rgba_4096() -> None:
    assert [class_count(channels) for channels in (1, 3, 4)] == [8, 512, 4096]
    white = torch.ones(1, 4, 2, 2)
    assert mean_colour_classes(white, Patch(2, 2)).tolist() == [[4095]]


def test_images_that_are_no_numbers_have_classes() -> None:
    images = torch.zeros(2, 3, 8, 8)
    images[0, 1, 0, 0], images[0, 0, 5, 5], images[1, 2, 7, 0] = torch.nan, torch.inf, -torch.inf
    middle, most, least = 4, 7, 0
    expected = torch.full((2, 4, 3), middle)
    expected[0, 3, 0], expected[1, 2, 2] = most, least
    assert torch.equal(
        mean_colour_classes(images, Patch(4, 4)), (expected * torch.tensor([64, 8, 1])).sum(2)
    )
