"""A generator in which images are looked for, and what they are compared by."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from adavit.models import Generator
from adavit.projection.distance import Distance, PixelMaps
from adavit.projection.styles import StyleCloud, style_cloud
from adavit.styles.classes import ClassChoice
from tests.networks import GENERATOR, make_generator
from tests.stored_generators import store_generator

ARGUMENTS: dict[str, Any] = {
    **GENERATOR,
    "resolution": 8,
    "latent_dim": 6,
    "style_dim": 6,
    "channel_base": 64,
    "channel_max": 8,
    "mapping_lr_multiplier": 1.0,
}


def small_generator(**changes: Any) -> Generator:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make_generator(**{**ARGUMENTS, **changes}).eval().requires_grad_(False)


@pytest.fixture
def generator() -> Generator:
    return small_generator()


@pytest.fixture
def cloud(generator: Generator) -> StyleCloud:
    return style_cloud(generator, ClassChoice(), seed=0)


@pytest.fixture
def pixels() -> Distance:
    return Distance([PixelMaps()])


@pytest.fixture
def store(tmp_path: Path) -> Callable[..., Path]:
    """Writes a small generator by itself, without a run."""
    return functools.partial(store_generator, tmp_path / "stored.safetensors")
