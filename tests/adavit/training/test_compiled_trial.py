"""Whether a long run compiles its steps by itself; the compiler is not asked here."""

import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import adavit
from adavit.config.run import RunConfig
from adavit.errors import RunError
from adavit.runtime.console import SilentConsole
from adavit.runtime.signals import Stopped
from adavit.training import compiled_trial, within_budget
from adavit.training.compiled_trial import (
    compiled_if_possible,
    faster_step_s,
    is_expected_to_gain,
    may_try,
)
from adavit.training.plan import describe_plan
from adavit.training.rehearsal import TookTooLong
from adavit.training.start.build import build_step, frozen_networks
from adavit.training.start.workload import Workload, load_workload
from adavit.training.step import compiled_slices
from adavit.training.step.adversarial_step import AdversarialStep
from adavit.training.step.out_of_memory import StepOutOfMemory
from adavit.training.step.reduction import OF_ONE_PROCESS
from tests.adavit.training.test_train import assert_same_bits, final_state
from tests.adavit.training.timed_runs import OPEN, Notes, planned_short

Tiny = Callable[..., RunConfig]
TWO_HOURS = 7200.0
ONE_KIND = {"training": {"r1_gamma": 0}}
"""Of steps, as each takes seconds to be written down."""

LONG = {"training": {"total_kimg": 1e6}}
"""Hours, even of such networks."""

RESNET = {"discriminator": {"kind": "resnet"}}


@pytest.fixture(autouse=True)
def a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled_trial, "has_compiler", lambda: True)


