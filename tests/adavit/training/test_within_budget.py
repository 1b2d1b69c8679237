"""Runs with a budget of time, whose time is turned by hand where it decides."""

import gc
import itertools
import json
import time
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml

import adavit
from adavit.config.run import RunConfig
from adavit.errors import UserError
from adavit.report.run import read_run
from adavit.runtime.console import SilentConsole, Status
from adavit.runtime.signals import Stopped
from adavit.training import within_budget
from adavit.training.clock import BudgetClock
from adavit.training.rehearsal import TookTooLong
from adavit.training.start.build import first_step
from adavit.training.step.adversarial_step import AdversarialStep
from adavit.training.time_plan import Costs
from tests.adavit.training.test_train import StopAt, assert_same_bits, final_state

Tiny = Callable[..., RunConfig]
OPEN = {"training": {"total_kimg": "auto"}, "metrics": {"every_kimg": "auto"}}
COSTS = Costs(
    step_s=2.0, evaluation_s=2.0, fake_s=0.0, sheet_s=0.1, save_s=0.1, frame_s=0.1, build_s=0.1
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


@pytest.fixture
def turned(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Hand]:
    """Puts a clock that is turned by hand in the place of the machine's, with costs that are the same on all."""

    def turn(step_s: float = COSTS.step_s, costs: Costs = COSTS) -> Hand:
        hand = Hand(step_s)
        monkeypatch.setattr(within_budget, "rehearse", lambda *_, **__: costs)
        monkeypatch.setattr(within_budget, "BudgetClock", partial(BudgetClock, now=hand))
        times = SimpleNamespace(monotonic=hand, perf_counter=hand)
        monkeypatch.setattr(within_budget, "time", times)
        return hand

    return turn


def settings(run: Path) -> dict[str, dict[str, Any]]:
    loaded: dict[str, dict[str, Any]] = yaml.safe_load((run / "config.yaml").read_text())
    return loaded


@pytest.mark.parametrize("kind", ["vit", "resnet"])
def test_a_run_with_a_budget_has_the_bits_of_one_of_its_length(
    tiny: Tiny, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(within_budget, "plan_time", planned_short)
    monkeypatch.setattr(within_budget, "LONGEST_REHEARSAL_S", 0.0)
    network: dict[str, Any] = {"discriminator": {"kind": kind}}
    if kind == "resnet":
        network["discriminator"] |= {"channel_base": 64, "channel_max": 8}
    moving = {"training": {"final_lr_factor": 0.1, "r1_interval": 4, "path_length": 1}}
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
    every = held["metrics"]["every_kimg"]
    explicit = {"training": {"total_kimg": kimg}, "metrics": {"every_kimg": every}}
    out = {"run": {"out": str(tmp_path / "explicit")}}
    adavit.train(tiny(*layers, explicit, out))
    timed, plain = final_state(run), final_state(tmp_path / "explicit")
    assert timed["progress"]["images"] == plain["progress"]["images"] == 1000 * kimg
    assert_same_bits(timed, plain)


def planned_short(used: float, costs: Costs, config: Any, *, is_open: Any) -> Any:
    """A plan of a few steps, of whatever the real rehearsal has measured."""
    assert 0 < costs.step_s < 60
    assert 0 < costs.evaluation_s < 60
    chosen = {"training": {"total_kimg": 0.048}, "metrics": {"every_kimg": 0.024}}
    return within_budget.TimePlan(chosen, costs, 3, True, "an hour")


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
    console = Notes()
    assert adavit.resume(run, console=console) == run
    assert "has used its 30s. Give it more time with --budget, or a length" in console.lines[-1]
    assert final_state(run)["progress"]["images"] == images


def test_of_a_run_that_goes_on_time_may_be_too_short_to_measure_in(
    tiny: Tiny, turned: Callable[..., Hand], monkeypatch: pytest.MonkeyPatch
) -> None:
    hand = turned(step_s=4.0)
    run = adavit.train(tiny(OPEN, {"run": {"budget": "30s"}}), console=hand, began=0.0)
    # Asked to stop in its last seconds.
    budget = json.loads((run / "budget.json").read_text())
    (run / "budget.json").write_text(json.dumps({**budget, "used_s": 29.5, "ended": False}))

    def break_off(*_: object, **__: object) -> None:
        raise TookTooLong

    monkeypatch.setattr(within_budget, "rehearse", break_off)
    with pytest.raises(UserError, match=r"30s, of which .* are left: too little .*--kimg"):
        adavit.resume(run, console=hand)


def test_a_run_that_goes_on_has_its_length_its_bits_and_the_time_that_is_left(
    tiny: Tiny, tmp_path: Path, turned: Callable[..., Hand]
) -> None:
    layers = [OPEN, {"run": {"budget": "30s"}}]
    whole = tiny(*layers, {"run": {"out": str(tmp_path / "whole")}})
    adavit.train(whole, console=turned(), began=0.0)
    turned()
    with pytest.raises(Stopped):
        adavit.train(tiny(*layers), console=StopAt(64), began=0.0)
    file = tmp_path / "run" / "budget.json"
    before = json.loads(file.read_text())
    file.write_text(json.dumps({**before, "used_s": 8.0}))
    hand = turned()
    adavit.resume(tmp_path / "run", console=hand, began=0.0)
    assert settings(tmp_path / "run") == {
        **settings(tmp_path / "whole"),
        "run": {**settings(tmp_path / "whole")["run"], "out": str(tmp_path / "run")},
    }
    assert json.loads(file.read_text())["used_s"] == 8.0 + hand.now
    first, second = final_state(tmp_path / "whole"), final_state(tmp_path / "run")
    assert_same_bits(first, second)


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


def test_a_run_that_patience_has_ended_goes_on_with_more_of_it(
    tiny: Tiny, turned: Callable[..., Hand], monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = itertools.count(5.0)  # worse each time
    with monkeypatch.context() as patch:
        patch.setattr(
            "adavit.training.trainer.score_generator",
            lambda *_, **__: (
                dict.fromkeys(("fd_random", "kid_random"), next(figures)) | {"protocol": {}}
            ),
        )
        layer = {"metrics": {"patience_kimg": 0.01}, "run": {"budget": "60s"}}
        run = adavit.train(tiny(OPEN, layer), console=turned(), began=0.0)
    assert read_run(run).status == "finished"
    seen = final_state(run)["progress"]["images"]
    assert seen < 1000 * settings(run)["training"]["total_kimg"]
    hand = turned()
    adavit.resume(run, console=hand, began=0.0, patience=9)
    assert final_state(run)["progress"]["images"] > seen


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


def test_time_that_was_used_before_is_not_there_again(
    tiny: Tiny, tmp_path: Path, turned: Callable[..., Hand]
) -> None:
    turned()
    with pytest.raises(Stopped):
        adavit.train(tiny(OPEN, {"run": {"budget": "30s"}}), console=StopAt(16), began=0.0)
    file = tmp_path / "run" / "budget.json"
    file.write_text(json.dumps({"used_s": 22.0}))
    hand = turned()
    adavit.resume(tmp_path / "run", console=hand, began=0.0)
    assert hand.lines[-1].startswith("Stopped at ")
    assert hand.now <= 8


def test_given_anew_the_clock_begins_anew_and_a_length_in_images_ends_it(
    tiny: Tiny, turned: Callable[..., Hand], monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = itertools.count(5.0)  # worse each time
    with monkeypatch.context() as patch:
        patch.setattr(
            "adavit.training.trainer.score_generator",
            lambda *_, **__: (
                dict.fromkeys(("fd_random", "kid_random"), next(figures)) | {"protocol": {}}
            ),
        )
        impatient = {"training": {"total_kimg": 0.16}, "metrics": {"patience_kimg": 0.01}}
        run = adavit.train(tiny(impatient))
    assert not (run / "budget.json").exists()
    seen = final_state(run)["progress"]["images"]
    assert seen < 160
    hand = turned()
    adavit.resume(run, console=hand, began=0.0, budget="14s", patience=9)
    found = json.loads((run / "budget.json").read_text())
    assert (found["budget"], found["used_s"]) == ("14s", hand.now)
    assert settings(run)["training"]["total_kimg"] == 0.16
    adavit.resume(run, console=SilentConsole(), kimg=0.168)
    assert settings(run)["run"]["budget"] is None
    assert final_state(run)["progress"]["images"] == 168


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
    hand = turned(costs=Costs(2.0, 5.0, 0.0, 0.1, 0.1, 0.1, 0.1))
    run = adavit.train(tiny(OPEN, {"run": {"budget": "30s"}}), console=hand, began=0.0)
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [each["images"] for each in records] == [final_state(run)["progress"]["images"]]
    assert any("one evaluation at the end of 20 images" in line for line in hand.lines)
