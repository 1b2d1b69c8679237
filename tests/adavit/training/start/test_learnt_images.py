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
from adavit.data import load_images
from adavit.experiments.cell import Sources
from adavit.metrics.kinship import IMAGENET, mark_of, related
from adavit.models.vit.discriminator import ViTDiscriminator
from adavit.pretraining.pretrain import pretrain
from adavit.runs.trunk_file import StoredTrunk
from adavit.runtime.console import SilentConsole
from adavit.training.start.learnt_images import LearntImages
from tests.adavit.conftest import ARGUMENTS, Layer

CPU = torch.device("cpu")


def learnt(make: Callable[..., ViTDiscriminator], fingerprint: str, **data: Any) -> LearntImages:
    trunk = StoredTrunk(
        encoder=make().encoder,
        arguments=dict(ARGUMENTS),
        config={"data": data},
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
        (source, side): load_images(str(source), resolution=side).fingerprint
        for source in (pictures, others)
        for side in (8, 16)
    }
    config = tiny()
    for (source, side), fingerprint in sets.items():
        found = learnt(discriminator, fingerprint, resolution=side, channels="auto")
        same = found.are_those_of(config, sets[pictures, 16], CPU)
        assert same == (source == pictures), (source, side)
    for wrong in ({"resolution": "large"}, {"resolution": 7}, {"channels": "rgba"}, {}):
        found = learnt(discriminator, sets[pictures, 8], **wrong)
        assert not found.are_those_of(config, sets[pictures, 16], CPU)


def trunk_of(source: Path, out: Path, resolution: int) -> Path:
    layer: Layer = {
        "data": {"source": str(source), "resolution": resolution},
        "discriminator": {"width": 16, "heads": 2, "depth": 1, "patch": resolution // 2},
        "pretraining": {"total_kimg": 0.008, "batch": 8},
        "run": {"out": str(out)},
    }
    return pretrain(build_pretrain_config([layer]))


def test_a_run_says_that_its_trunk_has_learnt_other_images_than_its_own(
    tiny: Callable[..., RunConfig], tmp_path: Path, pictures: Path, others: Path
) -> None:
    marks = {}
    for source, side in ((others, 16), (pictures, 16), (pictures, 8)):
        name = f"{source.name}-{side}"
        start = {"init_discriminator": str(trunk_of(source, tmp_path / f"{name}-trunk", side))}
        layers: list[Layer] = [
            {"training": start | {"total_kimg": 0.008}, "discriminator": {"patch": 8}},
            {"metrics": {"every_kimg": 0.008}, "run": {"out": str(tmp_path / name)}},
        ]
        assert Sources().marks(tiny(*layers), SilentConsole()) == (source == others)
        run = adavit.train(tiny(*layers))
        stored = yaml.safe_load((run / "config.yaml").read_text())["features"]["seen"]
        record = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
        assert record["protocol"]["discriminator_saw"] == (stored or None)
        assert adavit.load_generator(run).discriminator_saw == tuple(stored)
        marks[name] = stored, mark_of(record["protocol"])
    fingerprint = load_images(str(others), resolution=16).fingerprint
    seen = [f"adavit:other_flowers {fingerprint}"]
    assert marks == {
        "other flowers-16": (seen, "pretrained features"),
        "pictures-16": ([], ""),
        "pictures-8": ([], ""),
    }
    resumed = adavit.resume(tmp_path / "other flowers-16", kimg=0.016)
    assert yaml.safe_load((resumed / "config.yaml").read_text())["features"]["seen"] == seen
