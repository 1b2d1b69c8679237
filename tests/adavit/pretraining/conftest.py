"""Small pictures, and the smallest pre-training that does everything."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from adavit.config.pretraining import PretrainConfig, build_pretrain_config

Layer = dict[str, dict[str, Any]]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADAVIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Forty 16x16 images of a few colours."""
    rng = np.random.default_rng(0)
    (tmp_path / "pictures").mkdir()
    for index in range(40):
        image = np.full((16, 16, 3), rng.integers(0, 256, 3), np.uint8)
        image[4:12, 4:12] = rng.integers(0, 256, 3)
        Image.fromarray(image).save(tmp_path / "pictures" / f"{index:03d}.png")
    return tmp_path / "pictures"


@pytest.fixture
def tiny(pictures: Path, tmp_path: Path) -> Callable[..., PretrainConfig]:
    """Makes configurations of a pre-training that takes a second; layers are laid over it."""

    def make(*layers: Layer) -> PretrainConfig:
        base: Layer = {
            "data": {"source": str(pictures), "val_fraction": 0.25},
            "discriminator": {"width": 16, "heads": 2, "depth": 1, "patch": 4},
            "pretraining": {"total_kimg": 0.064, "batch": 8, "measure_every_kimg": 0.016},
            "run": {"out": str(tmp_path / "pretrained")},
        }
        return build_pretrain_config([base, *layers])

    return make