def test_short_runs_and_those_that_cannot_be_compiled_try_nothing(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = load_workload(tiny(), SilentConsole())
    changing = load_workload(tiny({"training": {"top_k": 0.5}}), SilentConsole())
    assert may_try(plain, TWO_HOURS, 1)
    assert not may_try(plain, 3600.0, 1)
    assert not may_try(plain, TWO_HOURS, 2)
    assert not may_try(replace(plain, device=torch.device("cuda")), TWO_HOURS, 1)
    assert not may_try(changing, TWO_HOURS, 1)
    monkeypatch.setattr(compiled_trial, "has_compiler", lambda: False)
    assert not may_try(plain, TWO_HOURS, 1)


@pytest.mark.parametrize(
    ("compiled_s", "taken", "told"),
    [
        (0.8, 0.8, "Steps are compiled: 1.25 times as fast."),
        (0.9, None, "Steps are not compiled: 1.11 times as fast, expected 1.15 to be worth it."),
        (RuntimeError("\ng++ failed\nin line 3"), None, "which failed: g++ failed"),
        (PermissionError(30, "Read-only file system"), None, "[Errno 30] Read-only file system"),
        (StepOutOfMemory(), None, "which failed: a step found no room"),
        (TookTooLong(), None, "Steps are not compiled, which took longer than 10 minutes."),
        (LookupError("draws"), None, "which failed: draws"),
        (RuntimeError(), None, "which failed: RuntimeError"),
    ],
)
def test_faster_steps_are_taken_and_what_fails_is_told(
    compiled_s: Any, taken: float | None, told: str, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rehearsed(
        workload: Workload, step: AdversarialStep, *, seconds: float, limit_s: float
    ) -> float:
        assert workload.config.training.compile
        assert limit_s == 600
        if isinstance(compiled_s, Exception):
            raise compiled_s
        return float(compiled_s)

    monkeypatch.setattr(compiled_trial, "rehearse_step", rehearsed)
    console, plain = Notes(), load_workload(tiny(), SilentConsole())
    assert faster_step_s(plain, build_step, console, step_s=1.0, seconds=0.0, left=6000) == taken
    assert "--no-compile" in console.lines[0]
    assert console.lines[1].endswith(told)


@pytest.mark.parametrize(
    ("layers", "gains"),
    [
        ([LONG], True),
        ([], False),
        ([LONG, {"training": {"precision": "float32"}}], True),
        ([LONG, RESNET, {"training": {"precision": "bf16"}}], True),
        ([LONG, RESNET, {"training": {"precision": "float32"}}], False),
        ([RESNET, {"training": {"precision": "bf16"}}], False),
        ([LONG, {"training": {"compile": False}}], False),
        ([LONG, {"training": {"compile": True}}], False),
        ([LONG, {"training": {"top_k": 0.5}}], False),
        ([LONG, {"training": {"microbatch": 4}}], False),  # the bits of any number of processes
        ([LONG, {"training": {"microbatch": 8}}], True),  # the whole batch
        ([OPEN, {"run": {"budget": "2h"}}], False),
    ],
)
def test_a_length_in_images_leaves_it_to_the_settings(
    layers: list[Any], gains: bool, tiny: Tiny
) -> None:
    asked = tiny(*layers)
    workload = load_workload(asked, SilentConsole())
    assert is_expected_to_gain(asked, workload, 1) is gains
    assert not is_expected_to_gain(asked, workload, 2)


def test_steps_that_cannot_be_compiled_are_left_as_they_are(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*arguments: Any, **named: Any) -> float:
        raise RuntimeError("g++ failed")

    monkeypatch.setattr(compiled_trial, "rehearse_step", failing)
    console, plain = Notes(), load_workload(tiny(LONG), SilentConsole())
    start = frozen_networks(plain.config)
    assert compiled_if_possible(plain, start, OF_ONE_PROCESS, console) is plain
    assert "--no-compile" in console.lines[0]
    assert console.lines[1:] == ["Steps are not compiled, which failed: g++ failed"]


def test_without_a_compiler_it_is_told_what_is_missed(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled_trial, "has_compiler", lambda: False)
    asked, console = tiny(LONG), Notes()
    plain = load_workload(asked, SilentConsole())
    assert is_expected_to_gain(asked, plain, 1)
    start = frozen_networks(plain.config)
    assert compiled_if_possible(plain, start, OF_ONE_PROCESS, console) is plain
    (line,) = console.lines
    assert line.endswith("there is no C++ compiler here.")


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (Stopped(signal.SIGTERM), "SIGTERM"),
        (StepOutOfMemory(lasting=True), "Start again with --no-compile"),
    ],
)
def test_what_ends_the_process_ends_the_trial(
    end: Exception, told: str, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ending(*arguments: Any, **named: Any) -> float:
        raise end

    monkeypatch.setattr(compiled_trial, "rehearse_step", ending)
    plain = load_workload(tiny(LONG), SilentConsole())
    with pytest.raises((Stopped, RunError), match=told):
        compiled_if_possible(plain, frozen_networks(plain.config), OF_ONE_PROCESS, Notes())
    with pytest.raises((Stopped, RunError), match=told):
        faster_step_s(plain, build_step, Notes(), step_s=1.0, seconds=0.0, left=6000)


def test_the_plan_of_a_long_run_says_that_it_compiles(tiny: Tiny) -> None:
    quick = {"metrics": {"names": []}}
    assert "\ncompiling " in describe_plan(tiny(LONG, quick), SilentConsole())
    assert "\ncompiling " not in describe_plan(tiny(quick), SilentConsole())


@pytest.mark.slow
def test_a_long_run_of_so_many_images_is_that_of_its_settings(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    monkeypatch.setattr(torch, "compile", lambda graph, **_: made.append(graph) or graph)
    monkeypatch.setattr(compiled_slices, "_compiled", {})
    monkeypatch.setattr(compiled_trial, "LONG_S", 0.0)
    unasked = adavit.train(tiny(ONE_KIND, {"run": {"out": str(tmp_path / "unasked")}}))
    assert yaml.safe_load((unasked / "config.yaml").read_text())["training"]["compile"] is True
    compiled = len(made)
    assert compiled
    given = {"training": {"compile": True}}
    asked = adavit.train(tiny(ONE_KIND, given, {"run": {"out": str(tmp_path / "asked")}}))
    assert len(made) == compiled
    assert_same_bits(final_state(unasked), final_state(asked))


@pytest.mark.slow
def test_a_long_run_is_compiled_once_and_is_that_of_its_settings(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    monkeypatch.setattr(torch, "compile", lambda graph, **_: made.append(graph) or graph)
    monkeypatch.setattr(compiled_slices, "_compiled", {})
    monkeypatch.setattr(compiled_trial, "GAIN", 0.0)
    monkeypatch.setattr(within_budget, "plan_time", planned_short)
    monkeypatch.setattr(within_budget, "LONGEST_REHEARSAL_S", 0.0)
    timed = adavit.train(
        tiny(ONE_KIND, OPEN, {"run": {"budget": "2h", "out": str(tmp_path / "timed")}})
    )
    compiled = len(made)
    assert compiled  # in the trial; the run found the code there
    held = yaml.safe_load((timed / "config.yaml").read_text())
    assert held["training"]["compile"] is True
    explicit = {key: held["training"][key] for key in ("total_kimg", "compile")}
    out = {"run": {"out": str(tmp_path / "explicit")}}
    cadence = {"metrics": {"every_kimg": held["metrics"]["every_kimg"]}}
    plain = adavit.train(tiny(ONE_KIND, {"training": explicit}, cadence, out))
    assert len(made) == compiled
    assert_same_bits(final_state(timed), final_state(plain))

    given = {"training": {"compile": False}}
    own = {"run": {"budget": "2h", "out": str(tmp_path / "own")}}
    adavit.train(tiny(ONE_KIND, OPEN, given, own))
    assert len(made) == compiled


@pytest.mark.slow
def test_a_run_that_was_compiled_goes_on_without(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", lambda graph, **_: graph)
    monkeypatch.setattr(compiled_slices, "_compiled", {})
    run = adavit.train(tiny(ONE_KIND, {"training": {"compile": True}}))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    adavit.resume(run, compile=False, kimg=0.08)
    assert yaml.safe_load((run / "config.yaml").read_text())["training"]["compile"] is False
