import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from adavit.config.layers import build_config
from adavit.diagnostics.diagnosed_images import open_diagnosis
from adavit.diagnostics.memorisation import reach
from adavit.diagnostics.memorisation.chosen_images import ChosenImages
from adavit.diagnostics.memorisation.diagnosis import PAIRS, memorisation
from adavit.diagnostics.memorisation.summary import summarise_memorisation
from adavit.errors import UserError
from adavit.evaluation.run_images import split_of
from adavit.metrics import neighbours
from adavit.metrics.extractors.extractor import tensors_digest
from adavit.metrics.extractors.random_features import RandomFeatures
from adavit.runs.generator_file import read_generator
from tests.adavit.diagnostics.conftest import random_images, write_images

Run = Callable[..., Path]


def test_copies_of_training_images_are_close_in_both_spaces(tmp_path: Path) -> None:
    real = random_images(30)
    data = write_images(tmp_path / "data", real)
    fakes = torch.cat([real[:6], random_images(14, seed=1)])
    source = write_images(tmp_path / "fakes", fakes)
    record = memorisation(
        open_diagnosis(str(source), data=str(data), out=tmp_path / "out"), extractor="random"
    )
    assert record["protocol"]["generator_digest"] is None
    for space in record["spaces"].values():
        assert space["threshold"] > 0
        assert space["heldout"] is None
        assert 6 <= space["generated"]["closer"] <= 7  # the others are drawn from the same patterns
        pairs = space["closest_pairs"]
        copies = {(pair["generated"], pair["training"]) for pair in pairs[:6]}
        assert copies == {(f"{index:04d}.png",) * 2 for index in range(6)}
        assert all(pair["distance"] == 0 and pair["close"] for pair in pairs[:6])
        assert len(pairs) == PAIRS
        assert len({pair["training"] for pair in pairs}) == PAIRS
    assert json.loads((tmp_path / "out" / "memorisation.json").read_text()) == record
    picture = Image.open(tmp_path / "out" / "closest_pairs.png")
    assert picture.mode in ("RGB", "RGBA")
    assert picture.width > 500


def test_images_are_read_in_blocks_that_memory_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_images(tmp_path / "data", random_images(40))
    source = write_images(tmp_path / "fakes", random_images(30, seed=1))

    def examine(folder: str) -> tuple[dict[str, Any], int]:
        read: list[int] = []
        whole = ChosenImages.__getitem__

        def counted(images: ChosenImages, rows: Any) -> torch.Tensor:
            found = whole(images, rows)
            read.append(len(found))
            return found

        with monkeypatch.context() as patched:
            patched.setattr(ChosenImages, "__getitem__", counted)
            out = tmp_path / folder
            opened = open_diagnosis(str(source), data=str(data), out=out)
            return memorisation(opened, extractor="random"), max(read)

    at_once, _ = examine("at once")
    monkeypatch.setattr(neighbours, "BLOCK_VALUES", 5 * 3 * 16 * 16)
    three = property(lambda _: 3, lambda *_: None)
    monkeypatch.setattr(RandomFeatures, "batch", three, raising=False)
    in_blocks, largest = examine("in blocks")
    assert largest == 5
    assert in_blocks["duplicates"] == at_once["duplicates"]
    for name, space in at_once["spaces"].items():
        other = in_blocks["spaces"][name]
        assert [pair["training"] for pair in other["closest_pairs"]] == [
            pair["training"] for pair in space["closest_pairs"]
        ]
        assert other["threshold"] == pytest.approx(space["threshold"], rel=1e-5)
        assert other["generated"]["closer"] == space["generated"]["closer"]


def test_the_threshold_is_the_first_percentile_of_the_distances_to_the_others(
    tmp_path: Path,
) -> None:
    real = random_images(25)
    data = write_images(tmp_path / "data", real)
    source = write_images(tmp_path / "fakes", random_images(9, seed=1))
    record = memorisation(
        open_diagnosis(str(source), data=str(data), out=tmp_path), extractor="random"
    )
    pixels = real.double().flatten(1).numpy()
    distances = np.sqrt(((pixels[:, None] - pixels[None]) ** 2).mean(-1))
    np.fill_diagonal(distances, np.inf)
    alone = distances.min(1)
    space = record["spaces"]["pixels"]
    assert space["threshold"] == pytest.approx(np.percentile(alone, 1), abs=1e-6)
    assert space["leave_one_out_median"] == pytest.approx(np.median(alone), abs=1e-6)


def test_exact_copies_in_the_data_do_not_move_the_threshold_to_zero(tmp_path: Path) -> None:
    real = random_images(20)
    source = write_images(tmp_path / "fakes", random_images(4, seed=1))
    figures = []
    for name, images in (("once", real), ("twice", torch.cat([real, real[:10]]))):
        data = write_images(tmp_path / name, images)
        record = memorisation(
            open_diagnosis(str(source), data=str(data), out=tmp_path), extractor="random"
        )
        figures.append([space["threshold"] for space in record["spaces"].values()])
    assert figures[0] == figures[1]
    assert record["duplicates"]["exact_copies"] == 10
    assert ["0003.png", "0023.png"] in record["duplicates"]["exact_groups"]
    assert "10 exact copies" in summarise_memorisation(record)


