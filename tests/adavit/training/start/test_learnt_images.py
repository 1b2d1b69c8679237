import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import adavit
from adavit.config.pretraining import build_pretrain_config
from adavit.config.run import RunConfig
from adavit.data import Reading, load_images
from adavit.experiments.cell import Sources
from adavit.metrics.kinship import IMAGENET, mark_of, related
from adavit.models.vit.discriminator import ViTDiscriminator
from adavit.pretraining.pretrain import pretrain
from adavit.runs.trunk_file import StoredTrunk
from adavit.runtime.console import SilentConsole
from adavit.training.start.learnt_images import LearntImages
from tests.adavit.conftest import ARGUMENTS, Layer
from tests.telling import Told

CPU = torch.device("cpu")


def learnt(
    make: Callable[..., ViTDiscriminator],
    fingerprint: str,
    *,
    run: dict[str, Any] | None = None,
    **data: Any,
) -> LearntImages:
    trunk = StoredTrunk(
        encoder=make().encoder,
        arguments=dict(ARGUMENTS),
        config={"data": data, "run": run},
        data_fingerprint=fingerprint,
        images=0,
        figures={},
        path=Path("trunk.safetensors"),
    )
    found = LearntImages.of(trunk)
    assert found is not None
    return found


@pytest.fixture
def others(tmp_path: Path) -> Path:
    folder = tmp_path / "other flowers"
    folder.mkdir()
    noise = np.random.default_rng(7).integers(0, 255, (20, 16, 16, 3), np.uint8)
    for number, image in enumerate(noise):
        Image.fromarray(image).save(folder / f"{number}.png")
    return folder


def test_they_are_named_as_records_hold_networks(
    discriminator: Callable[..., ViTDiscriminator],
) -> None:
    named = learnt(discriminator, "0123", source="./other flowers").identity
    assert named == "adavit:other_flowers 0123"
    assert related([named], IMAGENET) == [named]  # what they show is not known
    assert learnt(discriminator, "0123").identity == "adavit:images 0123"
    assert LearntImages.of(object()) is None


def test_images_are_the_same_at_whatever_size_they_were_read(
    discriminator: Callable[..., ViTDiscriminator],
    tiny: Callable[..., RunConfig],
    pictures: Path,
    others: Path,
) -> None:
    sets = {
        (source, side): load_images(str(source), resolution=side)
        for source in (pictures, others)
        for side in (8, 16)
    }
    config, own = tiny(), sets[pictures, 16]
    for (source, side), images in sets.items():
        how = {"resolution": side, "channels": "auto", "val_fraction": 0.2}
        found = learnt(discriminator, images.fingerprint, **how)
        assert found.are_those_of(config, own, CPU) == (source == pictures), (source, side)
    small = sets[pictures, 8].fingerprint
    for wrong in ({"resolution": "large"}, {"resolution": 7}, {"channels": "rgba"}, {}):
        found = learnt(discriminator, small, val_fraction=0.2, **wrong)
        assert not found.are_those_of(config, own, CPU)


