"""Real images whose parts can be told, for the tests of the leak check."""

import numpy as np
import torch

from adavit.diagnostics.diagnosed_images import DiagnosedImages
from tests.adavit.diagnostics.conftest import image_set


def material(count: int, train: int, *, mirror: bool = False) -> DiagnosedImages:
    """Real images that can be told apart by their first byte."""
    images = torch.arange(count, dtype=torch.uint8)[:, None, None, None].repeat(1, 1, 4, 4)
    images[..., -1] = 255
    order = np.random.Generator(np.random.PCG64(0)).permutation(count)
    return DiagnosedImages(
        fakes=images[:5],
        fake_names=None,
        real=image_set(images),
        train=np.sort(order[:train]),
        unseen=np.sort(order[train:]),
        mirror=mirror,
        config=None,
        highest_p=None,
        protocol={"seed": 0},
    )


def numbers(images: torch.Tensor) -> set[int]:
    return {int(image.min()) for image in images}


def half_dark(count: int, seed: int) -> torch.Tensor:
    """Grey noise whose left half is dark: a mirror is plain to see."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(100, 200, (count, 1, 8, 8), generator=generator)
    images[..., :4] -= 100
    return images.to(torch.uint8)
