"""Runs with a budget of time, whose time is turned by hand where it decides."""

import gc
import json
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import adavit
from adavit.config.run import RunConfig
from adavit.errors import UserError
from adavit.report.run import read_run
from adavit.runtime.console import SilentConsole, Status
from adavit.runtime.signals import Stopped
from adavit.training import within_budget
from adavit.training.start.build import first_step
from adavit.training.step.adversarial_step import AdversarialStep
from adavit.training.time_plan import Costs
from tests.adavit.training.test_train import StopAt, assert_same_bits, final_state
from tests.adavit.training.timed_runs import COSTS, OPEN, Hand, Notes, planned_short, settings
from tests.telling import Told

Tiny = Callable[..., RunConfig]


@pytest.mark.parametrize("kind", ["vit", "resnet"])
def test_a_run_with_a_budget_has_the_bits_of_one_of_its_length(
    tiny: Tiny, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(within_budget, "plan_time", planned_short)
    monkeypatch.setattr(within_budget, "LONGEST_REHEARSAL_S", 0.0)
    network: dict[str, Any] = {"discriminator": {"kind": kind}}
    if kind == "resnet":
        network["discriminator"] |= {"channel_base": 64, "channel_max": 8}
    moving = {
        "training": {
            "final_lr_factor": 0.1,
            "r1_interval": 4,
            "path_length": 1,
            "warmup_kimg": "auto",
        }
    }
    layers = [network, moving]
    console = Notes()
    run = adavit.train(
        tiny(*layers, OPEN, {"run": {"budget": "1h", "out": str(tmp_path / "timed")}}),
        console=console,
    )
    held = settings(run)
    kimg = held["training"]["total_kimg"]
    assert 0 < kimg < 1
    assert held["training"]["schedule_kimg"] == kimg
    assert held["training"]["warmup_kimg"] == (kimg / 10 if kind == "vit" else 0)
    every = held["metrics"]["every_kimg"]
    explicit = {"training": {"total_kimg": kimg}, "metrics": {"every_kimg": every}}
    out = {"run": {"out": str(tmp_path / "explicit")}}
    adavit.train(tiny(*layers, explicit, out))
    timed, plain = final_state(run), final_state(tmp_path / "explicit")
    assert timed["progress"]["images"] == plain["progress"]["images"] == 1000 * kimg
    assert_same_bits(timed, plain)


def test_a_rehearsal_leaves_nothing_behind(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(within_budget, "LARGEST_REHEARSAL", 1e6)
    # What is left of the time before it is half of the budget, and after it nothing, however fast the machine is.
    times = SimpleNamespace(monotonic=iter((0.1, 0.3)).__next__, perf_counter=time.perf_counter)
    monkeypatch.setattr(within_budget, "time", times)
    torch.manual_seed(5)
    with pytest.raises(UserError, match=r"^run.budget is 0.2s, but the start took"):
        adavit.train(tiny(OPEN, {"run": {"budget": "0.2s"}}), began=0.0)
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(3))
    assert not (tmp_path / "run").exists()


def test_a_rehearsal_has_half_of_the_budget() -> None:
    assert within_budget.LARGEST_REHEARSAL == 0.5


def test_a_rehearsal_that_does_not_end_is_given_up_with_what_to_do(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(within_budget, "LARGEST_REHEARSAL", 0.0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    words = r"^run.budget is 1h, but one step .*Give a larger --budget.*OMP_NUM_THREADS=1"
    with pytest.raises(UserError, match=words):
        adavit.train(tiny(OPEN, {"run": {"budget": "1h"}}))
    assert not (tmp_path / "run").exists()


def test_what_was_measured_is_written_before_the_first_step(
    tiny: Tiny, tmp_path: Path, turned: Callable[..., Hand]
) -> None:
    turned()

    class Look(SilentConsole):
        def status(self, status: Status) -> None:
            found = json.loads((tmp_path / "run" / "budget.json").read_text())
            assert found["measured"]["step_s"] == COSTS.step_s
            raise InterruptedError

    with pytest.raises(InterruptedError):
        adavit.train(tiny(OPEN, {"run": {"budget": "40s"}}), console=Look(), began=0.0)


def test_a_run_as_fast_as_was_measured_comes_to_its_own_end(
    tiny: Tiny, turned: Callable[..., Hand]
) -> None:
    hand = turned()
    run = adavit.train(tiny(OPEN, {"run": {"budget": "30s"}}), console=hand, began=-2.0)
    assert hand.lines[-1].startswith("Finished at ")
    assert "s of 30s used. Everything is in" in hand.lines[-1]
    held = settings(run)
    assert held["run"]["budget"] == "30s"
    assert final_state(run)["progress"]["images"] == 1000 * held["training"]["total_kimg"]
    # Two for the start; the clock stands while it evaluates, which is 4 to 6.
    assert 20 <= hand.now + 2 <= 26


@pytest.mark.usefixtures("pictures_of_runs")
def test_where_time_is_out_before_the_last_step_all_is_written(
    tiny: Tiny, turned: Callable[..., Hand]
) -> None:
    hand = turned(step_s=4.0)
    run = adavit.train(tiny(OPEN, {"run": {"budget": "30s"}}), console=hand, began=0.0)
    ending = hand.lines[-1]
    assert ending.startswith("Stopped at ")
    assert "where its budget of 30s ends; best fd_random" in ending
    assert hand.now <= 30
    images = final_state(run)["progress"]["images"]
    assert images < 1000 * settings(run)["training"]["total_kimg"]
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert records[-1]["images"] == images
    assert (run / "samples" / "training.gif").is_file()

    budget = json.loads((run / "budget.json").read_text())
    assert budget["used_s"] == hand.now
    assert read_run(run).status == "finished"
    console = Told()
    assert adavit.resume(run, console=console) == run
    (result,) = console.results
    assert "has used its 30s. Give it more time with --budget, or a length" in result
    assert final_state(run)["progress"]["images"] == images


def test_a_run_that_is_stopped_between_reports_has_used_its_time(
    tiny: Tiny, tmp_path: Path, turned: Callable[..., Hand]
) -> None:
    class Stopping(StopAt):
        def status(self, status: Status) -> None:
            hand.status(status)
            super().status(status)

    hand = turned()
    seldom = {"run": {"budget": "60s", "status_every_kimg": 10.0}}
    with pytest.raises(Stopped):
        adavit.train(tiny(OPEN, seldom), console=Stopping(32), began=0.0)
    assert hand.now >= 8
    assert json.loads((tmp_path / "run" / "budget.json").read_text())["used_s"] == hand.now


def test_networks_of_a_rehearsal_are_gone_when_the_run_makes_its_own(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[weakref.ref[AdversarialStep]] = []

    def first(*arguments: Any) -> Any:
        assert not any(step() for step in made)
        found = first_step(*arguments)
        made.append(weakref.ref(found[0]))
        return found

    monkeypatch.setattr(within_budget, "first_step", first)
    monkeypatch.setattr("adavit.training.train.first_step", first)
    monkeypatch.setattr(within_budget, "plan_time", planned_short)
    monkeypatch.setattr(within_budget, "LONGEST_REHEARSAL_S", 0.0)
    gc.disable()
    try:
        adavit.train(tiny(OPEN, {"run": {"budget": "1h"}}))
    finally:
        gc.enable()
    assert len(made) == 2


@pytest.mark.parametrize("resumed", [False, True])
def test_two_lengths_are_refused(tiny: Tiny, resumed: bool) -> None:
    words = r"^run.budget is 2h and training.total_kimg 0.\d+, expected one"
    if resumed:
        run = adavit.train(tiny())
        with pytest.raises(UserError, match=words):
            adavit.resume(run, budget="2h", kimg=0.08)
    else:
        with pytest.raises(UserError, match=words):
            adavit.train(tiny({"run": {"budget": "2h"}}))


def test_without_time_for_the_untrained_networks_the_end_alone_is_evaluated(
    tiny: Tiny, turned: Callable[..., Hand]
) -> None:
    hand = turned(costs=Costs(2.0, 5.0, 0.0, 0.1, 0.1, 0.1, 0.1, 0.1))
    run = adavit.train(tiny(OPEN, {"run": {"budget": "30s"}}), console=hand, began=0.0)
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [each["images"] for each in records] == [final_state(run)["progress"]["images"]]
    assert any("one evaluation at the end of 20 images" in line for line in hand.lines)
