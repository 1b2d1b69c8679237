from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from adavit.config.auto import RunFacts, resolve
from adavit.config.layers import merge
from adavit.config.run import ResolvedConfig, RunConfig
from adavit.data import ImageSet, load_images
from adavit.errors import RunError, UserError
from adavit.experiments.cell import Cell, cells_of, make_cell
from adavit.experiments.cell_directory import CellDirectory
from adavit.experiments.grid_file import read_grid
from adavit.training.train import train
from tests.adavit.experiments.conftest import BASE, WriteGrid, make_weights
from tests.published_vit import write_published
from tests.small_weights import write_mobilenet


@pytest.fixture
def settings(pictures: Path) -> dict[str, Any]:
    return merge(BASE, {"data": {"source": str(pictures)}})


def cell(*layers: dict[str, Any]) -> Cell:
    return make_cell("tiny", merge(*layers), axes={}, varied={}, label="x")


def test_what_changes_no_result_is_no_part_of_the_digest(
    settings: dict[str, Any], pictures: Path, tmp_path: Path
) -> None:
    first = cell(settings).digest
    assert len(first) == 12
    elsewhere = pictures.rename(tmp_path / "moved")
    for layer in [
        {"data": {"source": str(elsewhere)}},
        {"run": {"out": "somewhere", "device": "cpu", "status_every_kimg": 3}},
        {"run": {"samples_every_kimg": 3, "checkpoint_every_kimg": 3}},
        # What "auto" stands for is written out.
        {"augment": {"target": 0.6, "initial_p": 0.2}, "training": {"generator_lr": 0.006}},
    ]:
        assert cell(settings, {"data": {"source": str(elsewhere)}}, layer).digest == first


def test_what_changes_results_is_part_of_the_digest(
    settings: dict[str, Any], pictures: Path
) -> None:
    digests = [
        cell(settings, layer).digest
        for layer in [
            {},
            {"run": {"seed": 1}},
            {"data": {"subset": 20}},
            {"data": {"mirror": True}},
            {"augment": {"mode": "none"}},
            {"augment": {"scale_std": 0.3}},
            {"training": {"total_kimg": 0.128}},
            {"training": {"r1_gamma": 0.7}},
            {"metrics": {"every_kimg": 0.016}},
            {"metrics": {"reference": "small_set"}},
        ]
    ]
    path = pictures / "000.png"
    pixels = np.array(Image.open(path))
    pixels[3, 4, 1] ^= 1
    Image.fromarray(pixels).save(path)
    digests.append(cell(settings).digest)
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize("setting", ["transfer", "init_discriminator"])
def test_of_weights_to_start_from_the_content_counts_and_not_the_path(
    settings: dict[str, Any], tmp_path: Path, setting: str
) -> None:
    def starting(path: str | Path) -> Cell:
        return cell(settings, {"training": {setting: str(path)}})

    make_weights(setting, file := tmp_path / "weights.safetensors")
    first = starting(file)
    relative = starting(file.name)  # from the folder of this test
    assert relative == first
    assert relative.settings["training"][setting] == str(file)
    (tmp_path / "moved").mkdir()
    moved = starting(file.rename(tmp_path / "moved" / "named.safetensors"))
    assert moved.digest == first.digest
    make_weights(setting, file, seed=1)
    assert len({cell(settings).digest, first.digest, starting(file).digest}) == 3


@pytest.mark.parametrize("key", ["features.network", "training.distill_network"])
def test_of_a_frozen_network_the_weights_count_and_not_where_their_file_lies(
    settings: dict[str, Any], tmp_path: Path, key: str
) -> None:
    write = write_mobilenet if key == "features.network" else write_published
    file, moved = tmp_path / "weights.pth", tmp_path / "moved" / "named.pth"
    prefix = write(file).removesuffix(str(file))
    base = {
        "features": {"side": 32, "maps": 1},
        "discriminator": {"patch": 8},
        "training": {"distill_weight": float(key == "training.distill_network")},
    }

    def seeing(file: Path) -> Cell:
        section, _, name = key.partition(".")
        return cell(settings, base, {section: {name: f"{prefix}{file}"}})

    first = seeing(file)
    moved.parent.mkdir()
    assert seeing(file.rename(moved)).digest == first.digest
    state = torch.load(moved, weights_only=True)
    torch.save({name: 2 * tensor for name, tensor in state.items()}, file)
    assert seeing(file).digest != first.digest


def test_cells_are_resolved_and_points_of_the_same_settings_are_one_cell(
    write_grid: WriteGrid,
) -> None:
    axes = {
        "a": {
            "default": {},
            "written out": {"augment": {"target": 0.6}},
            "other": {"augment": {"target": 0.5}},
        }
    }
    cells = cells_of(read_grid(str(write_grid(axes=axes, baseline={"a": "other"}))))
    assert [(cell.label, cell.baseline) for cell in cells] == [("default", False), ("other", True)]
    assert cells[0].settings["augment"]["target"] == 0.6
    assert "auto" not in [
        value
        for section in cells[0].settings.values()
        for key, value in section.items()
        if key not in ("channels", "scale_16bit", "device")
    ]


