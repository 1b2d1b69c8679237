import json
from pathlib import Path

import pytest
import torch
from torchvision.models import squeezenet1_1

from adavit.config.training import LOSSES_WITHOUT_THRESHOLD
from adavit.experiments.ablation import ablate
from adavit.experiments.cell import cells_of
from adavit.experiments.cell_directory import CellDirectory
from adavit.experiments.grid_file import read_grid
from adavit.experiments.queue import Outcome
from adavit.experiments.tables import seconds_left, summary_rows, summary_table, total_time
from adavit.runs.directory import RunDirectory
from adavit.training.start.workload import Workload
from tests.adavit.experiments.conftest import WriteGrid
from tests.checkpoints import save_checkpoint


def test_a_dry_run_lists_cells_and_trains_nothing(write_grid: WriteGrid) -> None:
    path = write_grid()
    text = ablate(str(path), dry_run=True, workers=2)
    assert not Path("runs").exists()
    for cell in cells_of(read_grid(str(path))):
        assert cell.digest in text
    assert "augment.mode none  (baseline)" in text
    assert "augment.mode fixed, augment.p 0.5" in text
    assert "2 cells in runs/ablations/tiny" in text
    assert "with 2 workers" in text
    ablate(str(path))
    assert ablate(str(path), dry_run=True).count("finished") == 2


def test_a_setting_left_open_is_shown_as_a_file_writes_it(write_grid: WriteGrid) -> None:
    path = write_grid(axes={"metrics.reference": [None]}, baseline=None)
    assert "metrics.reference null" in ablate(str(path), dry_run=True)


def test_a_grid_of_one_cell_has_one_cell(write_grid: WriteGrid) -> None:
    path = write_grid(axes={"run.seed": [0]}, baseline=None)
    assert "\n1 cell in runs/ablations/tiny, " in ablate(str(path), dry_run=True)


def test_workers_without_a_cell_save_no_time() -> None:
    assert total_time([600, 600], workers=4).startswith("10 minutes with 4 workers")
    assert total_time([600, 600], workers=1).startswith("20 minutes; ")


@pytest.mark.parametrize(
    ("seconds", "time"),
    [
        ([0] * 7 + [14_400], "4 hours"),  # of what is finished no worker takes over
        ([3600] * 5, "2 hours"),  # in two rounds
        ([3600, 7200, 3600, 3600, 10_800], "4 hours"),  # the last with whoever is free first
        ([0, 0], "0 seconds"),
    ],
)
def test_cells_go_to_the_worker_that_is_free_first(seconds: list[float], time: str) -> None:
    assert total_time(seconds, workers=4).startswith(f"{time} with 4 workers")


def test_the_table_holds_what_the_runs_have_logged(write_grid: WriteGrid, tmp_path: Path) -> None:
    first, second = cells_of(read_grid(str(write_grid())))
    run = RunDirectory(tmp_path / first.digest)
    run.path.mkdir()
    run.config.touch()
    for images, figure in ((0, 9.0), (32, 4.5), (64, float("nan")), (96, 7.25)):
        protocol = {"extractor": "random"}
        run.append(run.metrics, {"images": images, "fd_random": figure, "protocol": protocol})
    report = {"r_t": 0.5, "p": 0.25, "images_per_s": 99.6}
    run.append(run.stats, {**report, "images": 96, "logits_train": 1.5, "logits_heldout": -0.5})
    table = summary_table(tmp_path, [first, second], {second.digest: Outcome("finished")})
    lines = [line.split() for line in table.splitlines()]
    figures = ["4.5", "7.25", "+0.50", "0.250", "+2.00", "100"]
    assert lines[1] == ["none", "(baseline)", "fd_random", *figures, "open"]
    assert lines[2] == ["some", *"-------", "finished", "elsewhere"]
    run.append(run.metrics, {"images": 128, "fd_random": None, "protocol": protocol})
    ended_in_none = summary_table(tmp_path, [first, second], {}).splitlines()[1].split()
    assert ended_in_none[2:5] == ["fd_random", "4.5", "-"]


def test_signs_of_logits_are_left_out_where_they_mean_nothing(
    tmp_path: Path, write_grid: WriteGrid
) -> None:
    losses = {"training.loss": ["non_saturating", *LOSSES_WITHOUT_THRESHOLD]}
    cells = cells_of(read_grid(str(write_grid(axes=losses, baseline=None))))
    for cell in cells:
        run = RunDirectory(tmp_path / cell.digest)
        run.path.mkdir()
        run.append(run.stats, {"images": 96, "r_t": 0.5})
    shown = {row["cell"]: row["r_t"] for row in summary_rows(tmp_path, cells, {})}
    assert list(shown.values()) == [0.5, None, None]


