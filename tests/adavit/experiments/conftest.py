"""Small pictures, and the smallest grid that does everything."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from adavit.config.layers import Values, merge
from adavit.experiments.cell import cells_of
from adavit.experiments.grid_file import read_grid
from adavit.experiments.queue import Queue
from adavit.models import Generator, ViTDiscriminator
from adavit.runs.generator_file import save_generator
from adavit.runs.trunk_file import save_trunk
from tests.adavit.experiments.queue_processes import open_queue, untimed
from tests.networks import GENERATOR, VIT

WriteGrid = Callable[..., Path]

BASE: dict[str, Any] = {
    "data": {"val_fraction": 0.2},
    "generator": {"latent_dim": 8, "style_dim": 8, "channel_base": 64, "channel_max": 8},
    "discriminator": {"kind": "vit", "width": 16, "heads": 2, "depth": 1},
    # Of the processes that tests start too, whatever this machine has.
    "training": {"total_kimg": 0.064, "batch": 8, "warmup_kimg": 0.016, "precision": "float32"},
    "metrics": {"extractor": "random", "fakes": 20, "every_kimg": 0.032},
    "run": {"status_every_kimg": 0.016},
}

SEARCH = {"training.r1_gamma": {"low": 0.01, "high": 10, "log": True}}
"""What a sweep draws."""


def compare_with_uninterrupted(path: str, interrupted: Path, whole: Path) -> None:
    """Every cell's records and weights are the same in both folders."""
    for cell in cells_of(read_grid(path)):
        assert untimed(interrupted / cell.digest) == untimed(whole / cell.digest)
        states = [
            torch.load(folder / cell.digest / "checkpoint.pt", weights_only=True)
            for folder in (interrupted, whole)
        ]
        for part in ("generator", "discriminator", "average"):
            for name, tensor in states[0][part].items():
                assert torch.equal(tensor, states[1][part][name]), f"{part}.{name}"


def make_weights(setting: str, file: Path, seed: int = 0) -> None:
    """A file that `training.transfer` or `training.init_discriminator` takes, drawn from a seed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    known: dict[str, Any] = {"config": {}, "data_fingerprint": "0" * 64, "images": 0}
    sizes: dict[str, Any] = {"resolution": 16}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if setting == "transfer":
            sizes |= {**GENERATOR, **BASE["generator"]}
            known |= {"metric": None, "classes": (), "label_counts": None}
            save_generator(file, Generator(**sizes), arguments=sizes, **known)
        else:
            sizes |= {**VIT, "width": 16, "heads": 2, "depth": 1}
            encoder = ViTDiscriminator(**sizes).encoder
            save_trunk(file, encoder, arguments=sizes, **known, figures={})


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADAVIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # of the processes that tests start
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Thirty 16x16 images of random colours."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(30):
        pixels = np.full((16, 16, 3), rng.integers(0, 256, 3), np.uint8)
        pixels[::4] = rng.integers(0, 256, 3)
        Image.fromarray(pixels).save(folder / f"{index:03d}.png")
    return folder


@pytest.fixture
def write_grid(pictures: Path, tmp_path: Path) -> WriteGrid:
    """Writes a grid of runs that take a second each."""

    def write(*layers: dict[str, Any], **keys: Any) -> Path:
        data = {"data": {"source": str(pictures)}}
        values = {
            "name": "tiny",
            "base": merge(BASE, data, *layers),
            "axes": {
                "augmentation": {
                    "none": {"augment": {"mode": "none"}},
                    "some": {"augment": {"mode": "fixed", "p": 0.5}},
                }
            },
            "baseline": {"augmentation": "none"},
            **keys,
        }
        path = tmp_path / "tiny.yaml"
        path.write_text(
            yaml.safe_dump({key: v for key, v in values.items() if v is not None}, sort_keys=False)
        )
        return path

    return write


@pytest.fixture
def write_sweep(pictures: Path, tmp_path: Path) -> Any:
    def write(*layers: Values, **keys: Any) -> str:
        values = {
            "name": "tiny",
            "base": merge(BASE, {"data": {"source": str(pictures)}}, *layers),
            "search": SEARCH,
            "trials": 3,
            **keys,
        }
        path = tmp_path / "tiny.yaml"
        path.write_text(yaml.safe_dump(values))
        return str(path)

    return write


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return open_queue(tmp_path)