def test_a_cell_is_compared_with_the_baseline_that_is_alike_in_all_other_axes(
    write_grid: WriteGrid,
) -> None:
    axes = {
        "target": {
            "default": {},
            "written out": {"augment": {"target": 0.6}},
            "other": {"augment": {"target": 0.5}},
        },
        "training.r1_gamma": [0.1, 0.2],
    }
    cells = cells_of(read_grid(str(write_grid(axes=axes, baseline={"target": "written out"}))))
    digests = {cell.label: cell.digest for cell in cells}
    # The baseline has the settings of a point before it, and so is that one's cell.
    assert [(cell.label, cell.baseline, cell.compared_with) for cell in cells] == [
        ("default, r1_gamma 0.1", True, digests["default, r1_gamma 0.1"]),
        ("default, r1_gamma 0.2", True, digests["default, r1_gamma 0.2"]),
        ("other, r1_gamma 0.1", False, digests["default, r1_gamma 0.1"]),
        ("other, r1_gamma 0.2", False, digests["default, r1_gamma 0.2"]),
    ]
    without = cells_of(read_grid(str(write_grid(axes=axes, baseline=None))))
    assert {(cell.baseline, cell.compared_with) for cell in without} == {(False, None)}


def test_a_grid_is_counted_before_it_is_built(write_grid: WriteGrid) -> None:
    values = [round(0.1 * (index + 1), 1) for index in range(10)]
    keys = ("r1_gamma", "generator_lr", "discriminator_lr", "drift", "path_length", "bcr_real",
            "bcr_generated", "lecam", "zcr_noise", "apa_speed_kimg", "warmup_kimg", "adam_beta1")  # fmt: skip
    axes = {f"training.{key}": values for key in keys}
    message = r"grid 'tiny' has 1,000,000,000,000 cells, expected at most 10,000\. Give fewer"
    with pytest.raises(UserError, match=message):
        cells_of(read_grid(str(write_grid(axes=axes, baseline=None))))
    seeds = read_grid(str(write_grid())).with_overrides([], range(10_001))
    with pytest.raises(UserError, match="20,002 cells"):
        cells_of(seeds)


def test_data_are_looked_at_once_however_many_cells_are_made_of_them(
    write_grid: WriteGrid, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    def load(source: str, **settings: Any) -> ImageSet:
        opened.append((Path(source).name, settings["resolution"].plain))
        return load_images(source, **settings)

    monkeypatch.setattr("adavit.training.start.workload.load_images", load)
    monkeypatch.setattr("adavit.evaluation.run_images.load_images", load)
    axes = {"training.r1_gamma": [index / 10 for index in range(20)], "data.resolution": [8, 16]}
    grid = read_grid(
        str(write_grid({"metrics": {"reference": str(pictures)}}, axes=axes, baseline=None))
    )
    cells = cells_of(grid)
    assert len({cell.digest for cell in cells}) == 40
    name = pictures.name
    assert sorted(opened) == [(name, 8), (name, 8), (name, 16), (name, 16)]  # data, reference
    monkeypatch.undo()
    alone = [
        make_cell("tiny", point.settings, axes=point.axes, varied=point.varied, label=point.label)
        for point in grid.points()
    ]
    assert cells == alone


def test_each_cell_has_the_teacher_that_its_own_settings_name(
    write_grid: WriteGrid, tmp_path: Path
) -> None:
    named = write_published(tmp_path / "vit.pth")
    other = write_published(tmp_path / "other.pth", seed=1)
    base = {
        "discriminator": {"patch": 8},
        "training": {"total_kimg": 0.008, "distill_width": 12},
        "metrics": {"names": []},
    }
    labels: dict[str, Any] = {
        "none": {"training": {"distill_weight": 0}},
        "one": {"training": {"distill_weight": 1, "distill_network": named}},
        "other": {"training": {"distill_weight": 1, "distill_network": other}},
    }
    found = []
    for order in (list(labels), list(reversed(labels))):
        axes = {"teacher": {label: labels[label] for label in order}}
        cells = cells_of(read_grid(str(write_grid(base, axes=axes, baseline=None))))
        found.append({cell.label: cell for cell in cells})
    assert found[0] == found[1]
    assert {label: len(cell.settings["features"]["seen"]) for label, cell in found[0].items()} == {
        "none": 0,
        "one": 1,
        "other": 1,
    }
    for label in ("none", "one"):
        directory = CellDirectory(tmp_path / "out", found[1][label])
        train(directory.cell.config(directory.path))
        assert directory.is_finished()  # the run is this cell's: it can be taken up again


def test_memory_is_foreseen_before_decoding_and_told_of_each_cell(
    write_grid: WriteGrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolved = []

    def count(config: RunConfig, facts: RunFacts) -> ResolvedConfig:
        resolved.append(config.training.batch)
        return resolve(config, facts)

    for module in ("workload", "settled"):
        monkeypatch.setattr(f"adavit.training.start.{module}.resolve", count)
    batches = [8, 16, 24]
    cells_of(read_grid(str(write_grid(axes={"training.batch": batches}, baseline=None))))
    assert resolved == [8, *batches]  # once more where the images were still to be decoded
    monkeypatch.setattr("adavit.training.start.footprint.free_bytes", lambda device: 2**30)
    grid = read_grid(str(write_grid(axes={"training.batch": [8, 10**9]}, baseline=None)))
    with pytest.raises(RunError, match="a microbatch of 1,000,000,000 images of 16 px"):
        cells_of(grid)
