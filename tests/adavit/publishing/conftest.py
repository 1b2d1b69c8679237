"""Generator files with weights that were never trained, and a run directory around one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from adavit.metrics.extractors.extractor import tensors_digest
from adavit.runs.directory import RunDirectory
from adavit.runs.generator_file import read_generator
from tests.stored_generators import store_generator

CONFIG: dict[str, Any] = {
    "data": {"source": "/home/alice/secret_photos.zip", "data_root": "/home/alice/sets"},
    "generator": {"latent_dim": 6, "noise": "learned"},
    "features": {"network": "torchvision:resnet18:/home/alice/w.pth", "seen": []},
    "training": {"batch": 16, "transfer": None},
    "run": {"out": "/home/alice/runs/secret", "seed": 3},
}
SMALL: dict[str, Any] = {
    "images": 1234,
    "resolution": 8,
    "latent_dim": 6,
    "style_dim": 7,
    "channel_base": 256,
    "channel_max": 4,
}
WriteGenerator = Callable[..., Path]


@pytest.fixture
def write_generator(tmp_path: Path) -> WriteGenerator:
    """Writes a file with random weights, noise and average among them; the same each time."""

    def write(path: Path | None = None, **given: Any) -> Path:
        path = path or tmp_path / "generator.safetensors"
        return store_generator(path, **{**SMALL, "config": CONFIG, **given})

    return write


def protocol_of(**changes: Any) -> dict[str, Any]:
    """Of a record, as it is written."""
    return {
        "extractor": "inception",
        "extractor_learned_from": "ImageNet",
        "weights_digest": "0123456789abcdef",
        "n_fake": 5000,
        "n_real": 200,
        "reference": "secret_photos",
        "split": "all",
        "reference_fingerprint": "fe" * 32,
        "resolution": 16,
        "truncation": 1.0,
        "discriminator_saw": None,
        **changes,
    }


@pytest.fixture
def run(tmp_path: Path, write_generator: WriteGenerator) -> RunDirectory:
    """A run with records of this generator, and of another one."""
    directory = RunDirectory(tmp_path / "secret_run")
    directory.path.mkdir()
    write_generator(directory.last_generator)
    directory.config.write_text(yaml.safe_dump(CONFIG))
    digest = tensors_digest(read_generator(directory.path).generator.state_dict())
    directory.data.write_text(
        json.dumps(
            {
                "source": "/home/alice/secret_photos.zip",
                "name": "secret_photos",
                "images": 200,
                "training_images": 180,
                "heldout_images": 20,
                "classes": ["secret_person"],
                "skipped": [{"name": "secret_broken.png"}],
            }
        )
    )
    directory.environment.write_text(
        json.dumps({"device": "cpu", "platform": "alices-laptop", "packages": {"torch": "2.14.1"}})
    )
    ours, others = (
        {"fid": figure, "protocol": protocol_of(), "source": {"fingerprint": of, "name": "/x/y"}}
        for figure, of in ((12.5, digest), (3.25, "00" * 32))
    )
    for record in (ours, others):
        directory.append(directory.evaluations, record)
    share = {"images": 50, "share_closer": 0.02, "share_interval": [0.0035, 0.105]}
    directory.diagnostics.path.mkdir()
    directory.diagnostics.memorisation.write_text(
        json.dumps(
            {
                "protocol": {
                    "source": "/home/alice/runs/secret_run",
                    "generator": directory.last_generator.name,
                    "images_seen": 1234,
                    "generator_digest": digest,
                    "data_fingerprint": "ab" * 32,
                    "n_fake": 50,
                    "n_train": 180,
                    "n_leave_one_out": 180,
                    "percentile": 1.0,
                },
                "spaces": {
                    "pixels": {
                        "distance": "root mean square",
                        "generated": share,
                        "heldout": None,
                        "closest_pairs": [{"generated": 1, "training": 9}],
                    }
                },
            }
        )
    )
    return directory
