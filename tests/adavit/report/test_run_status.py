"""How a run stands; what a process that has it, and a cell, make of it is in `test_run.py`."""

import json
from pathlib import Path

from adavit.report.run import read_run
from tests.adavit.report.synthetic import write_run


def test_a_run_that_lost_its_patience_is_finished(tmp_path: Path) -> None:
    for patience, status in ((15, "finished"), (25, "lost")):
        path = write_run(
            tmp_path / str(patience),
            values=(20.0, 5.0, 6.0, 7.0),
            settings={"metrics": {"patience_kimg": patience}, "training": {"total_kimg": 100}},
        )
        assert read_run(path).status == status


def test_a_run_whose_clock_ended_it_is_finished_until_it_goes_on(tmp_path: Path) -> None:
    for budget, ended, status in (
        ("30s", True, "finished"),
        ("30s", False, "lost"),
        ("2h", True, "lost"),  # another clock, begun anew
        (None, True, "lost"),  # a length instead
    ):
        path = write_run(
            tmp_path / f"{budget}-{ended}",
            settings={"run": {"budget": budget}, "training": {"total_kimg": 100}},
        )
        (path / "budget.json").write_text(json.dumps({"budget": "30s", "ended": ended}))
        assert read_run(path).status == status
