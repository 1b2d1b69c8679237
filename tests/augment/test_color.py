import math

import kornia
import numpy as np
import pytest
import torch
from torch import Tensor

from adavit.augment import AugmentPipe, Color, color, make_pipe
from adavit.augment.color import color_map, map_colors
from tests.augment.helpers import random_images
from tests.references import augment_reference as reference

DRAWN = {
    "brightness": [0.2, -0.1, 0.0],
    "contrast_log2": [0.5, -1.0, 0.2],
    "luma_flipped": [1.0, 0.0, 1.0],
    "hue_turns": [0.1, -0.45, 0.25],
    "saturation_log2": [-0.7, 1.2, 0.0],
}


def drawn(*names: str) -> dict[str, Tensor]:
    return {name: torch.tensor(DRAWN[name], dtype=torch.float64) for name in names or DRAWN}


def expected_map(values: dict[str, Tensor], image: int) -> np.ndarray:
    value = {name: tensor[image].item() for name, tensor in values.items()}
    return reference.color_map(
        brightness=value.get("brightness", 0),
        contrast=2 ** value.get("contrast_log2", 0),
        flip=value.get("luma_flipped", 0),
        hue_angle=2 * math.pi * value.get("hue_turns", 0),
        saturation=2 ** value.get("saturation_log2", 0),
    )


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("names", [(), *((name,) for name in DRAWN)])
def test_colors_equal_the_composed_reference(channels: int, names: tuple[str, ...]) -> None:
    images, values = random_images(3, channels, 5, 7), drawn(*names)
    found = Color(hue=1).transform(images, values)
    for index in range(3):
        expected = reference.change_colors(images[index].numpy(), expected_map(values, index))
        np.testing.assert_allclose(found[index].numpy(), expected, rtol=0, atol=1e-12)


def test_alpha_is_copied_bit_for_bit() -> None:
    images = random_images(2, 4, 5, 7, dtype=torch.float32)
    found = make_pipe("color")(images, quantile=0.8)
    assert torch.equal(found[:, 3], images[:, 3])
    assert not torch.allclose(found[:, :3], images[:, :3])


def test_grey_images_skip_hue_and_saturation() -> None:
    images = random_images(2, 1, 5, 7)
    torch.testing.assert_close(
        AugmentPipe(hue=1, saturation=1)(images, quantile=0.9), images, rtol=0, atol=1e-12
    )


def test_full_turn_of_hue_is_identity() -> None:
    images = random_images(1, 3, 5, 7)
    values = {"hue_turns": torch.ones(1, dtype=torch.float64)}
    found = Color(hue=1).transform(images, values)
    torch.testing.assert_close(found, images, rtol=0, atol=1e-12)


def test_a_third_of_a_turn_of_hue_moves_red_to_green() -> None:
    red = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64).view(1, 3, 1, 1)
    values = {"hue_turns": torch.full((1,), 1 / 3, dtype=torch.float64)}
    found = Color(hue=1).transform(red, values).flatten()
    torch.testing.assert_close(found, torch.tensor([0.0, 1.0, 0.0]).double(), rtol=0, atol=1e-12)


def test_contrast_and_brightness_agree_with_kornia() -> None:
    images = random_images(1, 3, 5, 7) * 0.2 + 0.3  # where kornia does not clamp
    values = {
        "brightness": torch.tensor([0.1], dtype=torch.float64),
        "contrast_log2": torch.tensor([0.4], dtype=torch.float64),
    }
    brighter = kornia.enhance.adjust_brightness(images, 0.1)
    expected = kornia.enhance.adjust_contrast(brighter, 2**0.4)
    torch.testing.assert_close(
        Color(contrast=1).transform(images, values), expected, rtol=0, atol=1e-7
    )


def test_the_way_without_matrix_product_gives_the_same(monkeypatch) -> None:
    images = random_images(3, 3, 5, 7)
    mapping = color_map(drawn(), 3, images.dtype)
    expected = map_colors(images, **mapping)
    monkeypatch.setattr(color, "is_accelerator", lambda device: True)
    torch.testing.assert_close(map_colors(images, **mapping), expected, rtol=0, atol=1e-14)


def test_two_channels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"images has 2 channels, .*Switch off"):
        AugmentPipe(hue=1)(torch.zeros(1, 2, 4, 4))
