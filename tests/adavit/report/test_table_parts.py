"""Rows that do not compare stand in parts of their own."""

import json
from pathlib import Path
from typing import Any

from adavit.report.table_formats import to_markdown
from adavit.report.table_parts import TablePart, table_parts
from tests.adavit.report.synthetic import cell_of, table_of, write_grid, write_run


def write_run_of(path: Path, images: str, **more: Any) -> Path:
    """A run trained on images of that name, and measured against them."""
    against = {"reference": images, "reference_fingerprint": images * 9}
    write_run(path, protocol={**against, **more.pop("protocol", {})}, **more)
    values = json.loads((path / "data.json").read_text())
    (path / "data.json").write_text(
        json.dumps({**values, "name": images, "fingerprint": images * 9})
    )
    return path


def labels(block: TablePart) -> list[str]:
    return [row.label for row in block.rows]


def test_a_grid_is_one_block_without_a_title(tmp_path: Path) -> None:
    table = table_of(write_grid(tmp_path))
    (block,) = table_parts(table)
    assert block.title == ""
    assert list(block.columns) == table.columns
    assert list(block.rows) == table.rows


def test_runs_of_other_images_have_no_empty_columns(tmp_path: Path) -> None:
    for images in ("cats", "dogs", "birds"):
        write_run_of(tmp_path / images, images)
    table = table_of(tmp_path)
    blocks = table_parts(table)
    titles = [
        f"{images} {(images * 9)[:8]} · 100 generated against 500 real images"
        for images in ("birds", "cats", "dogs")
    ]
    assert sorted(block.title for block in blocks) == titles
    for block in blocks:
        assert all(column.key in row.figures for row in block.rows for column in block.columns)
    state = [column for column in table.columns if not column.better]
    metrics = [len(block.columns) - len(state) for block in blocks]
    assert metrics == [4, 4, 4]  # of the twelve that the runs have in all
    assert len(table.columns) == 12 + len(state)


def test_other_protocols_on_the_same_images_stand_apart(tmp_path: Path) -> None:
    write_run(tmp_path / "a", preset="bg")
    write_run(tmp_path / "b", preset="color", protocol={"n_fake": 5000})
    write_run(tmp_path / "c", preset="geom")
    blocks = table_parts(table_of(tmp_path))
    assert [labels(block) for block in blocks] == [["bg p=0.4", "geom p=0.4"], ["color p=0.4"]]
    assert [block.title.partition(" · ")[2] for block in blocks] == [
        f"{fakes} generated against 500 real images" for fakes in (100, 5000)
    ]


def test_a_run_measured_in_two_ways_joins_its_blocks(tmp_path: Path) -> None:
    write_run(tmp_path / "a", preset="bg")
    write_run(tmp_path / "b", preset="color", protocol={"n_fake": 5000})
    path = write_run(tmp_path / "c", preset="geom")
    record = json.loads((tmp_path / "b" / "metrics.jsonl").read_text().splitlines()[-1])
    (path / "evaluations.jsonl").write_text(json.dumps(record) + "\n")
    (block,) = table_parts(table_of(tmp_path))
    assert len(block.rows) == 3


def test_a_row_without_figures_stands_with_the_same_images(tmp_path: Path) -> None:
    write_run_of(tmp_path / "cats", "cats", preset="bg")
    write_run_of(tmp_path / "dogs", "dogs", preset="bg")
    for images in ("dogs", "fish"):
        path = write_run_of(tmp_path / f"{images} begun", images, preset="color")
        (path / "metrics.jsonl").unlink()
    blocks = {block.title.split()[0]: len(block.rows) for block in table_parts(table_of(tmp_path))}
    assert blocks == {"cats": 1, "dogs": 2, "fish": 1}


def test_the_same_images_by_another_name_are_told_of_once(tmp_path: Path) -> None:
    write_run_of(tmp_path / "dogs", "dogs")
    write_run_of(tmp_path / "cats", "cats", preset="bg")
    for begun in (False, True):
        path = write_run_of(tmp_path / f"kittens {begun}", "cats", preset=f"color{begun}")
        values = json.loads((path / "data.json").read_text())
        (path / "data.json").write_text(json.dumps({**values, "name": "kittens"}))
        if begun:
            (path / "metrics.jsonl").unlink()
    titles = {
        part.title.partition(" · ")[0]: len(part.rows) for part in table_parts(table_of(tmp_path))
    }
    assert titles == {"cats catscats": 3, "dogs dogsdogs": 1}


def test_markdown_has_a_table_for_each_block(tmp_path: Path) -> None:
    for images in ("cats", "dogs"):
        write_run_of(tmp_path / images, images, cell=cell_of(images, 0))
    lines = to_markdown(table_of(tmp_path), "Mixed").splitlines()
    heads = [line for line in lines if line.startswith("## ")]
    assert len(heads) == 2
    rows = [line for line in lines if line.startswith(("| cats", "| dogs"))]
    assert len(rows) == 2
    assert not any("|  |" in row for row in rows)
