import csv
import io
import json
from pathlib import Path

from adavit.report.summary import headline
from adavit.report.table import Table
from adavit.report.table_formats import (
    explanation,
    meanings_of_marks,
    ranking_data,
    table_view,
    to_csv,
    to_markdown,
)
from tests.adavit.report.synthetic import (
    PROTOCOL,
    cell_of,
    table_of,
    write_grid,
    write_mixed,
    write_run,
)


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


def verdicts(table: Table, metric: str, statistic: str = "last") -> dict[str, str]:
    """By label, of one column."""
    found = {}
    for part in table_view(table)["parts"]:
        names = [(column["name"], column["statistic"]) for column in part["columns"]]
        (place,) = (index for index, name in enumerate(names) if name == (metric, statistic))
        found |= {item["row"].label: item["cells"][place]["verdict"] for item in part["rows"]}
    return found


def write_more(folder: Path, label: str, *figures: float) -> None:
    """Another row beside those of `write_grid`, with figures by seed."""
    for seed, figure in enumerate(figures):
        cell = cell_of(label, seed)
        write_run(folder / f"{label}{seed}", seed=seed, values=(20.0, figure), cell=cell)


def test_a_row_is_better_or_worse_where_its_interval_excludes_zero(tmp_path: Path) -> None:
    write_grid(tmp_path)
    write_more(tmp_path, "noise", 12.0, 12.5, 13.5)
    write_more(tmp_path, "cutout", 8.0, 10.0, 8.0)  # of none: 9.0, 9.5 and 10.0
    found = verdicts(table_of(tmp_path), "fd_random")
    assert found == {"none": "", "bg": "better", "color": "better", "noise": "worse", "cutout": ""}


def test_where_higher_is_better_a_higher_row_is(tmp_path: Path) -> None:
    folder = write_grid(tmp_path)
    for label, figure in {"none": 0.5, "bg": 0.2, "color": 0.9}.items():
        for seed in range(3):
            value = figure + 0.01 * seed
            record = {"precision_random": value, "protocol": PROTOCOL, "source": {}}
            (folder / f"{label}{seed}" / "evaluations.jsonl").write_text(json.dumps(record) + "\n")
    found = verdicts(table_of(folder), "precision_random", "evaluated best")
    assert found == {"none": "", "bg": "worse", "color": "better"}


def test_two_seeds_are_no_verdict(tmp_path: Path) -> None:
    assert set(verdicts(table_of(write_grid(tmp_path, seeds=2)), "fd_random").values()) == {""}


def test_names_cannot_break_markdown_or_be_a_formula(tmp_path: Path) -> None:
    write_run(tmp_path / "a", cell=cell_of("=1+1|\n<script>`x`", 0))
    table = table_of(tmp_path)
    row = next(line for line in to_markdown(table, "a\nb").splitlines() if "script" in line)
    assert row.startswith(r"| =1+1\| \<script\>\`x\` |")
    line, *_ = csv.DictReader(io.StringIO(to_csv(table)))
    assert line["label"] == "'=1+1|\n<script>`x`"


def test_marks_of_pretrained_features_are_in_every_format(tmp_path: Path) -> None:
    apart = table_of(write_mixed(tmp_path))
    markdown = to_markdown(apart, "t")
    assert "color p=0.4 (pretrained features)" in markdown
    heads = [line for line in markdown.splitlines() if "fd_random best" in line and "|" in line]
    assert [line.count("flattered") for line in heads[:2]] == [0, 4]
    assert "Pretrained features: training saw images through a network" in markdown
    assert meanings_of_marks(apart)[0].startswith("Pretrained features: ")
    assert "--anyway" in meanings_of_marks(apart)[1]
    anyway = table_of(tmp_path, anyway=True)
    assert "| 4.000 (flattered) |" in to_markdown(anyway, "t")
    assert len(meanings_of_marks(anyway)) == 1
    rows = list(csv.DictReader(io.StringIO(to_csv(anyway))))
    marks = {(row["label"], row["metric"], row["flattered"]) for row in rows}
    assert ("color p=0.4", "fd_random", "True") in marks
    assert ("bg p=0.4", "fd_random", "False") in marks
    (part,) = table_view(anyway)["parts"]
    assert [item["mark"] for item in part["rows"]] == ["", "pretrained features"]
    assert part["rows"][1]["cells"][0]["mark"] == " (flattered)"
    labels = [row["label"] for row in ranking_data(anyway)[0]["rows"]]
    assert labels == ["bg p=0.4", "flattered · color p=0.4"]


def test_a_figure_of_fewer_seeds_than_its_row_says_so(tmp_path: Path) -> None:
    write_grid(tmp_path, seeds=2)
    (tmp_path / "bg1" / "metrics.jsonl").unlink()
    table = table_of(tmp_path)
    text = to_markdown(table, "t")
    assert "| bg | 2 | 5.750 (1 of 2)<br>" in text
    assert "| color | 2 | 8.000 ± 0.354<br>" in text
    assert "it says of how many it is" in explanation(table)
    marks = {
        item["row"].label: item["cells"][0]["mark"]
        for part in table_view(table)["parts"]
        for item in part["rows"]
    }
    assert marks == {"none": "", "bg": " (1 of 2)", "color": ""}


def test_there_is_no_spread_where_no_figure_has_two_seeds(tmp_path: Path) -> None:
    write_grid(tmp_path, seeds=2)
    whole = table_of(tmp_path)
    alone = [
        row.model_copy(
            update={
                "figures": {
                    key: figure.model_copy(update={"by_seed": {"0": figure.mean}, "sd": None})
                    for key, figure in row.figures.items()
                }
            }
        )
        for row in whole.rows
    ]
    assert "Mean ±" in explanation(whole)
    assert "there is no spread" in explanation(whole.model_copy(update={"rows": alone}))


def test_what_a_metric_was_set_to_is_told_of_each_of_its_columns() -> None:
    alike = {"n_fake": 50}
    table = Table(
        columns=[
            {"key": str(place), "name": name, "statistic": "best", "meaning": "", "better": "lower",
             "protocol": {**alike, "setting": setting}}
            for place, (name, setting) in enumerate(
                [("fid", "f"), ("kid_subsets", "100 of 1000"), ("kid_subsets", "10 of 50")]
            )
        ],
        rows=[], failures=[],
    )  # fmt: skip
    (page,) = table_view(table)["protocols"]
    assert page["fields"] == {
        "n_fake": 50,
        "setting of fid": "f",
        "setting of kid_subsets best [A]": "100 of 1000",
        "setting of kid_subsets best [B]": "10 of 50",
    }
    text = to_markdown(table, "A table")
    for words in ("setting of fid f", "100 of 1000", "10 of 50", "n_fake 50"):
        assert words in text