def test_held_out_copies_of_training_images_do_not_hide_copying(
    tmp_path: Path, run_of: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "STEPS", 2)
    real = random_images(60)
    data = write_images(tmp_path / "data", real)
    run = run_of(data, tmp_path / "run", {"data": {"subset": 30}, "metrics": {"names": []}})
    opened = open_diagnosis(str(run), out=tmp_path / "out", fakes=30)
    train, unseen = opened.images.train, opened.images.unseen
    pixels = opened.images.real.images.copy()
    fakes = torch.from_numpy(np.concatenate([pixels[train[:9]], 255 - pixels[unseen[:21]]]))

    def record_of(copies: int) -> dict[str, Any]:
        known = pixels.copy()
        known[unseen[:copies]] = pixels[train[:copies]]
        real = dataclasses.replace(opened.images.real, images=known)
        images = dataclasses.replace(opened.images, real=real, fakes=fakes)
        return memorisation(
            dataclasses.replace(opened, images=images), extractor="random", project=6
        )

    without, planted = record_of(0), record_of(12)
    assert (without["duplicates"]["heldout_copies"], without["protocol"]["n_heldout"]) == (0, 30)
    assert (planted["duplicates"]["heldout_copies"], planted["protocol"]["n_heldout"]) == (12, 18)
    for record in (without, planted):
        for space in record["spaces"].values():
            assert space["heldout"]["closer"] <= 1
            assert space["generated"]["closer"] >= 9
        assert "Generated images come close to training" in summarise_memorisation(record)
    assert len(record_of(25)["projection"]["heldout"]["distances"]) == 5
    with pytest.raises(UserError, match="--project is 6, but there are 1 held-out images"):
        record_of(29)


def test_a_run_is_compared_with_its_own_training_and_held_out_images(
    tmp_path: Path, run_of: Run
) -> None:
    data = write_images(tmp_path / "data", random_images(40))
    run = run_of(data, tmp_path / "run", {"data": {"subset": 24, "mirror": True}})
    opened = open_diagnosis(str(run))
    record = memorisation(opened)
    assert memorisation(opened) == record  # what is opened serves any number of diagnoses
    protocol = record["protocol"]
    assert (protocol["n_fake"], protocol["n_train"], protocol["n_heldout"]) == (20, 24, 16)
    assert (protocol["extractor"], protocol["seed"], protocol["truncation"]) == ("random", 0, 1.0)
    assert protocol["mirror"]
    assert len(protocol["weights_digest"]) == len(protocol["data_fingerprint"]) == 64
    assert record["duplicates"]["flips_considered"]
    stored = read_generator(run)
    assert protocol["generator_digest"] == tensors_digest(stored.generator.state_dict())
    config = build_config([stored.config])
    train = set(split_of(config, _loaded(data)).train.tolist())
    for space in record["spaces"].values():
        assert space["heldout"]["images"] == 16
        assert space["generated"]["images"] == 20
        assert {int(pair["training"][:4]) for pair in space["closest_pairs"]} <= train
    assert (run / "diagnostics" / "memorisation.json").is_file()
    assert (run / "diagnostics" / "closest_pairs.png").is_file()
    again = memorisation(open_diagnosis(str(run), out=tmp_path / "again"))
    assert again == record
    other = memorisation(open_diagnosis(str(run), seed=1, fakes=10, out=tmp_path / "other"))
    assert other["protocol"]["n_fake"] == other["protocol"]["n_heldout"] == 10
    assert other["spaces"]["pixels"]["generated"] != record["spaces"]["pixels"]["generated"]


def _loaded(data: Path) -> Any:
    from adavit.data import load_images

    return load_images(str(data))


def test_inception_s_weights_of_a_run_are_for_inception_alone(tmp_path: Path) -> None:
    fakes = write_images(tmp_path / "fakes", random_images(4, side=32))
    opened = open_diagnosis(str(fakes), data="small_set:40", out=tmp_path / "out")
    metrics = {"extractor": "drawn,inception", "inception_weights": str(tmp_path / "w.pth")}
    config = build_config([{"data": {"source": "small_set:40"}, "metrics": metrics}])
    images = dataclasses.replace(opened.images, config=config)
    record = memorisation(dataclasses.replace(opened, images=images))
    assert record["protocol"]["extractor"] == "drawn"


def test_other_data_than_the_run_s_count_as_training_images_as_a_whole(
    tmp_path: Path, run_of: Run
) -> None:
    data = write_images(tmp_path / "data", random_images(24))
    run = run_of(data, tmp_path / "run")
    other = write_images(tmp_path / "other", random_images(10, seed=2))
    record = memorisation(open_diagnosis(str(run), data=str(other)))
    assert (record["protocol"]["n_train"], record["protocol"]["n_heldout"]) == (10, 0)
    (data / "0000.png").unlink()
    with pytest.raises(UserError, match="fingerprint differs"):
        memorisation(open_diagnosis(str(run)))


def test_one_training_image_has_no_other(tmp_path: Path) -> None:
    data = write_images(tmp_path / "data", random_images(1).repeat(3, 1, 1, 1))
    source = write_images(tmp_path / "fakes", random_images(4, seed=1))
    with pytest.raises(UserError, match="expected at least 2"):
        memorisation(open_diagnosis(str(source), data=str(data), out=tmp_path), extractor="random")
