import csv
import io
import json
from pathlib import Path

import pytest

from adavit.errors import UserError
from adavit.report.run import collect_runs
from adavit.report.seed_groups import group_runs
from adavit.report.summary import headline
from adavit.report.table import Figure, Row, Table, merge_tables, parse_table
from adavit.report.table_formats import to_csv, to_markdown
from adavit.report.tabulation import build_table
from adavit.report.wording import Wording
from tests.adavit.report.synthetic import cell_of, failed_cell, write_grid, write_run


def table_of(folder: Path) -> Table:
    runs = collect_runs([folder])
    failed = [run for run in runs if run.status == "failed"]
    return build_table(group_runs([run for run in runs if run.status != "failed"]), failed)


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


def test_scores_of_real_images_are_no_columns(tmp_path: Path) -> None:
    write_run(tmp_path / "a")
    assert {c.name for c in table_of(tmp_path).columns if c.better} == {"fd_random", "kid_random"}


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


def test_failed_cells_are_listed_with_their_reason(tmp_path: Path) -> None:
    write_grid(tmp_path / "grid", seeds=1)
    failed_cell(tmp_path / "grid" / "x", "out of memory")
    table = table_of(tmp_path)
    assert [(f.label, f.reason) for f in table.failures] == [("noise", "out of memory")]
    assert "noise" not in [row.label for row in table.rows]
    assert "out of memory" in to_markdown(table, "t")


def test_json_round_trips(tmp_path: Path) -> None:
    write_grid(tmp_path / "grid")
    table = table_of(tmp_path)
    assert parse_table(table.to_json(), "x") == table
    assert json.loads(table.to_json())["format"] == "adavit-report"


def test_csv_has_every_figure_to_the_last_digit(tmp_path: Path) -> None:
    table = table_of(write_grid(tmp_path))
    lines = list(csv.DictReader(io.StringIO(to_csv(table))))
    assert len(lines) == sum(len(row.figures) for row in table.rows)
    columns = {(c.name, c.statistic): c.key for c in table.columns}
    for line in lines:
        row = next(row for row in table.rows if row.label == line["label"])
        figure = row.figures[columns[line["metric"], line["statistic"]]]
        assert float(line["mean"]) == figure.mean
        assert json.loads(line["values"]) == figure.by_seed
        assert line["low"] == ("" if figure.difference is None else repr(figure.difference.low))


def test_markdown_has_a_line_per_row_with_means_spreads_and_intervals(tmp_path: Path) -> None:
    text = to_markdown(table_of(write_grid(tmp_path)), "Groups")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 4
    assert len({line.count("|") for line in rows}) == 1
    assert "| bg | 3 | 6.250 ± 0.500<br>−3.000 [−3.000, −3.000] |" in text
    assert "fewer than five pairs" in text


def test_one_seed_has_no_interval_and_says_so(tmp_path: Path) -> None:
    table = table_of(write_grid(tmp_path, seeds=1))
    text = to_markdown(table, "Groups")
    assert "no interval" in text
    assert "±" not in text.split("\n\n")[1]
    assert "cannot be said" in headline(table)


def test_the_headline_names_the_best_row_and_its_baseline(tmp_path: Path) -> None:
    sentence = headline(table_of(write_grid(tmp_path)))
    assert sentence.startswith("Lowest fd_random: bg with 6.250 ± 0.500 over 3 seeds")
    assert "none, has 9.250 ± 0.500" in sentence
    assert "excludes zero" in sentence


def test_two_seeds_are_not_called_sure(tmp_path: Path) -> None:
    assert "from 2 seeds only" in headline(table_of(write_grid(tmp_path, seeds=2)))


def test_merged_rows_keep_their_figures_and_say_where_they_are_from(tmp_path: Path) -> None:
    table = table_of(write_grid(tmp_path / "now", seeds=1))
    write_run(tmp_path / "then" / "a", cell=cell_of("noise", 0, grid="old"), protocol={"n_fake": 1})
    earlier = table_of(tmp_path / "then")
    merged = merge_tables(table, {"old.json": earlier})
    assert [row.origin for row in merged.rows] == ["", "", "", "old.json"]
    assert merged.rows[3].figures == earlier.rows[0].figures
    assert merged.rows[:3] == table.rows
    # n_fake differs, so its metrics stand in columns of their own; p does not.
    assert len(merged.columns) == len(table.columns) + 4
    again = merge_tables(Table(columns=[], rows=[], failures=[]), {"new.json": merged})
    assert [row.origin for row in again.rows] == ["new.json"] * 3 + ["old.json"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"format": "other", "columns": [], "rows": [], "failures": []}',
        '{"columns": [], "rows": [], "failures": [], "extra": 1}',
        (
            '{"columns": [], "failures": [], "rows": [{"label": "a", "grid": "", "axes": {},'
            ' "baseline": false, "compared_with": null, "seeds": 1, "origin": "", "figures": {"x":'
            ' {"mean": 1, "sd": null, "by_seed": {"0": 1}}}}]}'
        ),
        (
            '{"columns": [{"key": "x", "name": "x", "statistic": "", "meaning": "", "better":'
            ' "up"}], "rows": [], "failures": []}'
        ),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(content: str) -> None:
    with pytest.raises(UserError, match=r"--merge 'x\.json' is not a table") as caught:
        parse_table(content, "--merge 'x.json'")
    assert "\n" not in str(caught.value)


def test_names_cannot_break_markdown_or_be_a_formula(tmp_path: Path) -> None:
    write_run(tmp_path / "a", cell=cell_of("=1+1|\n<script>`x`", 0))
    table = table_of(tmp_path)
    row = next(line for line in to_markdown(table, "a\nb").splitlines() if "script" in line)
    assert row.startswith(r"| =1+1\| \<script\>\`x\` |")
    line, *_ = csv.DictReader(io.StringIO(to_csv(table)))
    assert line["label"] == "'=1+1|\n<script>`x`"


@pytest.mark.parametrize(
    ("value", "words"),
    [(1234.5, "1234"), (12.3456, "12.35"), (0.5, "0.500"), (0.00012, "0.000120")],
)
def test_a_number_has_three_or_four_digits(value: float, words: str) -> None:
    column = {"key": "x", "name": "x", "statistic": "", "meaning": "", "better": None}
    row = Row(
        label="a", grid="", axes={}, baseline=False, compared_with=None, seeds=1, origin="",
        figures={"x": Figure(mean=value, sd=None, by_seed={"0": value})},
    )  # fmt: skip
    table = Table(columns=[column], rows=[row], failures=[])  # type: ignore[list-item]
    assert Wording(table).number(value, table.columns[0]) == words
