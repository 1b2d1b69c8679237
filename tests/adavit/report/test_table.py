import inspect
import json
import re
from pathlib import Path

import pytest

from adavit.errors import UserError
from adavit.report import table
from adavit.report.table import Table, merge_tables, parse_table, unique_name
from adavit.report.table_formats import to_markdown
from tests.adavit.report.synthetic import (
    SAW,
    cell_of,
    failed_cell,
    table_of,
    write_grid,
    write_mixed,
    write_run,
)


def test_failed_cells_are_listed_with_their_reason(tmp_path: Path) -> None:
    write_grid(tmp_path / "grid", seeds=1)
    failed_cell(tmp_path / "grid" / "x", "out of memory")
    table = table_of(tmp_path)
    assert [(f.label, f.reason) for f in table.failures] == [("noise", "out of memory")]
    assert "noise" not in [row.label for row in table.rows]
    assert "out of memory" in to_markdown(table, "t")


def test_docstrings_name_functions_that_are_there() -> None:
    source = inspect.getsource(table)
    defined = set(re.findall(r"def (\w+)", source))
    named = set(re.findall(r"`(?:\w+\.)?([a-z]+_\w+)`", source))
    assert named
    assert named <= defined, f"{named - defined} are in docstrings only"


def test_json_round_trips(tmp_path: Path) -> None:
    write_grid(tmp_path / "grid")
    table = table_of(tmp_path)
    assert parse_table(table.to_json(), "x") == table
    assert json.loads(table.to_json())["format"] == "adavit-report"


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


def test_flattered_figures_have_columns_of_their_own_unless_asked_for(tmp_path: Path) -> None:
    apart = table_of(write_mixed(tmp_path))
    best = [column for column in apart.columns if column.statistic == "best"]
    assert sorted((column.name, apart.flatters(column)) for column in best) == [
        ("fd_random", [False]),
        ("fd_random", [True]),
        ("kid_random", [False]),
        ("kid_random", [True]),
    ]
    anyway = table_of(tmp_path, anyway=True)
    best = [column for column in anyway.columns if column.statistic == "best"]
    assert [(column.name, sorted(anyway.flatters(column))) for column in best] == [
        ("fd_random", [False, True]),
        ("kid_random", [False, True]),
    ]
    assert [row.seen for row in anyway.rows] == [row.seen for row in apart.rows]
    assert {row.label: row.seen for row in apart.rows}["color p=0.4"] == SAW["discriminator_saw"]


def test_a_table_that_ranks_flattered_figures_is_not_merged_with_one_that_may_not(
    tmp_path: Path,
) -> None:
    apart = table_of(write_mixed(tmp_path))
    anyway = table_of(tmp_path, anyway=True)
    nothing = Table(columns=[], rows=[], failures=[])
    with pytest.raises(UserError, match=r"--merge old\.json ranks fd_random, kid_random of runs"):
        merge_tables(nothing, {"old.json": anyway})
    assert merge_tables(nothing, {"old.json": anyway}, anyway=True).columns == anyway.columns
    assert len(merge_tables(nothing, {"old.json": apart}).columns) == len(apart.columns)
    ranked = merge_tables(nothing, {"old.json": apart}, anyway=True)
    assert {column.key for column in ranked.columns} == {column.key for column in anyway.columns}
    assert [row.figures for row in ranked.rows] == [row.figures for row in anyway.rows]


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


def test_rows_of_reports_of_one_name_are_told_apart_however_often_they_were_merged(
    tmp_path: Path,
) -> None:
    nothing = Table(columns=[], rows=[], failures=[])
    once = table_of(write_grid(tmp_path / "runs", seeds=1))
    twice = merge_tables(once, {"report.json": once})
    thrice = merge_tables(once, {"report.json": twice, "old.json": once})
    assert [row.origin for row in thrice.rows[::3]] == [
        "",
        "report.json",
        "report.json (2)",
        "old.json",
    ]
    many = merge_tables(nothing, {"report.json": thrice, "report.json (2)": twice})
    names = [row.origin for row in many.rows[::3]]
    assert len(set(names)) == len(names) == 6
    assert names[:4] == ["report.json", "report.json (2)", "report.json (3)", "old.json"]


def test_a_name_that_is_taken_gets_the_first_number_that_is_not() -> None:
    assert unique_name("a.json", []) == "a.json"
    assert unique_name("a.json", ["a.json", "a.json (2)"]) == "a.json (3)"
    assert unique_name("a.json (2)", ["a.json (2)", "a.json"]) == "a.json (3)"
    assert unique_name("a (1) b", ["a (1) b"]) == "a (1) b (2)"
