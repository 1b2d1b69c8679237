import json
from pathlib import Path

import pytest

from adavit.config.training import LOSSES_WITHOUT_THRESHOLD
from adavit.report.report import write_report
from adavit.report.table import Figure, Table, parse_table
from adavit.report.wording import Wording
from tests.adavit.report.page_reader import Page
from tests.adavit.report.synthetic import table_of, write_grid, write_run


def figure_of(table: Table, label: str, name: str, statistic: str = "") -> Figure:
    row = next(row for row in table.rows if row.label == label)
    column = next(c for c in table.columns if (c.name, c.statistic) == (name, statistic))
    return row.figures[column.key]


def test_the_figures_are_those_of_the_logs(tmp_path: Path) -> None:
    table = table_of(write_grid(tmp_path))
    last = figure_of(table, "bg", "fd_random", "last")
    assert last.by_seed == {"0": 6.0, "1": 6.5, "2": 7.0}
    assert (last.mean, last.sd) == (pytest.approx(6.5), pytest.approx(0.5))
    assert figure_of(table, "bg", "fd_random", "best").mean == pytest.approx(6.25)
    assert last.difference is not None
    # Seeds shift both rows alike, so every pair differs by the same 3.
    assert last.difference.model_dump() == {"mean": -3, "low": -3, "high": -3, "pairs": 3}
    assert figure_of(table, "none", "fd_random", "last").difference is None
    assert figure_of(table, "bg", "p").mean == 0.4
    assert figure_of(table, "bg", "kimg").mean == 30
    assert figure_of(table, "bg", "images/s").mean == pytest.approx(200)
    assert figure_of(table, "bg", "logits gap").mean == pytest.approx(1.5)
    # Mean of 0.5 * i / 31 over the lines from 27 to 30 kimg.
    assert figure_of(table, "bg", "r_t").mean == pytest.approx(0.5 * (27 + 28 + 29 + 30) / 4 / 31)


@pytest.mark.parametrize("loss", ["non_saturating", *LOSSES_WITHOUT_THRESHOLD])
def test_signs_of_logits_are_shown_only_where_they_mean_something(
    tmp_path: Path, loss: str
) -> None:
    path = write_run(tmp_path / "run", settings={"training": {"loss": loss}})
    means = loss == "non_saturating"
    stats = [json.loads(line) for line in (path / "stats.jsonl").read_text().splitlines()]
    if not means:  # as training records it, later than the old runs did
        stats = [{**record, "r_relative": 0.25} for record in stats]
        (path / "stats.jsonl").write_text("".join(json.dumps(each) + "\n" for each in stats))
    written = write_report([tmp_path], tmp_path / "r.html")
    table = parse_table(written[-1].read_text(), "r.json")
    known = {column.name: table.rows[0].figures[column.key].mean for column in table.columns}
    (curves,) = Page(written[0]).json["curves"]["runs"]
    for found in (known, curves):
        assert ("r_t" in found, "r_relative" in found) == (means, not means)
    assert known.get("r_relative", 0.25) == 0.25


def test_scores_of_real_images_are_no_columns(tmp_path: Path) -> None:
    write_run(tmp_path / "a")
    assert {c.name for c in table_of(tmp_path).columns if c.better} == {"fd_random", "kid_random"}


def test_the_best_of_a_run_is_not_of_its_untrained_network(tmp_path: Path) -> None:
    path = write_run(tmp_path / "a", values=(7.0, 10.0, 8.0, 9.0))
    assert figure_of(table_of(tmp_path), "bgc p=0.4", "fd_random", "best").mean == 7.0
    first, *others = map(json.loads, (path / "metrics.jsonl").read_text().splitlines())
    beside = {"fd_other": 1.0, "protocol": first["protocol"]}
    records = [first | {"untrained": True, "beside": [beside]}, *others]
    records[1]["beside"] = [beside | {"fd_other": 3.0}]
    (path / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    table = table_of(tmp_path)
    label = table.rows[0].label
    for name, value in (("fd_random", 8.0), ("kid_random", 0.08), ("fd_other", 3.0)):
        assert figure_of(table, label, name, "best").mean == value


@pytest.mark.parametrize("odd", [float("nan"), float("inf")])
def test_a_run_whose_figures_end_in_none_has_no_value_at_its_end(
    tmp_path: Path, odd: float
) -> None:
    write_run(tmp_path / "sound", preset="bg", values=(20.0, 9.0, 12.0))
    write_run(tmp_path / "recovered", preset="color", values=(20.0, odd, 11.0))
    lost = write_run(tmp_path / "lost", preset="geom", values=(20.0, 12.0, odd))
    protocol = {"extractor": "other"}
    log = lost / "metrics.jsonl"
    records = [json.loads(line) for line in log.read_text().splitlines()]
    for record, value in zip(records, (3.0, 2.0, 1.0), strict=True):
        record["beside"] = [{"fd_other": value, "protocol": protocol}]
    log.write_text("".join(json.dumps(record) + "\n" for record in records))
    table = table_of(tmp_path)
    found = {
        (row.label.partition(" ")[0], column.statistic): row.figures[column.key].mean
        for row in table.rows
        for column in table.columns
        if column.name == "fd_random" and column.key in row.figures
    }
    assert found == {
        ("bg", "best"): 9.0,
        ("bg", "last"): 12.0,
        ("color", "best"): 11.0,
        ("color", "last"): 11.0,
        ("geom", "best"): 12.0,
    }
    assert figure_of(table, "geom p=0.4", "fd_other", "last").mean == 1.0


def test_two_protocols_are_two_columns_but_seeds_and_counts_of_companions_are_none(
    tmp_path: Path,
) -> None:
    write_run(tmp_path / "a", preset="bg", protocol={"seed": 4, "n_heldout": 9})
    write_run(tmp_path / "b", preset="color", protocol={"n_fake": 5000})
    write_run(tmp_path / "c", preset="geom")
    table = table_of(tmp_path)
    columns = [c for c in table.columns if c.name == "fd_random" and c.statistic == "best"]
    assert len(columns) == 2
    present = [[column.key in row.figures for column in columns] for row in table.rows]
    assert sorted(present) == [[False, True], [True, False], [True, False]]
    assert [Wording(table).title(column) for column in columns] == [
        "fd_random best [A]",
        "fd_random best [B]",
    ]


def test_evaluations_are_columns_and_the_latest_record_counts(tmp_path: Path) -> None:
    path = write_run(tmp_path / "a")
    records = [
        {
            "precision": value,
            "fid": 7.0,
            "fid_floor": 1.0,
            "protocol": {"n_fake": 50000},
            "source": {"generator": f"generator-{which}.safetensors"},
        }
        for which, value in (("best", 0.5), ("best", 0.75), ("last", 0.25))
    ]
    (path / "evaluations.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    table = table_of(tmp_path)
    precision = [c for c in table.columns if c.name == "precision"]
    assert [c.better for c in precision] == ["higher"] * 2
    figures = {c.statistic: table.rows[0].figures[c.key].mean for c in precision}
    assert figures == {"evaluated best": 0.75, "evaluated last": 0.25}
