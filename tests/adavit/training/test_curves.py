"""`curves.png`: drawn from what lies in the run directory."""

import json
import os
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from PIL import Image

from adavit.runs.directory import RunDirectory
from adavit.training.curves import draw_curves

STATS = [
    {"images": 1000 * i, "loss_generator": 1.0 + i, "loss_discriminator": 2.0, "p": 0.1 * i}
    | {"logits_train": 1.0, "logits_heldout": None, "logits_fake": -1.0, "r_t": 0.5, "r_v": None}
    for i in range(3)
]
METRICS = [
    {"images": 0, "fd_random": 9.0, "fd_random_floor": 1.5, "kid_random": 0.2},
    {"images": 2000, "fd_random": 4.0, "fd_random_floor": 1.5, "kid_random": 0.1},
]


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path)
    for path, records in ((directory.stats, STATS), (directory.metrics, METRICS)):
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return directory


def test_each_curve_has_the_points_that_were_measured(
    directory: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: dict[str, list[tuple[float, float]]] = {}
    plot = Axes.plot

    def noted(self: Axes, x: list[float], y: list[float], *, label: str, **style: object) -> object:
        drawn[label] = list(zip(x, y, strict=True))
        return plot(self, x, y, label=label, **style)

    monkeypatch.setattr(Axes, "plot", noted)
    draw_curves(directory)
    assert drawn["generator"] == [(0, 1.0), (1, 2.0), (2, 3.0)]
    assert drawn["p"] == [(0, 0.0), (1, 0.1), (2, 0.2)]
    assert drawn["fd_random"] == [(0, 9.0), (2, 4.0)]
    assert "held-out images" not in drawn
    assert "kid_random" not in drawn
    assert Image.open(directory.curves).size == (1100, 640)


def test_a_run_without_records_has_empty_axes(tmp_path: Path) -> None:
    draw_curves(RunDirectory(tmp_path))
    assert Image.open(tmp_path / "curves.png").size == (1100, 640)


@pytest.mark.parametrize("name", [b"caf\xe9", b"$x_{$", b"a\x1b[31m\nb"])
def test_any_name_of_a_run_can_stand_above_its_curves(tmp_path: Path, name: bytes) -> None:
    directory = RunDirectory(tmp_path / os.fsdecode(name))
    directory.path.mkdir()
    directory.stats.write_text("".join(json.dumps(record) + "\n" for record in STATS))
    draw_curves(directory)
    assert Image.open(directory.curves).size[0] > 500
