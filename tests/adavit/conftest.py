"""What tests of several rooms start from: a cache of their own, pictures, the smallest run, a small encoder."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from adavit.config.layers import build_config
from adavit.config.run import RunConfig
from adavit.models.vit.discriminator import ViTDiscriminator
from tests.networks import VIT, make_vit

Layer = dict[str, dict[str, Any]]
ARGUMENTS: dict[str, Any] = {
    **VIT,
    "resolution": 16,
    "image_channels": 3,
    "num_classes": 0,
    "patch": 4,
    "width": 16,
    "depth": 2,
    "heads": 2,
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADAVIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Sixty 16x16 images in two classes: squares and stripes of random colours."""
    return draw_pictures(tmp_path / "pictures")


def draw_pictures(path: Path) -> Path:
    """The images of `pictures`, in a folder of one's own."""
    rng = np.random.default_rng(0)
    for index in range(60):
        image = np.full((16, 16, 3), rng.integers(0, 256, 3), np.uint8)
        kind = "squares" if index % 2 else "stripes"
        if kind == "squares":
            image[4:12, 4:12] = rng.integers(0, 256, 3)
        else:
            image[::4] = rng.integers(0, 256, 3)
        folder = path / kind
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{index:03d}.png")
    return path


@pytest.fixture
def tiny(pictures: Path, tmp_path: Path) -> Callable[..., RunConfig]:
    """Makes configurations of a run that takes a second; layers are laid over it."""
    return functools.partial(tiny_config, pictures, tmp_path / "run")


def tiny_config(pictures: Path, out: Path, *layers: Layer) -> RunConfig:
    """What `tiny` makes."""
    base: Layer = {
        "data": {"source": str(pictures), "val_fraction": 0.2},
        "generator": {"latent_dim": 8, "style_dim": 8, "channel_base": 64, "channel_max": 8},
        "discriminator": {"kind": "vit", "width": 16, "heads": 2, "depth": 1},
        "training": {"total_kimg": 0.064, "batch": 8, "warmup_kimg": 0.016},
        "augment": {"speed_kimg": 0.2, "initial_p": 0.5},
        "metrics": {"extractor": "random", "fakes": 20, "every_kimg": 0.032},
        "run": {"status_every_kimg": 0.016, "out": str(out)},
    }
    return build_config([base, *layers])


@pytest.fixture
def discriminator() -> Callable[..., ViTDiscriminator]:
    """Makes small ones; the same seed draws the same weights."""

    def make(seed: int = 0, **changes: Any) -> ViTDiscriminator:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return make_vit(**{**ARGUMENTS, **changes})

    return make
