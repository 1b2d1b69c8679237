import json
from pathlib import Path

import numpy as np

from adavit.report.curves import curve_data, thinned
from adavit.report.report import write_report
from adavit.report.run import collect_runs
from adavit.report.seed_groups import group_runs
from tests.adavit.report.page_reader import Page
from tests.adavit.report.synthetic import IMAGENET, SAW, write_run


def test_curves_are_those_of_the_logs(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", lines=31)
    page = Page(write_report([path], tmp_path / "r.html")[0])
    (run,) = page.json["curves"]["runs"]
    stats = [json.loads(line) for line in (path / "stats.jsonl").read_text().splitlines()]
    assert run["kimg"] == [record["images"] / 1000 for record in stats]
    np.testing.assert_allclose(run["train"], [r["logits_train"] for r in stats], rtol=1e-4)
    np.testing.assert_allclose(run["gap"], 1.0, rtol=1e-4)
    assert "r_v" not in run  # never measured
    curve, _ = run["metrics"].values()
    assert curve == {"kimg": [0, 10, 20, 30], "values": [20, 10, 8, 9]}


def test_long_logs_are_thinned_to_both_ends() -> None:
    records = [{"images": index} for index in range(1001)]
    kept = [record["images"] for record in thinned(records, 11)]
    assert kept == list(range(0, 1001, 100))


def test_curves_of_what_stands_beside_are_drawn_and_say_if_they_are_flattered(
    tmp_path: Path,
) -> None:
    path = write_run(tmp_path / "run", settings={"features": {"seen": SAW["discriminator_saw"]}})
    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        figures = {"fid": 2 * line["fd_random"], "protocol": {**IMAGENET, **SAW}}
        line["beside"] = [figures]
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (run,) = collect_runs([path])
    data = curve_data(group_runs([run]), {})
    assert [row["label"] for row in data["rows"]] == ["bgc p=0.4 (pretrained features)"]
    names = {metric["name"]: key for key, metric in data["metrics"].items()}
    assert list(names) == ["fd_random", "kid_random", "fid (flattered)"]
    curve = data["runs"][0]["metrics"][names["fid (flattered)"]]
    assert curve == {"kimg": [0, 10, 20, 30], "values": [40, 20, 16, 18]}


def test_a_floor_is_drawn_for_each_number_of_held_out_images(tmp_path: Path) -> None:
    floors = {"a": (20.0, 10), "b": (5.0, 95), "c": (3.0, 95), "d": (None, 0)}
    for name, (floor, heldout) in floors.items():
        path = write_run(tmp_path / name, preset=name, protocol={"n_heldout": heldout})
        lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
        changed = [json.dumps({**line, "fd_random_floor": floor}) for line in lines]
        (path / "metrics.jsonl").write_text("\n".join(changed))
    data = curve_data(group_runs(collect_runs([tmp_path])), {})
    assert {metric["name"]: metric["floors"] for metric in data["metrics"].values()} == {
        "fd_random": [{"value": 20.0, "images": 10}, {"value": 4.0, "images": 95}],
        "kid_random": [],
    }
