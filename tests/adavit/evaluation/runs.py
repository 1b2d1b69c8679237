"""Folders of images, runs that were never trained, and what is told, for the tests of evaluations."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from adavit.config.auto import RunFacts, resolve
from adavit.config.run import RunConfig
from adavit.data import load_images
from adavit.metrics.extractors.random_features import RandomFeatures
from adavit.runs.generator_file import read_generator, save_generator
from adavit.runs.metadata import UNKNOWN
from adavit.runtime.resolution import Resolution
from adavit.training.start.stored_settings import config_text
from tests.networks import GENERATOR, make_generator

SIDE = 16
CLASS_SIZES = {"dark": 30, "light": 10}


def draw(folder: Path, sizes: dict[str, int], seed: int) -> Path:
    rng = np.random.default_rng(seed)
    for name, count in sizes.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            pixels = rng.integers(0, 128, (SIDE, SIDE, 3)) + 100 * (name == "light")
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{index}.png")
    return folder


def make_run(
    path: Path, data: Path, *, cond: bool = False, side: int = SIDE, **section: Any
) -> Path:
    """A run directory as `evaluate` needs it: settings and a generator."""
    images = load_images(str(data), resolution=side, channels="rgb")
    config = resolve(
        RunConfig.model_validate(
            {
                "data": {"source": str(data), "resolution": side, "cond": cond, **section},
                "metrics": {"extractor": "random", "fakes": 30},
            }
        ),
        RunFacts(resolution=Resolution.of(side), training_images=20, device="cpu"),
    )
    arguments = {"resolution": side, "image_channels": 3, "num_classes": 2 if cond else 0}
    arguments |= {"latent_dim": 6, "style_dim": 6, "channel_base": 64, "channel_max": 8}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generator = make_generator(**arguments).eval()
    path.mkdir()
    (path / "config.yaml").write_text(config_text(config))
    save_generator(
        path / "generator-best.safetensors",
        generator,
        arguments={**GENERATOR, **arguments},
        config=config.as_dict(),
        data_fingerprint=images.fingerprint,
        images=1234,
        metric=None,
        classes=images.classes if cond else (),
        label_counts=[15, 5] if cond else None,
    )
    return path


def as_imported(run: Path) -> Path:
    """The run, its generator written as `adavit import` does: nobody knows which images it was trained on."""
    file = run / "generator-best.safetensors"
    stored = read_generator(file)
    save_generator(
        file,
        stored.generator,
        arguments=stored.arguments,
        config=stored.config,
        data_fingerprint=UNKNOWN,
        images=stored.images,
        metric=None,
        classes=(),
        label_counts=None,
        origin="stylegan2:cats.pkl",
    )
    return run


def features_of(images: np.ndarray) -> torch.Tensor:
    return RandomFeatures()(torch.from_numpy(np.array(images)))
