import json
from pathlib import Path

import pytest
from PIL import Image

from adavit.report.report import write_report
from adavit.runs.reading import TENSORS, read_weights_metadata
from tests.adavit.report.page_reader import EVIL, Page
from tests.adavit.report.synthetic import write_run
from tests.stored_generators import store_generator
from tests.telling import Told


def test_closest_pairs_and_distances_are_shown(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run")
    folder = path / "diagnostics"
    folder.mkdir()
    Image.new("RGB", (40, 20), "red").save(folder / "closest_pairs.png")
    side = {"images": 200, "closer": 5, "share_closer": 0.025, "share_interval": [0.01, 0.06]}
    space = {"distance": "grey levels", "generated": {**side, "median": 12.5}, "heldout": None}
    record = {
        "spaces": {"pixels": {**space, "leave_one_out_median": 20.25}},
        "duplicates": {"exact_copies": 2, "near_pairs": 1, "images": 1000},
    }
    (folder / "memorisation.json").write_text(json.dumps(record))
    page = Page(write_report([path], tmp_path / "r.html")[0])
    for words in (
        "pixels (grey levels)",
        "2.5% [1.0%, 6.0%]",
        "12.5",
        "20.25",
        "2 exact copies and 1 pair nearly",
    ):
        assert words in page.text
    pictures = [a["alt"] for tag, a in page.tags if tag == "img"]
    assert ["Closest pairs" in (alt or "") for alt in pictures] == [True]


@pytest.mark.parametrize("runs", [6, 7])
def test_many_findings_are_folded_away_so_that_what_is_behind_them_is_found(
    tmp_path: Path, runs: int
) -> None:
    record = {"spaces": {"pixels": {"generated": {"median": 12.5}}}}
    for number in range(runs):
        folder = write_run(tmp_path / "runs" / str(number)) / "diagnostics"
        folder.mkdir()
        (folder / "memorisation.json").write_text(json.dumps(record))
    page = Page(write_report([tmp_path / "runs"], tmp_path / "r.html")[0])
    panels = [a for tag, a in page.tags if tag == "details" and a.get("class") == "panel"]
    assert ["open" in each for each in panels] == [runs == 6] * runs


def test_what_was_found_of_an_earlier_generator_is_left_out_and_said(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run")
    best = store_generator(path / "generator-best.safetensors").name
    folder = path / "diagnostics"
    folder.mkdir()
    Image.new("RGB", (40, 20), "red").save(folder / "closest_pairs.png")
    found = {
        "memorisation": {"spaces": {"pixels": {"generated": {"median": 12.5}}}},
        "leaks": {"operations": [{"operation": "cutout", "balanced_accuracy": 0.9}]},
    }

    def page_after(digest: str) -> tuple[Page, list[str]]:
        evaluation = {"fid": 7.0, "protocol": {}}
        evaluation["source"] = {"generator": best, "fingerprint": digest}
        (path / "evaluations.jsonl").write_text(json.dumps(evaluation) + "\n")
        protocol = {"generator": best, "generator_digest": digest}
        for name, record in found.items():
            (folder / f"{name}.json").write_text(json.dumps({**record, "protocol": protocol}))
        told = Told()
        return Page(write_report([path], tmp_path / "r.html", console=told)[0]), told.notes

    shown, notes = page_after(read_weights_metadata(path / best)[TENSORS])
    assert all(words in shown.text for words in ("evaluated best", "pixels", "cutout"))
    assert ([tag for tag, _ in shown.tags].count("img"), notes) == (1, [])
    left, notes = page_after("ab" * 32)
    assert not any(words in left.text for words in ("evaluated best", "pixels", "cutout"))
    assert [tag for tag, _ in left.tags].count("img") == 0
    (note,) = notes
    for command in ("evaluate", "memorisation", "leaks"):
        assert f"adavit {command} {path} --which best" in note


def test_leaks_are_shown_with_what_cannot_be_told(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run")
    (path / "diagnostics").mkdir()
    rate = {"value": 0.1, "low": 0.05, "high": 0.15}
    record = {
        "warning": "p never passed 0.015 <i>",
        "operations": [
            {
                "operation": "cutout",
                "balanced_accuracy": 0.912,
                "rate": rate,
                "control_rate": {**rate, "value": -3},
                "doubtful": True,
            },
            {"operation": "noise", "balanced_accuracy": 0.55, "cannot_be_told": "below 0.7"},
            {"operation": EVIL, "rate": {"value": "1"}},
            7,
        ],
    }
    (path / "diagnostics" / "leaks.json").write_text(json.dumps(record))
    page = Page(write_report([path], tmp_path / "r.html")[0])
    for words in (
        "p never passed 0.015 <i>",
        "0.91",
        "10.0% [5.0, 15.0]",
        "doubtful",
        "cannot be told: below 0.7",
        EVIL,
    ):
        assert words in page.text
    (mark,) = [a for tag, a in page.tags if tag == "line" and a.get("class") == "range"]
    assert (mark["x1"], mark["x2"]) == ("5.0", "15.0")
