"""From a grid to records and back, with runs of a second."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from adavit.config.auto import RunFacts, resolve
from adavit.config.layers import build_config
from adavit.diagnostics.leaks import probe
from adavit.experiments.cell import cells_of, digest_of
from adavit.experiments.cell_directory import CellDirectory
from adavit.experiments.grid_file import read_grid
from adavit.report.run import collect_runs
from adavit.runtime.resolution import Resolution
from benchmarks import few_images
from benchmarks.claims.cell_record import CellRecord
from benchmarks.claims.findings import Probes
from benchmarks.claims.results import GRIDS

GRID = {
    "name": "tiny",
    "preset": "smoke",
    "base": {
        "data": {"source": "small_set:60", "subset": 20, "resolution": 32, "val_fraction": 0.5},
        "training": {"total_kimg": 0.032, "batch": 16, "precision": "float32"},
        "metrics": {
            "extractor": "drawn",
            "reference": "small_set@1:60",
            "fakes": 40,
            "every_kimg": 0.016,
        },
        "run": {"status_every_kimg": 0.016},
    },
    "axes": {"run.seed": [0, 1]},
}


@pytest.mark.slow
def test_a_sitting_keeps_records_by_which_the_next_one_trains_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADAVIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(probe, "STEPS", 3)
    monkeypatch.setattr(few_images, "PAUSE_S", 0.2)
    monkeypatch.setattr(few_images, "Probes", lambda: Probes(("rotate90",), (20, 20, 20)))
    few_images.probes_here.cache_clear()
    # Threads, in which what is replaced here is replaced too.
    monkeypatch.setattr(few_images, "ProcessPoolExecutor", lambda n, _: ThreadPoolExecutor(n))
    path, records = tmp_path / "tiny.yaml", tmp_path / "records"
    path.write_text(yaml.safe_dump(GRID))
    few_images.sit(5, 1, tmp_path / "runs", records, [str(path)])
    cells = {cell.digest for cell in cells_of(read_grid(str(path)))}
    assert {record.stem for record in records.iterdir()} == cells
    assert not list((tmp_path / "runs").rglob("*.pt"))
    for record in few_images.read_records(records).values():
        assert [each["images"] for each in record.metrics] == [0, 16, 32]
        assert record.memorisation["protocol"]["n_fake"] == 40
        assert record.leaks["operations"][0]["operation"] == "rotate90"
        assert record.memorisation["protocol"]["generator"] == "generator-last.safetensors"

    def never(*arguments: object) -> None:
        raise AssertionError("all cells have a record")

    monkeypatch.setattr(few_images, "train", never)
    few_images.sit(5, 1, tmp_path / "elsewhere", records, [str(path)])
    found = collect_runs([tmp_path / "elsewhere"])
    assert [(run.status, run.images) for run in found] == [("finished", 32)] * 2
    few_images.bring_all(tmp_path / "brought", records, [str(path)])
    assert {run.path.name for run in collect_runs([tmp_path / "brought"])} == cells


class Ended:
    """In place of a process that has ended."""

    def __init__(self, code: int = 0) -> None:
        self.code = code

    def poll(self) -> int:
        return self.code

    wait = poll


def record_of(directory: CellDirectory) -> CellRecord:
    """One without figures."""
    settings = {section: dict(values) for section, values in directory.cell.settings.items()}
    settings["run"].pop("out")
    return CellRecord(directory.cell.label, settings, {}, {}, [], [], {}, {})


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Cells that a sitting trains, by their labels; it takes no time to, and half a second to look into one."""
    monkeypatch.setenv("ADAVIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(few_images, "ProcessPoolExecutor", lambda n, _: ThreadPoolExecutor(n))
    labels: list[str] = []

    def train(name: str, out: Path, workers: int) -> Ended:
        for cell in cells_of(read_grid(name)):
            directory = CellDirectory(out, cell)
            if directory.note().get("status") != "finished":
                labels.append(cell.label)
                leave(directory, "finished")
        return Ended()

    def keep(directory: CellDirectory, records: Path) -> None:
        time.sleep(0.5)
        record_of(directory).write(records / f"{directory.cell.digest}.json")
        few_images.remove_weights(directory.run)

    monkeypatch.setattr(few_images, "train", train)
    monkeypatch.setattr(few_images, "keep", keep)
    return labels


def leave(directory: CellDirectory, status: str) -> None:
    """What a run leaves behind, as far as a sitting looks at it."""
    directory.make()
    directory.run.config.write_text(yaml.safe_dump(directory.cell.settings))
    directory.run.checkpoint.write_bytes(b"weights")
    directory.run.sound_checkpoint.write_bytes(b"weights")
    directory.write_note(status, attempts=1)


def write_axis(path: Path, *gammas: float) -> str:
    axes = {"training.r1_gamma": list(gammas)}
    path.write_text(yaml.safe_dump({**GRID, "name": path.stem, "axes": axes}))
    return str(path)


def test_cells_that_two_grids_share_are_trained_once(tmp_path: Path, trained: list[str]) -> None:
    grids = [
        write_axis(tmp_path / "one.yaml", 0.6, 0.8),
        write_axis(tmp_path / "two.yaml", 0.4, 0.6, 0.8),
    ]
    few_images.sit(5, 1, tmp_path / "runs", tmp_path / "records", grids)
    assert trained == ["r1_gamma 0.6", "r1_gamma 0.8", "r1_gamma 0.4"]
    assert not list((tmp_path / "runs").rglob("*.pt"))


def test_a_cell_half_trained_whose_record_has_come_is_not_trained_on(
    tmp_path: Path, trained: list[str]
) -> None:
    grid = write_axis(tmp_path / "one.yaml", 0.4, 0.6, 0.8)
    come, claimed, _ = (CellDirectory(tmp_path / "runs/one", c) for c in cells_of(read_grid(grid)))
    for directory in (come, claimed):
        record_of(directory).write(tmp_path / "records" / f"{directory.cell.digest}.json")
        leave(directory, "running")
    with claimed.run.claimed():
        few_images.sit(5, 1, tmp_path / "runs", tmp_path / "records", [grid])
    assert trained == ["r1_gamma 0.6", "r1_gamma 0.8"]  # the fake one heeds no claim
    assert come.has_figures_alone()


def test_runs_are_brought_of_all_records_whatever_is_there(tmp_path: Path) -> None:
    grid = write_axis(tmp_path / "one.yaml", 0.4, 0.6, 0.8)
    half, cut_off, untold = (CellDirectory(tmp_path / "one", c) for c in cells_of(read_grid(grid)))
    for directory in (half, cut_off):
        record_of(directory).write(tmp_path / "records" / f"{directory.cell.digest}.json")
    leave(half, "running")
    cut_off.make()
    cut_off.run.config.write_text("{}")  # killed while it was brought
    leave(untold, "running")
    few_images.bring_all(tmp_path, tmp_path / "records", [grid])
    assert [each.has_figures_alone() for each in (half, cut_off, untold)] == [True, True, False]
    assert untold.run.checkpoint.exists()


def test_runs_brought_before_are_called_what_their_grid_calls_them_now(
    tmp_path: Path, trained: list[str]
) -> None:
    records, grid = tmp_path / "records", tmp_path / "one.yaml"
    for label in ("weak", "weaker"):
        axes = {"strength": {label: {"training": {"r1_gamma": 0.6}}}}
        grid.write_text(yaml.safe_dump({**GRID, "name": "one", "axes": axes}))
        (cell,) = cells_of(read_grid(str(grid)))
        brought, sat = (CellDirectory(tmp_path / name / "one", cell) for name in ("brought", "sat"))
        record_of(brought).write(records / f"{cell.digest}.json")
        few_images.bring_all(tmp_path / "brought", records, [str(grid)])
        few_images.sit(5, 1, tmp_path / "sat", records, [str(grid)])
        assert [directory.note()["label"] for directory in (brought, sat)] == [label] * 2
    assert not trained


def test_a_grid_that_fails_ends_the_sitting_once_its_finished_cells_are_kept(
    tmp_path: Path,
    trained: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(name: str, out: Path, workers: int) -> Ended:
        trained.append(name)
        leave(CellDirectory(out, cells_of(read_grid(name))[0]), "finished")
        return Ended(3)

    monkeypatch.setattr(few_images, "train", fail)
    grids = [write_axis(tmp_path / f"{name}.yaml", 0.6, 0.8) for name in ("one", "two")]
    with pytest.raises(SystemExit) as ended:
        few_images.sit(5, 1, tmp_path / "runs", tmp_path / "records", grids)
    assert ended.value.code == 3
    assert trained == grids[:1]
    assert f"{grids[0]}: adavit ablate has ended with exit code 3." in capsys.readouterr().err
    assert len(list((tmp_path / "records").iterdir())) == 1


def test_a_sitting_whose_time_is_up_ends_well(
    tmp_path: Path, trained: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lasting(Ended):
        def poll(self) -> int | None:  # type: ignore[override]
            return self.code or None

        def terminate(self) -> None:
            self.code = 143

        wait = poll  # type: ignore[assignment]

    monkeypatch.setattr(few_images, "PAUSE_S", 0.01)
    monkeypatch.setattr(few_images, "train", lambda *_: Lasting())
    grid = write_axis(tmp_path / "one.yaml", 0.6)
    few_images.sit(0.05, 1, tmp_path / "runs", tmp_path / "records", [grid])


def test_a_record_that_is_not_understood_is_left_out_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ADAVIT_CACHE", str(tmp_path / "cache"))
    parts = ("data", "environment", "stats", "metrics", "memorisation", "leaks", "protocol")
    empty: dict[str, object] = {part: {} for part in parts}
    settings = {"data": {"source": "small_set:20"}, "training": {"sam": True}}
    record = {**empty, "label": "x", "settings": settings}
    (tmp_path / "a.json").write_text(json.dumps(record))
    record["settings"] = {"data": {"source": "small_set:20"}}
    (tmp_path / "b.json").write_text(json.dumps(record))
    assert len(few_images.read_records(tmp_path)) == 1
    assert "a.json is left out: training.sam" in capsys.readouterr().err


def test_the_page_is_what_the_records_beside_it_give() -> None:
    assert few_images.page_of_records(few_images.RECORDS) == few_images.PAGE.read_text("utf-8")


@pytest.mark.parametrize("name", GRIDS)
def test_cells_are_the_same_on_every_device(name: str) -> None:
    for point in read_grid(name).points():
        config = build_config([point.settings])
        for images in (100, 1000):
            cpu, cuda = (
                resolve(config, RunFacts(Resolution.of(32), images, device)).as_dict()
                for device in ("cpu", "cuda")
            )
            assert digest_of(cpu, {}) == digest_of(cuda, {})
