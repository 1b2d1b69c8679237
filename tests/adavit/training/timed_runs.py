"""Runs whose time is turned by hand."""

from pathlib import Path
from typing import Any

import yaml

from adavit.runtime.console import SilentConsole, Status
from adavit.training import within_budget
from adavit.training.time_plan import Costs

OPEN = {"training": {"total_kimg": "auto"}, "metrics": {"every_kimg": "auto"}}
COSTS = Costs(
    step_s=2.0,
    evaluation_s=2.0,
    fake_s=0.0,
    sheet_s=0.1,
    save_s=0.1,
    curves_s=0.1,
    frame_s=0.1,
    build_s=0.1,
)


class Notes(SilentConsole):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)

    def result(self, text: str) -> None:
        self.lines.append(text)


class Hand(Notes):
    """A clock that a run turns: each step moves it on."""

    def __init__(self, step_s: float) -> None:
        super().__init__()
        self.step_s, self.now = step_s, 0.0

    def __call__(self) -> float:
        return self.now

    def status(self, status: Status) -> None:
        self.now += self.step_s


def settings(run: Path) -> dict[str, dict[str, Any]]:
    loaded: dict[str, dict[str, Any]] = yaml.safe_load((run / "config.yaml").read_text())
    return loaded


def planned_short(used: float, costs: Costs, config: Any, *, is_open: Any) -> Any:
    """A plan of a few steps, of whatever the real rehearsal has measured."""
    assert 0 < costs.step_s < 60
    assert 0 < costs.evaluation_s < 60
    chosen = {"training": {"total_kimg": 0.048}, "metrics": {"every_kimg": 0.024}}
    return within_budget.TimePlan(chosen, costs, True, "an hour")
