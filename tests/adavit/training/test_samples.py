"""The sample grids of a run."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import adavit
from adavit.build.networks import build_networks
from adavit.config.auto import RunFacts, resolve
from adavit.config.layers import build_config
from adavit.config.run import RunConfig
from adavit.generation import sampling
from adavit.generation.grid import GRID_COLUMNS, grid_rows, grid_tile
from adavit.runs.directory import RunDirectory
from adavit.runtime.console import SilentConsole
from adavit.runtime.resolution import Resolution
from adavit.training.samples import COUNT, SampleSheet
from adavit.training.start.footprint import counted_bytes
from adavit.training.start.live_bytes import LiveBytes
from adavit.training.start.workload import load_workload

Tiny = Callable[..., RunConfig]


@pytest.mark.usefixtures("pictures_of_runs")
def test_sample_names_have_decimals_only_where_the_cadence_needs_them(tiny: Tiny) -> None:
    layer = {"run": {"samples_every_kimg": 0.016}, "metrics": {"names": []}}
    run = adavit.train(tiny(layer, {"training": {"total_kimg": 0.032}}))
    names = sorted(path.name for path in (run / "samples").iterdir())
    assert names == [
        "000000.000kimg.png",
        "000000.016kimg.png",
        "000000.032kimg.png",
        "reals.png",
        "training.gif",
    ]


def test_two_grids_within_a_thousand_images_have_names_of_their_own(tiny: Tiny) -> None:
    layer = {"run": {"samples_every_kimg": 1}, "metrics": {"names": []}}
    run = adavit.train(tiny(layer, {"training": {"total_kimg": 0.032}}))
    names = sorted(path.name for path in (run / "samples").iterdir())
    assert names == ["000000.032kimg.png", "000000kimg.png", "reals.png"]


def tones(folder: Path, counts: dict[str, int]) -> Path:
    """Classes of grey images, the tone of which tells the class: 0, 20, 40, ..."""
    for number, (name, count) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            Image.new("RGB", (16, 16), (20 * number, 20 * number, index)).save(
                folder / name / f"{index:03d}.png"
            )
    return folder


def classes_of(path: Path) -> list[list[int]]:
    """The class that each tile of a grid of `tones` shows, by row."""
    with Image.open(path) as grid:
        grid.load()
    rows = grid_rows(grid, resolution=Resolution(16, 16))
    return [
        [
            round(
                np.asarray(grid_tile(grid, row, column, resolution=Resolution(16, 16)))[0, 0, 0]
                / 20
            )
            for column in range(GRID_COLUMNS)
        ]
        for row in range(rows)
    ]


@pytest.mark.parametrize("classes", [2, 3, 11])
def test_real_images_lie_in_the_columns_of_the_generated_ones_of_their_class(
    tiny: Tiny, tmp_path: Path, classes: int
) -> None:
    counts = {f"class{index:02d}": 9 for index in range(classes)}
    data = tones(tmp_path / "tones", counts)
    layer = {"data": {"source": str(data), "resolution": 16, "cond": True, "val_fraction": 0}}
    workload = load_workload(tiny(layer), SilentConsole())
    directory = RunDirectory.create(tmp_path / "run", "x")
    sheet = SampleSheet(workload, directory)
    sheet.draw_reals()
    assert sheet._labels is not None
    assert classes_of(directory.real_images) == sheet._labels.view(-1, GRID_COLUMNS).tolist()


def test_real_images_without_classes_are_of_each_folder_its_share(
    tiny: Tiny, tmp_path: Path
) -> None:
    """The first by name would all be of the first folder."""
    data = tones(tmp_path / "tones", {"a": 120, "b": 60, "c": 12})
    layer = {"data": {"source": str(data), "resolution": 16, "val_fraction": 0}}
    workload = load_workload(tiny(layer), SilentConsole())
    directory = RunDirectory.create(tmp_path / "run", "x")
    SampleSheet(workload, directory).draw_reals()
    shown = np.bincount(np.ravel(classes_of(directory.real_images)))
    assert shown.tolist() == [40, 20, 4]


def test_a_sheet_drawn_in_parts_is_the_same_picture(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workload = load_workload(tiny(), SilentConsole())
    torch.manual_seed(0)
    generator, _ = build_networks(workload.config, image_channels=3, num_classes=0)
    pictures = []
    for pixels in (sampling.PIXELS, 24 * 16**2):
        monkeypatch.setattr(sampling, "PIXELS", pixels)
        directory = RunDirectory.create(tmp_path / str(pixels), "x")
        SampleSheet(workload, directory).draw(generator.eval(), 0, every_kimg=1, previous=-1)
        (picture,) = (directory.path / "samples").glob("*kimg.png")
        pictures.append(picture.read_bytes())
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize("resolution", [64, 256])
def test_a_sheet_takes_less_memory_than_a_step_of_one_image(resolution: int) -> None:
    """So the memory that is measured and foreseen for steps is enough for it."""
    one = build_config([{"training": {"microbatch": 1}}])
    config = resolve(one, RunFacts(Resolution.of(resolution), training_images=1000, device="cuda"))
    with torch.device("meta"):
        generator, _ = build_networks(config, image_channels=3, num_classes=0)
        latents = torch.empty(COUNT, config.generator.latent_dim)
    with LiveBytes(generator.parameters()) as live:
        sampling.draw_in_parts(generator, latents, None)
    assert live.peak < counted_bytes(config)
