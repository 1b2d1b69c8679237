"""The time that a run is said to take."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adavit.config.run import RunConfig
from adavit.runtime.console import SilentConsole
from adavit.training.plan import TIMED_STEPS, describe_plan, seconds_per_step
from adavit.training.start.build import build_step
from adavit.training.start.workload import load_workload

Tiny = Callable[..., RunConfig]


def test_every_timed_step_counts_but_the_one_that_warms_up(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    workload = load_workload(
        tiny({"training": {"r1_gamma": 0, "penalty": "exact"}}), SilentConsole()
    )
    step = build_step(workload)
    durations = [50.0, *(1.0 + 2 * number for number in range(TIMED_STEPS))]

    def clock() -> Iterator[float]:
        now = 0.0
        for duration in durations:
            yield now
            now += duration
            yield now

    ticks = clock()
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    assert seconds_per_step(workload, step) == sum(durations[1:]) / TIMED_STEPS
    assert TIMED_STEPS >= 2


def test_steps_with_a_penalty_weigh_as_often_as_they_come(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    workload = load_workload(tiny({"training": {"r1_gamma": 1, "r1_interval": 4}}), SilentConsole())
    step = build_step(workload)
    now = 0.0

    def run(*arguments: object, images: int, **options: object) -> None:
        nonlocal now
        now += 9.0 if step.due(images // workload.config.training.batch) else 1.0

    monkeypatch.setattr(type(step), "__call__", lambda self, *a, **o: run(*a, **o))
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    assert seconds_per_step(workload, step) == (9 + 3 * 1) / 4


def test_a_plan_tells_settings_sizes_and_time(tiny: Tiny, tmp_path: Path) -> None:
    text = describe_plan(tiny(), SilentConsole())
    for word in ("total_kimg: 0.064", "generator ", "discriminator ", "memory", "images/s", "kimg"):
        assert word in text
    assert not (tmp_path / "run").exists()