@pytest.mark.parametrize(
    ("there", "here", "same"),
    [
        ({}, {}, True),
        ({"val_fraction": 0.2}, {"val_fraction": 0.2}, True),
        ({"val_fraction": 0.2}, {}, True),
        ({}, {"val_fraction": 0.2}, True),  # it has learnt what the run holds out
        ({"val_fraction": 0.2}, {"val_fraction": 0.2, "seed": 1}, True),
        ({"val_fraction": 0.2, "seed": 1}, {"val_fraction": 0.2, "seed": 1}, True),
        ({"seed": 1}, {"seed": 2}, True),  # both train on all of them
        ({}, {"subset": 20}, False),
        ({"subset": 20}, {"subset": 20}, True),
        ({"subset": 20}, {"subset": 30}, True),
        ({"subset": 20}, {"subset": 20, "seed": 1}, False),
        ({"subset": 61}, {}, False),  # of 60: no file of ours
        ({"seed": "first"}, {}, False),
    ],
)
def test_those_that_a_run_leaves_out_are_not_its_own(
    discriminator: Callable[..., ViTDiscriminator],
    tiny: Callable[..., RunConfig],
    pictures: Path,
    there: dict[str, Any],
    here: dict[str, Any],
    same: bool,
) -> None:
    def by_section(settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        seed = {"seed": settings.get("seed", 0)}
        return {k: v for k, v in settings.items() if k != "seed"}, seed

    images = load_images(str(pictures), resolution=16)
    data, run = by_section(there)
    found = learnt(discriminator, images.fingerprint, run=run, **data)
    data, run = by_section({"val_fraction": None, **here})
    assert found.are_those_of(tiny({"data": data, "run": run}), images, CPU) == same


def test_more_frames_of_the_same_files_are_other_images(
    discriminator: Callable[..., ViTDiscriminator],
    tiny: Callable[..., RunConfig],
    pictures: Path,
) -> None:
    """By their numbers it could not be said which of them a run trains on."""
    first, *others = [Image.new("RGB", (16, 16), (shade, 0, 0)) for shade in (10, 90, 200)]
    first.save(pictures / "film.gif", save_all=True, append_images=others)
    frames = [Reading(frames=how) for how in ("all", "first")]
    every, one = [load_images(str(pictures), resolution=16, reading=each) for each in frames]
    assert (len(every), len(one)) == (63, 61)
    found = learnt(discriminator, every.fingerprint, resolution=16, frames="all")
    config = tiny({"data": {"val_fraction": 0}})
    assert not found.are_those_of(config, one, CPU)
    config = tiny({"data": {"val_fraction": 0, "frames": "all"}})
    assert found.are_those_of(config, every, CPU)


def trunk_of(source: Path, out: Path, resolution: int, seed: int = 0) -> Path:
    layer: Layer = {
        "data": {"source": str(source), "resolution": resolution, "val_fraction": 0.2},
        "discriminator": {"width": 16, "heads": 2, "depth": 1, "patch": resolution // 2},
        "pretraining": {"total_kimg": 0.008, "batch": 8},
        "run": {"out": str(out), "seed": seed},
    }
    return pretrain(build_pretrain_config([layer]))


def test_a_run_says_that_its_trunk_has_learnt_other_images_than_its_own(
    tiny: Callable[..., RunConfig], tmp_path: Path, pictures: Path, others: Path
) -> None:
    marks = {}
    sets = ((others, 16, 0), (pictures, 16, 0), (pictures, 8, 0), (pictures, 16, 1))
    for source, side, seed in sets:
        name = f"{source.name}-{side}-{seed}"
        trunk = trunk_of(source, tmp_path / f"{name}-trunk", side, seed)
        start = {"init_discriminator": str(trunk)}
        layers: list[Layer] = [
            {"training": start | {"total_kimg": 0.008}, "discriminator": {"patch": 8}},
            {"metrics": {"every_kimg": 0.008}, "run": {"out": str(tmp_path / name)}},
        ]
        assert Sources().marks(tiny(*layers), SilentConsole()) == (source == others)
        told = Told()
        run = adavit.train(tiny(*layers), console=told)
        lines = [line for line in told.notes if line.startswith("The trunk has learnt")]
        assert len(lines) == (seed != 0)  # which holds other images out
        assert all("of 10 held-out images: r_v and" in line for line in lines)
        stored = yaml.safe_load((run / "config.yaml").read_text())["features"]["seen"]
        record = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
        assert record["protocol"]["discriminator_saw"] == (stored or None)
        assert adavit.load_generator(run).discriminator_saw == tuple(stored)
        marks[name] = stored, mark_of(record["protocol"])
    fingerprint = load_images(str(others), resolution=16).fingerprint
    seen = [f"adavit:other_flowers {fingerprint}"]
    assert marks == {
        "other flowers-16-0": (seen, "pretrained features"),
        "pictures-16-0": ([], ""),
        "pictures-8-0": ([], ""),
        "pictures-16-1": ([], ""),
    }
    resumed = adavit.resume(tmp_path / "other flowers-16-0", kimg=0.016)
    assert yaml.safe_load((resumed / "config.yaml").read_text())["features"]["seen"] == seen
