import csv
import io
import json
from pathlib import Path

import pytest

from adavit.evaluation.compare import NOTHING_COMPARES, compare
from adavit.evaluation.comparison_text import as_csv, as_json, as_markdown
from tests.adavit.evaluation.test_compare import marked, record, write


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_markdown_csv_and_json_hold_the_same_table() -> None:
    name = "odd|name, with a comma.json"
    sources = [
        write("a.json", record(5.0, 1 / 3)),
        write(name, record(4.0, n_fake=9)),
    ]
    found = compare(sources)
    rows = list(csv.DictReader(io.StringIO(as_csv(found))))
    assert [(row["source"], row["metric"], float(row["value"]), row["letter"]) for row in rows] == [
        ("a.json", "fid", 5.0, "A"),
        (name, "fid", 4.0, "B"),
        ("a.json", "kid", 1 / 3, ""),
    ]
    assert as_markdown(found).splitlines() == [
        r"|  | fid ↓ \[A\] (5000 vs 2000) | fid ↓ \[B\] (9 vs 2000) | kid ↓ (5000 vs 2000) |",
        "|---|---:|---:|---:|",
        "| a.json | 5 |  | 0.3333 |",
        "| odd\\|name, with a comma.json |  | 4 |  |",
        "",
        r"- fid \[B\] differs from \[A\] in n_fake 9 (not 5000)",
        f"- fid: {NOTHING_COMPARES}",
    ]
    loaded = json.loads(as_json(found))
    assert loaded["sources"] == sources
    assert loaded["columns"][0]["values"] == [5.0, None]


def test_arrows_say_which_way_is_better() -> None:
    content = record(5.0) | {"precision_random": 0.5}
    assert "fid ↓" in as_markdown(compare([write("a.json", content)]))
    assert "precision_random ↑" in as_markdown(compare(["a.json"]))


def test_names_are_neither_formulas_nor_markup() -> None:
    hostile = "=HYPERLINK(1)|<b>"
    content = record(5.0)
    content["protocol"] |= {"name": hostile}
    Path("=a.json").write_text(json.dumps(content))
    found = compare(["=a.json"])
    for row in csv.DictReader(io.StringIO(as_csv(found))):
        assert row["source"] == "'=a.json"
        assert row["protocol"].startswith("'=HYPERLINK(1)|<b>")
        assert float(row["value"]) > 0
    assert r"(=HYPERLINK(1)\|\<b\>: 5000 vs 2000)" in as_markdown(found).splitlines()[0]


def test_a_column_of_flattered_figures_says_so_and_rows_say_why() -> None:
    plain = write("plain.json", record(9.0, extractor_learned_from="ImageNet"))
    sources = [plain, write("features.json", marked(5.0))]
    apart = as_markdown(compare(sources)).splitlines()
    assert apart[0] == (r"|  | fid ↓ \[A\] (5000 vs 2000) | fid ↓ \[B\] flattered (5000 vs 2000) |")
    assert apart[2:4] == ["| plain.json | 9 |  |", "| features.json (pretrained features) |  | 5 |"]


def test_among_others_each_flattered_figure_says_so() -> None:
    plain = write("plain.json", record(9.0, extractor_learned_from="ImageNet"))
    found = compare([plain, write("features.json", marked(5.0))], anyway=True)
    lines = as_markdown(found).splitlines()
    assert lines[0] == "|  | fid ↓ (5000 vs 2000) |"
    assert lines[3] == "| features.json (pretrained features) | 5 (flattered) |"
    rows = list(csv.DictReader(io.StringIO(as_csv(found))))
    assert [(row["discriminator"], row["flattered"]) for row in rows] == [
        ("", "false"),
        ("pretrained features", "true"),
    ]
