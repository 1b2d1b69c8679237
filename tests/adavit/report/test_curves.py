import json
from pathlib import Path

import numpy as np

from adavit.report.curves import thinned
from adavit.report.report import write_report
from tests.adavit.report.page_reader import Page
from tests.adavit.report.synthetic import write_run


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
