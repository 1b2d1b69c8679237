"""`curves.png`: drawn from what lies in the run directory."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from adavit.runs.directory import RunDirectory
from adavit.runtime.pictures import figure_png
from adavit.training import curves
from adavit.training.curves import draw_curves

STATS = [
    {"images": 1000 * i, "loss_generator": 1.0 + i, "loss_discriminator": 2.0, "p": 0.1 * i}
    | {"logits_train": 1.0, "logits_heldout": None, "logits_fake": -1.0, "r_t": 0.5, "r_v": None}
    for i in range(3)
]
METRICS = [
    {"images": 0, "fd_random": 9.0, "fd_random_floor": 1.5, "kid_random": 0.2}
    | {"fd_random_at_floor": 12.0, "protocol": {"n_fake": 2000, "n_heldout": 100}},
    {"images": 2000, "fd_random": 4.0, "fd_random_floor": 1.5, "kid_random": 0.1}
    | {"fd_random_at_floor": 6.0, "protocol": {"n_fake": 2000, "n_heldout": 100}},
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
    drawn: dict[str, dict[str, list[tuple[float, float]]]] = {}
    legends: dict[str, list[str]] = {}
    limits: dict[str, tuple[float, float]] = {}

    def noted(figure: Figure, *, dpi: int) -> bytes:
        for axis in figure.axes:
            lines = {str(line.get_label()): line.get_xydata() for line in axis.lines}
            drawn[axis.get_title()] = {
                label: [(x, y) for x, y in np.asarray(points).tolist()]
                for label, points in lines.items()
            }
            legends[axis.get_title()] = axis.get_legend_handles_labels()[1]
            limits[axis.get_title()] = axis.get_ylim()
        return figure_png(figure, dpi=dpi)

    monkeypatch.setattr(curves, "figure_png", noted)
    draw_curves(directory)
    assert drawn["losses"]["generator"] == [(0, 1.0), (1, 2.0), (2, 3.0)]
    # p has an axis of its own, on which small values are seen.
    assert drawn["augmentation probability p"] == {"p": [(0, 0.0), (1, 0.1), (2, 0.2)]}
    assert limits["augmentation probability p"] == pytest.approx((0, 0.22))
    assert list(drawn["overfitting heuristics"]) == ["r_t"]
    # As few generated images as held-out ones stand beside what those score.
    assert drawn["fd_random"]["2,000 generated images"] == [(0, 9.0), (2, 4.0)]
    assert drawn["fd_random"]["100 generated images"] == [(0, 12.0), (2, 6.0)]
    assert legends["fd_random"][2:] == ["100 held-out real images: 1.5"]
    assert "held-out images" not in drawn["mean logits"]
    assert len(drawn) == 5  # no axis for kid_random
    assert Image.open(directory.curves).size == (1400, 640)


def test_a_run_without_records_has_empty_axes(tmp_path: Path) -> None:
    draw_curves(RunDirectory(tmp_path))
    assert Image.open(tmp_path / "curves.png").size == (1400, 640)


@pytest.mark.parametrize("name", [b"caf\xe9", b"$x_{$", b"a\x1b[31m\nb"])
def test_any_name_of_a_run_can_stand_above_its_curves(tmp_path: Path, name: bytes) -> None:
    directory = RunDirectory(tmp_path / os.fsdecode(name))
    directory.path.mkdir()
    directory.stats.write_text("".join(json.dumps(record) + "\n" for record in STATS))
    draw_curves(directory)
    assert Image.open(directory.curves).size[0] > 500
