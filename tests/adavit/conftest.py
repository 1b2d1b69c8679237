"""A small encoder for the tests of several rooms."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from adavit.models.vit.discriminator import ViTDiscriminator

ARGUMENTS: dict[str, Any] = {
    "resolution": 16,
    "image_channels": 3,
    "num_classes": 0,
    "patch": 4,
    "width": 16,
    "depth": 2,
    "heads": 2,
}


@pytest.fixture
def discriminator() -> Callable[..., ViTDiscriminator]:
    """Makes small ones; the same seed draws the same weights."""

    def make(seed: int = 0, **changes: Any) -> ViTDiscriminator:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return ViTDiscriminator(**{**ARGUMENTS, **changes})

    return make
