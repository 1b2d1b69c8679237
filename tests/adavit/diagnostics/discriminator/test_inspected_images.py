"""What is read from a checkpoint, and which images are looked at."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from adavit.config.layers import build_config
from adavit.diagnostics.discriminator.inspected_images import (
    InspectedImages,
    open_inspection,
)
from adavit.errors import UserError
from adavit.evaluation.run_images import RunImages
from adavit.training.train import train
from tests.telling import Told


def write_images(folder: Path, classes: int, channels: int = 3) -> Path:
    rng = np.random.default_rng(0)
    for index in range(24):
        path = folder / f"class{index % classes}" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (8, 8, channels), np.uint8)
        Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(path)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("material")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ADAVIT_CACHE", str(folder / "cache"))
        yield folder


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    """A conditional run on grey images in three classes, sixteen trained on."""
    data = write_images(folder / "pictures", 3, channels=1)
    config = build_config(
        [
            {
                "data": {"source": str(data), "cond": True, "subset": 16},
                "generator": {"latent_dim": 8, "style_dim": 8, "channel_max": 8},
                "discriminator": {"kind": "vit", "width": 16, "heads": 2, "depth": 1},
                "training": {"total_kimg": 0.008, "batch": 8},
                "metrics": {"names": []},
                "run": {"out": str(folder / "run")},
            }
        ]
    )
    return train(config)


def shown(run: Path, **arguments: Any) -> InspectedImages:
    return open_inspection(str(run), device="cpu", **{"images": 100, **arguments}).images


def test_sizes_are_read_off_the_weights_and_sides_off_the_split(run: Path) -> None:
    read = open_inspection(str(run), images=4).run
    assert (read.generator.image_channels, read.generator.num_classes) == (1, 3)
    assert not read.discriminator.training
    found = shown(run)
    counts = {kind: len(side.images) for kind, side in found.kinds.items()}
    assert counts == {"training": 16, "heldout": 8, "generated": 100}
    real = torch.cat([found.kinds[kind].images for kind in ("training", "heldout")])
    assert len(real.flatten(1).unique(dim=0)) == 24  # every image on one side, once
    labels = found.kinds["generated"].labels
    assert labels is not None
    assert set(labels.tolist()) == {0, 1, 2}
    few = shown(run, images=5)
    assert {len(side.images) for side in few.kinds.values()} == {5}


def test_the_seed_decides_what_is_drawn(run: Path) -> None:
    first, again, other = shown(run), shown(run), shown(run, seed=9)
    for kind, side in first.kinds.items():
        assert torch.equal(side.images, again.kinds[kind].images), kind
    assert not torch.equal(first.kinds["generated"].images, other.kinds["generated"].images)


def test_labels_go_with_their_images(run: Path, folder: Path) -> None:
    side = shown(run).kinds["training"]
    assert side.labels is not None
    for image, label in zip(side.images, side.labels.tolist(), strict=True):
        pixels = ((image[0] + 1) * 127.5).round().to(torch.uint8).numpy()
        files = (folder / "pictures" / f"class{label}").iterdir()
        assert any(np.array_equal(pixels, np.asarray(Image.open(file))) for file in files)


def test_data_with_other_classes_do_not_fit(run: Path, folder: Path) -> None:
    other = write_images(folder / "other", 2, channels=1)
    with pytest.raises(UserError, match=r"have 2 classes, but .* was trained on 3"):
        shown(run, data=str(other))


def test_classes_are_those_of_the_run_by_name(run: Path, folder: Path) -> None:
    other = write_images(folder / "renamed", 3, channels=1)
    (other / "class1").rename(other / "dogs")
    with pytest.raises(
        UserError, match=r"the classes class0, class2, dogs, but .* class0, class1,"
    ):
        shown(run, data=str(other))
    # A dataset.json has no names.
    labels = [[str(file.relative_to(other)), int(file.stem) % 3] for file in other.glob("*/*.png")]
    (other / "dataset.json").write_text(json.dumps({"labels": labels}))
    side = shown(run, data=str(other)).kinds["heldout"]
    assert side.labels is not None
    assert set(side.labels.tolist()) == {0, 1, 2}


def test_fewer_images_than_are_compared_are_no_inspection(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--images is 3, but .* compares 4 .* Give --images 4 or"):
        shown(run, images=3)
    few = write_images(tmp_path / "few", 3, channels=1)
    for path in [*few.glob("*/*.png")]:
        if int(path.stem) > 2:
            path.unlink()
    with pytest.raises(UserError, match=r"has 3 images, but .* compares 4 .* Name at least 4"):
        shown(run, data=str(few))


@pytest.mark.parametrize("heldout", [0, 3, 4])
def test_a_kind_with_fewer_images_than_are_compared_is_left_out(
    run: Path, monkeypatch: pytest.MonkeyPatch, heldout: int
) -> None:
    unseen = RunImages.unseen

    def few(self: RunImages) -> np.ndarray:
        return unseen.__get__(self)[:heldout]

    monkeypatch.setattr(RunImages, "unseen", property(few))
    told = Told()
    found = shown(run, console=told)
    assert ("heldout" in found.kinds) == ("n_heldout" in found.protocol) == (heldout == 4)
    notes = [note for note in told.notes if "are left out" in note]
    assert len(notes) == (heldout == 3)
    for note in notes:
        assert note.startswith("Held-out images are left out: 'pictures' has 3, but")
        assert "compares 4 with each other (minibatch_std_group)" in note
        assert "larger --val-fraction" in note
