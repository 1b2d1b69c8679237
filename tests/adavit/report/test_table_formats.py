import csv
import io
import json
from pathlib import Path

from adavit.report.summary import headline
from adavit.report.table_formats import to_csv, to_markdown
from tests.adavit.report.synthetic import cell_of, table_of, write_grid, write_run


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


def test_names_cannot_break_markdown_or_be_a_formula(tmp_path: Path) -> None:
    write_run(tmp_path / "a", cell=cell_of("=1+1|\n<script>`x`", 0))
    table = table_of(tmp_path)
    row = next(line for line in to_markdown(table, "a\nb").splitlines() if "script" in line)
    assert row.startswith(r"| =1+1\| \<script\>\`x\` |")
    line, *_ = csv.DictReader(io.StringIO(to_csv(table)))
    assert line["label"] == "'=1+1|\n<script>`x`"
