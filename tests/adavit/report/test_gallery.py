from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adavit.report.gallery import build_gallery, chosen_times
from adavit.report.run import collect_runs
from adavit.report.seed_groups import SeedGroup, group_runs
from tests.adavit.report.synthetic import write_grid, write_run


def test_times_are_spread_evenly_and_keep_both_ends() -> None:
    assert chosen_times([5, 1, 3, 1], 9) == [1, 3, 5]
    assert chosen_times(list(range(101)), 5) == [0, 25, 50, 75, 100]


def groups_of(folder: Path) -> list[SeedGroup]:
    return group_runs(collect_runs([folder]))


def test_a_gallery_holds_every_grid_where_there_is_room(tmp_path: Path) -> None:
    gallery = build_gallery(groups_of(write_grid(tmp_path)), 4_000_000)
    assert len(gallery.runs) == 9
    assert gallery.left_out == 0
    assert {run["data"] for run in gallery.runs} == {"squares"}
    assert [time for time, _ in gallery.runs[0]["frames"]] == [0, 10, 20, 30]
    # Runs of one seed draw alike here, and the real images are the same for all: kept once each.
    assert len(gallery.pictures) == 3 * 4 + 1


@pytest.mark.parametrize("budget", [200_000, 60_000, 1_000])
def test_a_gallery_keeps_its_budget(tmp_path: Path, budget: int) -> None:
    rng = np.random.default_rng(0)
    for number in range(6):
        path = write_run(tmp_path / str(number), seed=number)
        for sheet in (path / "samples").iterdir():
            noise = rng.integers(0, 256, (530, 530, 3), dtype=np.uint8)
            Image.fromarray(noise).save(sheet)
    gallery = build_gallery(groups_of(tmp_path), budget)
    assert gallery.size <= budget
    assert gallery.left_out > 0
    assert bool(gallery.runs) == (budget > 1_000)
