"""From a grid to records and back, with runs of a second."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from adavit.config.auto import RunFacts, resolve
from adavit.config.layers import build_config
from adavit.diagnostics.leaks import probe
from adavit.experiments.cell import cells_of, digest_of
from adavit.experiments.grid_file import read_grid
from adavit.report.run import collect_runs
from adavit.runtime.resolution import Resolution
from benchmarks import few_images
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
