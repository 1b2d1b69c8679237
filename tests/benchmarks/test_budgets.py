"""A row holds what was asked against what the run left; one that failed says so and why."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks import budgets


def run_in(run: Path) -> None:
    """What `adavit train` leaves, as far as a row needs it."""
    run.mkdir()
    config = {"training": {"batch": 16, "total_kimg": 3.0}, "metrics": {"fakes": 500}}
    (run / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (run / "budget.json").write_text(json.dumps({"measured": {"step_s": 0.5}}), encoding="utf-8")
    lines = [{"images": 1200, "seconds": 20}, {"images": 2400, "seconds": 60}]
    (run / "stats.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    (run / "metrics.jsonl").write_text("{}\n{}\n", encoding="utf-8")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([100.0, 155.0])
    monkeypatch.setattr(budgets.time, "monotonic", lambda: next(times))


@pytest.mark.usefixtures("clock")
def test_a_row_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        assert command[command.index("--budget") + 1] == "60s"
        run_in(Path(command[command.index("--out") + 1]))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(budgets.subprocess, "run", run)
    assert budgets.measured("60s", "vit", "small_set", tmp_path) == (
        "| vit | 60s | 55.0 s | 91.7% | 2.4 of 3 | 2 of 500 | 32 | 40 |"
    )


@pytest.mark.usefixtures("clock")
def test_a_row_of_a_run_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 2, "", "no such data set")

    monkeypatch.setattr(budgets.subprocess, "run", run)
    assert budgets.measured("60s", "vit", "none", tmp_path) == (
        "| vit | 60s | 55.0 s | 91.7% | failed | | | |"
    )
    assert "no such data set" in capsys.readouterr().err
