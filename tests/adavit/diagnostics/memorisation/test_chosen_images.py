import numpy as np
import torch

from adavit.diagnostics.memorisation.chosen_images import ChosenImages, visible
from tests.adavit.diagnostics.conftest import random_images


def test_chosen_images_come_in_their_order_and_their_flips_after_them() -> None:
    images = random_images(6)
    chosen = ChosenImages.of(images.numpy(), np.array([4, 0, 3]))
    expected = images[[4, 0, 3]]
    assert chosen[:].equal(expected)
    both = chosen.with_flips()
    assert len(both) == 6
    assert both[:].equal(torch.cat([expected, expected.flip(-1)]))
    assert both[torch.tensor([5, 1])].equal(torch.stack([images[3].flip(-1), images[0]]))
    assert both.with_flips()[6:].equal(both[:].flip(-1))


def test_what_is_read_is_a_copy() -> None:
    images = random_images(3)
    before = images.clone()
    ChosenImages.of(images.numpy()).with_flips()[:].zero_()
    assert images.equal(before)


def test_rgba_is_seen_on_black_and_others_as_they_are() -> None:
    images = random_images(2, channels=4)
    images[0, 3] = 0
    images[1, 3] = 255
    assert visible(images).equal(torch.stack([torch.zeros_like(images[0, :3]), images[1, :3]]))
    assert visible(images[:, :1]).equal(images[:, :1])
