"""Pictures that differ enough to be told apart, and the smallest run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from adavit.config.layers import build_config
from adavit.config.run import RunConfig
from adavit.data import ImageSet
from adavit.training.train import train


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADAVIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def random_images(count: int, seed: int = 0, channels: int = 3, side: int = 16) -> Tensor:
    """Coarse random patterns, uint8 [count, channels, side, side]."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randint(0, 256, (count, channels, 4, 4), generator=generator)
    return coarse.repeat_interleave(side // 4, 2).repeat_interleave(side // 4, 3).to(torch.uint8)


def write_images(folder: Path, images: Tensor) -> Path:
    """One PNG per image, in order."""
    folder.mkdir(parents=True)
    for index, image in enumerate(images):
        array = image.permute(1, 2, 0).numpy()
        Image.fromarray(array[..., 0] if array.shape[2] == 1 else array).save(
            folder / f"{index:04d}.png"
        )
    return folder


def image_set(images: Tensor) -> ImageSet:
    """A set that has no files."""
    return ImageSet("drawn", images.numpy(), None, (), "0" * 64, (), "drawn", ())


@pytest.fixture
def run_of() -> Callable[..., Path]:
    """Trains for four steps on a folder; layers are laid over the settings."""

    def make(data: Path, out: Path, *layers: dict[str, Any]) -> Path:
        base = {
            "data": {"source": str(data), "val_fraction": 0.25},
            "generator": {"latent_dim": 8, "style_dim": 8, "channel_base": 64, "channel_max": 8},
            "discriminator": {"kind": "vit", "width": 16, "heads": 2, "depth": 1},
            "training": {"total_kimg": 0.032, "batch": 8},
            "metrics": {"extractor": "random", "fakes": 20},
            "run": {"out": str(out)},
        }
        config: RunConfig = build_config([base, *layers])
        train(config)
        return out

    return make


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(0))