def test_what_only_weighs_is_not_timed_again_and_of_many_kinds_a_few_are(
    write_grid: WriteGrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed = []

    def seconds_per_step(workload: Workload, processes: int) -> float:
        timed.append(workload.config.training.batch)
        return 0.25 * workload.config.training.batch  # a quarter of a second for an image

    monkeypatch.setattr("adavit.experiments.tables.seconds_per_step", seconds_per_step)
    rates = [0.0, *(0.001 * 2**power for power in range(9))]
    weights = {"training.r1_gamma": rates, "training.total_kimg": [0.064, 0.128]}
    cells = cells_of(read_grid(str(write_grid(axes=weights, baseline=None))))
    assert seconds_left(cells, Path("out")) == [16.0, 32.0] * 10
    assert timed == [8, 8]  # without R1 and with it
    timed.clear()
    batches = {"training.batch": list(range(1, 65))}
    cells = cells_of(read_grid(str(write_grid(axes=batches, baseline=None))))
    assert seconds_left(cells, Path("out")) == pytest.approx(
        [0.25 * batch * -(-64 // batch) for batch in range(1, 65)]
    )
    assert timed == [5, 13, 21, 29, 37, 45, 53, 61]


@pytest.mark.parametrize("kinds", [*range(2, 14), 19, 23])
def test_each_kind_has_the_time_of_the_nearest_that_was_measured(
    write_grid: WriteGrid, monkeypatch: pytest.MonkeyPatch, kinds: int
) -> None:
    timed = []

    def seconds_per_step(workload: Workload, processes: int) -> float:
        timed.append(workload.config.training.batch)
        return float(workload.config.training.batch**2)  # as many seconds for an image

    monkeypatch.setattr("adavit.experiments.tables.seconds_per_step", seconds_per_step)
    batches = {"training.batch": list(range(1, kinds + 1))}
    cells = cells_of(read_grid(str(write_grid(axes=batches, baseline=None))))
    for batch, seconds in enumerate(seconds_left(cells, Path("out")), start=1):
        told = seconds / (batch * -(-64 // batch))
        assert abs(told - batch) == min(abs(other - batch) for other in timed)


@pytest.mark.parametrize(
    ("note", "left"), [("finished", 0.0), ("pruned", 0.0), ("running", 0.5), ("failed", 0.5)]
)
def test_a_run_that_ended_before_its_length_has_no_work_left(
    write_grid: WriteGrid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, note: str, left: float
) -> None:
    monkeypatch.setattr("adavit.experiments.tables.seconds_per_step", lambda *_, **__: 8.0)
    path = write_grid({"metrics": {"patience_kimg": 0.016}})
    first, second = cells_of(read_grid(str(path)))
    directory = CellDirectory(tmp_path, first)
    directory.make()
    save_checkpoint(directory.run.checkpoint, {"progress": {"images": 32}})
    directory.write_note(note, attempts=1)
    assert seconds_left([first, second], tmp_path) == [64 * left, 64]
    # The note of another cell says nothing of this one.
    directory.run.cell_note.write_text(json.dumps(directory.note() | {"cell": second.digest}))
    assert seconds_left([first, second], tmp_path) == [32, 64]


def test_networks_of_features_and_of_labels_are_timed(
    write_grid: WriteGrid, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index, picture in enumerate(sorted(pictures.iterdir())):
        folder = pictures / ("a" if index % 2 else "b")
        folder.mkdir(exist_ok=True)
        picture.rename(folder / picture.name)
    torch.save(squeezenet1_1(weights=None).state_dict(), tmp_path / "squeeze.pth")
    network = f"torchvision:squeezenet1_1:{tmp_path / 'squeeze.pth'}"
    timed = []

    def seconds_per_step(workload: Workload, processes: int) -> float:
        config = workload.config
        timed.append((config.features.network is not None, config.data.cond))
        return 8.0 * (1 + 2 * timed[-1][0] + timed[-1][1])

    monkeypatch.setattr("adavit.experiments.tables.seconds_per_step", seconds_per_step)
    axes = {
        "seen": {
            "nothing": {},
            "network": {"features": {"network": network}},
            "less": {"features": {"network": network, "weight": 0.5}},
        },
        "data.cond": [False, True],
    }
    cells = cells_of(read_grid(str(write_grid(axes=axes, baseline=None))))
    assert seconds_left(cells, Path("out")) == [64, 128, 192, 256, 192, 256]
    assert timed == [(False, False), (False, True), (True, False), (True, True)]
