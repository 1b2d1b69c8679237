import json
from pathlib import Path
from typing import Any

import pytest

from adavit.errors import UserError
from adavit.experiments.cell import Cell, Sources, make_cell
from adavit.experiments.cell_directory import CellDirectory
from adavit.report.run import read_run
from adavit.runs.shared_names import without_folders
from adavit.training.start.stored_settings import config_text
from benchmarks.claims.cell_record import LOGGED, CellRecord
from benchmarks.claims.results import Outcome

RECORDS = Path(__file__).parents[3] / "benchmarks" / "results" / "few_images"
SETTINGS: dict[str, Any] = {
    "data": {"source": "small_set:40", "resolution": 32, "val_fraction": 0.5},
    "augment": {"mode": "fixed", "p": 0.4},
    "training": {"total_kimg": 40, "batch": 16},
    "metrics": {"extractor": "drawn", "every_kimg": 10},
}
PROTOCOL = {"extractor": "drawn", "n_fake": 2000, "truncation": 1.0, "settings": {"fid": "all"}}


@pytest.fixture
def cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cell:
    monkeypatch.setenv("ADAVIT_CACHE", str(tmp_path / "cache"))
    return make_cell("one", SETTINGS, axes={"a": "x", "run.seed": 0}, varied={}, label="x")


@pytest.fixture
def record(cell: Cell, tmp_path: Path) -> CellRecord:
    """Of a run as long as those of the benchmark."""
    directory = CellDirectory(tmp_path / "first", cell)
    directory.make()
    run = directory.run
    run.config.write_text(config_text(cell.config(run.path)))
    run.data.write_text(json.dumps({"fingerprint": cell.fingerprint, "name": "small_set"}))
    for kimg in range(1, 41):
        line = {**dict.fromkeys(LOGGED, 0.123456789012), "images": 1000 * kimg, "r1": 0.5}
        run.append(run.stats, {**line, "r_v": None})
    for kimg in range(0, 41, 10):
        figures = {"fd_drawn": 40.123456789 - kimg, "recognised": kimg / 100}
        run.append(run.metrics, {"images": 1000 * kimg, **figures, "protocol": PROTOCOL})
    run.diagnostics.path.mkdir()
    side = {"median": 2.0, "share_closer": 0.25}
    features = {"generated": side, "heldout": {"median": 4.0}, "closest_pairs": [{}] * 99}
    protocol = {"source": str(run.path), "data": "small_set"}
    memorisation = {"spaces": {"features": features}, "protocol": protocol}
    run.diagnostics.memorisation.write_text(json.dumps(memorisation))
    leaks: dict[str, Any] = {"protocol": protocol}
    leaks |= {"operations": [{"operation": "hue", "rate": {"value": 0.125, "low": 0, "high": 1}}]}
    run.diagnostics.leaks.write_text(json.dumps(leaks))
    directory.write_note("finished", attempts=1)
    return CellRecord.of_run(directory.path)


def test_a_record_is_small_and_read_as_it_was_written(record: CellRecord, tmp_path: Path) -> None:
    path = tmp_path / "records" / "one.json"
    record.write(path)
    assert path.stat().st_size < 12_000
    read = CellRecord.read(path)
    assert read.settings == record.settings
    assert [each["fd_drawn"] for each in read.metrics] == [
        40.1235,
        30.1235,
        20.1235,
        10.1235,
        0.123457,
    ]
    assert all(each["protocol"] == PROTOCOL for each in read.metrics)
    assert [each["images"] for each in read.stats] == [1000 * kimg for kimg in range(1, 41)]
    assert "r_v" not in read.stats[0]
    assert "closest_pairs" not in read.memorisation["spaces"]["features"]


def test_a_record_holds_names_and_no_paths(record: CellRecord, cell: Cell, tmp_path: Path) -> None:
    path = tmp_path / "records" / "one.json"
    record.write(path)
    assert str(tmp_path) not in path.read_text()
    assert "out" not in record.settings["run"]
    assert record.settings["data"]["source"] == "small_set:40"
    for finding in (record.memorisation, record.leaks):
        assert finding["protocol"] == {"source": cell.digest, "data": "small_set"}


def test_records_that_are_kept_hold_no_paths() -> None:
    paths = sorted(RECORDS.glob("*.json"))
    assert paths
    for path in paths:
        values = json.loads(path.read_text())
        assert without_folders(values) == values
        record = CellRecord.read(path)
        assert "out" not in record.settings["run"]
        for finding in (record.memorisation, record.leaks):
            assert "/" not in finding["protocol"]["source"]


def test_what_came_out_of_it_is_what_was_logged(record: CellRecord) -> None:
    outcome = Outcome.of_record(record)
    assert (outcome.best, outcome.last) == (pytest.approx(0.123456789), outcome.curve[-1][1])
    assert outcome.curve[1] == (10, pytest.approx(30.123456789))
    assert (outcome.recognised, outcome.nearness, outcome.close) == (0.4, 0.5, 0.25)
    assert outcome.leaks == {"hue": 0.125}
    assert outcome.heuristics[0] == (1, pytest.approx(0.123456789012), None)


def test_a_cell_brought_elsewhere_is_finished_there_and_can_be_reported(
    record: CellRecord, cell: Cell, tmp_path: Path
) -> None:
    assert record.digest(Sources()) == cell.digest
    path = record.bring_to(tmp_path / "second", cell)
    assert CellDirectory(tmp_path / "second", cell).is_finished()
    run = read_run(path)
    assert (run.status, run.images, run.augmentation) == ("finished", 40_000, "bgc p=0.4")
    assert (run.cell.grid, run.cell.axes, run.cell.seed) == ("one", {"a": "x"}, 0)
    assert run.metrics[-1]["fd_drawn"] == pytest.approx(0.123456789)
    assert run.leaks["operations"][0]["operation"] == "hue"


def test_a_setting_that_came_later_has_its_default_and_one_that_is_gone_is_named(
    record: CellRecord, cell: Cell
) -> None:
    del record.settings["training"]["san"]
    assert record.digest(Sources()) == cell.digest
    record.settings["training"]["sam"] = True
    with pytest.raises(UserError, match="sam"):
        record.digest(Sources())
