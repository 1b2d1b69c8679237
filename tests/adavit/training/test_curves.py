"""`curves.png`: drawn from what lies in the run directory."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from adavit.config.augment import AugmentConfig
from adavit.runs.directory import RunDirectory
from adavit.runtime.pictures import figure_png
from adavit.training import curves
from adavit.training.curves import draw_curves

ADAPTED = AugmentConfig.model_construct(mode="ada", heuristic="rt", target=0.6, p_max=0.8)
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


@dataclass
class Drawn:
    """What was drawn, by the title of the axes."""

    lines: dict[str, dict[str, list[tuple[float, float]]]] = field(default_factory=dict)
    legends: dict[str, list[str]] = field(default_factory=dict)
    limits: dict[str, tuple[float, float]] = field(default_factory=dict)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Drawn:
    found = Drawn()

    def noted(figure: Figure, *, dpi: int) -> bytes:
        for axis in figure.axes:
            title = axis.get_title()
            lines = {str(line.get_label()): line.get_xydata() for line in axis.lines}
            found.lines[title] = {
                label: [(x, y) for x, y in np.asarray(points).tolist()]
                for label, points in lines.items()
            }
            figure.canvas.draw()
            legend = axis.get_legend()
            if legend is not None:  # it hides no curve, and its title stands above it
                box = legend.get_window_extent()
                assert box.y0 >= axis.get_window_extent().y1
                assert axis.title.get_window_extent().y0 >= box.y1 - 4
            found.legends[title] = [] if legend is None else [t.get_text() for t in legend.texts]
            found.limits[title] = axis.get_ylim()
        return figure_png(figure, dpi=dpi)

    monkeypatch.setattr(curves, "figure_png", noted)
    return found


P, HEURISTICS = "augmentation probability p", "overfitting heuristics"


def test_each_curve_has_the_points_that_were_measured(
    directory: RunDirectory, drawn: Drawn
) -> None:
    draw_curves(directory, ADAPTED)
    assert drawn.lines["losses"]["generator"] == [(0, 1.0), (1, 2.0), (2, 3.0)]
    # p has an axis of its own, on which small values are seen, and its cap only where it comes near.
    assert drawn.lines[P] == {"p": [(0, 0.0), (1, 0.1), (2, 0.2)]}
    assert drawn.limits[P] == pytest.approx((0, 0.22))
    assert list(drawn.lines[HEURISTICS]) == ["r_t", "target of r_t: 0.6"]
    assert drawn.limits[HEURISTICS] == (-1.05, 1.05)
    # As few generated images as held-out ones stand beside what those score.
    assert drawn.lines["fd_random"]["2,000 generated images"] == [(0, 9.0), (2, 4.0)]
    assert drawn.lines["fd_random"]["100 generated images"] == [(0, 12.0), (2, 6.0)]
    assert drawn.lines["fd_random"]["best: 4"] == [(2, 4.0)]
    assert drawn.legends["fd_random"][2:] == ["best: 4", "100 held-out real images: 1.5"]
    assert drawn.limits["fd_random"][0] == 0
    assert "held-out images" not in drawn.lines["mean logits"]
    assert len(drawn.lines) == 5  # no axis for kid_random
    assert Image.open(directory.curves).size == (1400, 640)


def test_what_p_is_to_hold_and_how_far_it_may_go_are_lines(
    directory: RunDirectory, drawn: Drawn
) -> None:
    draw_curves(
        directory, ADAPTED.model_copy(update={"p_max": 0.3, "heuristic": "rv", "target": 0.5})
    )
    assert drawn.lines[P]["cap of p: 0.3"] == [(0, 0.3), (1, 0.3)]  # of the width
    assert drawn.limits[P] == pytest.approx((0, 0.33))
    assert drawn.legends[P] == ["p", "cap of p: 0.3"]
    assert drawn.legends[HEURISTICS] == ["r_t", "target of r_v: 0.5"]
    draw_curves(directory, ADAPTED.model_copy(update={"mode": "fixed", "p": 0.2, "p_max": 0.2}))
    assert (drawn.legends[P], drawn.legends[HEURISTICS]) == (["p"], ["r_t"])


def test_of_losses_without_a_threshold_pairs_of_logits_are_drawn_and_no_signs(
    directory: RunDirectory, drawn: Drawn
) -> None:
    records = [record | {"r_relative": 0.25} for record in STATS]
    directory.stats.write_text("".join(json.dumps(record) + "\n" for record in records))
    draw_curves(directory, ADAPTED.model_copy(update={"heuristic": "relative", "target": 0.5}))
    assert drawn.legends[HEURISTICS] == ["r_relative", "target of r_relative: 0.5"]
    draw_curves(directory, ADAPTED)  # which holds r_t, of which there is no curve
    assert drawn.legends[HEURISTICS] == ["r_relative"]


def test_a_run_without_records_has_empty_axes(tmp_path: Path) -> None:
    draw_curves(RunDirectory(tmp_path), ADAPTED)
    assert Image.open(tmp_path / "curves.png").size == (1400, 640)


@pytest.mark.parametrize("name", [b"caf\xe9", b"$x_{$", b"a\x1b[31m\nb"])
def test_any_name_of_a_run_can_stand_above_its_curves(tmp_path: Path, name: bytes) -> None:
    directory = RunDirectory(tmp_path / os.fsdecode(name))
    directory.path.mkdir()
    directory.stats.write_text("".join(json.dumps(record) + "\n" for record in STATS))
    draw_curves(directory, ADAPTED)
    assert Image.open(directory.curves).size[0] > 500
