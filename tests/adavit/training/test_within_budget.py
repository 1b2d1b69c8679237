"""Runs with a budget of time, whose time is turned by hand where it decides."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import adavit
from adavit.config.run import RunConfig
from adavit.errors import UserError
from adavit.runtime.console import SilentConsole
from adavit.runtime.signals import Stopped
from adavit.training import within_budget
from adavit.training.time_plan import Costs
from tests.adavit.training.test_train import StopAt, assert_same_bits, final_state

Tiny = Callable[..., RunConfig]
OPEN = {"training": {"total_kimg": "auto"}, "metrics": {"every_kimg": "auto"}}
COSTS = Costs(
    step_s=0.2, evaluation_s=2.0, fake_s=0.0, sheet_s=0.1, save_s=0.1, frame_s=0.1, build_s=0.1
)


class Notes(SilentConsole):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)

    def result(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def rehearsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is measured is the same on every machine."""
    monkeypatch.setattr(within_budget, "rehearse", lambda *_, **__: COSTS)


def settings(run: Path) -> dict[str, dict[str, Any]]:
    loaded: dict[str, dict[str, Any]] = yaml.safe_load((run / "config.yaml").read_text())
    return loaded


@pytest.mark.parametrize("kind", ["vit", "resnet"])
def test_a_run_with_a_budget_has_the_bits_of_one_of_its_length(
    tiny: Tiny, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(within_budget, "plan_time", planned_short)
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


def test_a_rehearsal_leaves_nothing_behind(tiny: Tiny, tmp_path: Path) -> None:
    torch.manual_seed(5)
    with pytest.raises(UserError, match=r"^run.budget is 0.2s, but the start took"):
        adavit.train(tiny(OPEN, {"run": {"budget": "0.2s"}}))
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(3))
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("rehearsed")
def test_what_was_measured_is_written_before_the_first_step(tiny: Tiny, tmp_path: Path) -> None:
    run = tmp_path / "run"

    class Look(SilentConsole):
        def status(self, status: Any) -> None:
            assert json.loads((run / "budget.json").read_text())["measured"]["step_s"] == 0.2
            raise InterruptedError

    with pytest.raises(InterruptedError):
        adavit.train(tiny(OPEN, {"run": {"budget": "40s"}}), console=Look())


@pytest.mark.usefixtures("rehearsed")
def test_where_the_time_ends_first_the_run_ends_in_good_order(tiny: Tiny) -> None:
    console = Notes()
    now = within_budget.time.monotonic()
    run = adavit.train(
        tiny(OPEN, {"run": {"budget": "60s"}}), console=console, began=now - 20, **{}
    )
    # Far faster than was measured: it comes to its own end.
    assert console.lines[-1].startswith("Finished at ")
    assert " seconds of 60s used. Everything is in" in console.lines[-1]
    assert settings(run)["run"]["budget"] == "60s"


def test_a_budget_that_ends_before_the_length_stops_with_everything_written(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = Costs(1e-5, 0.01, 0.0, 0.01, 0.01, 0.01, 0.01)
    monkeypatch.setattr(within_budget, "rehearse", lambda *_, **__: fast)
    console = Notes()
    run = adavit.train(tiny(OPEN, {"run": {"budget": "6s"}}), console=console)
    ending = console.lines[-1]
    assert ending.startswith("Stopped at ")
    assert "where its budget of 6s ends; best fd_random" in ending
    images = final_state(run)["progress"]["images"]
    assert images < 1000 * settings(run)["training"]["total_kimg"]
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert records[-1]["images"] == images
    assert (run / "samples" / "training.gif").is_file()
    assert json.loads((run / "budget.json").read_text())["used_s"] >= 4

    again = Notes()
    budget = json.loads((run / "budget.json").read_text())
    (run / "budget.json").write_text(json.dumps({**budget, "used_s": 6.5}))
    assert adavit.resume(run, console=again) == run
    assert (
        "has used its 6s. Give it more time with --budget, or a length with --kimg."
        in (again.lines[-1])
    )
    assert final_state(run)["progress"]["images"] == images


@pytest.mark.usefixtures("rehearsed")
def test_a_run_that_goes_on_has_its_length_its_bits_and_the_time_that_is_left(
    tiny: Tiny, tmp_path: Path
) -> None:
    layers = [OPEN, {"run": {"budget": "25s"}}]
    adavit.train(tiny(*layers, {"run": {"out": str(tmp_path / "whole")}}))
    with pytest.raises(Stopped):
        adavit.train(tiny(*layers), console=StopAt(64))
    file = tmp_path / "run" / "budget.json"
    before = json.loads(file.read_text())
    file.write_text(json.dumps({**before, "used_s": 10.0}))
    length = settings(tmp_path / "run")["training"]["total_kimg"]
    adavit.resume(tmp_path / "run")
    assert settings(tmp_path / "run")["training"]["total_kimg"] == length
    assert json.loads(file.read_text())["used_s"] > 10.0
    if length == settings(tmp_path / "whole")["training"]["total_kimg"]:
        assert_same_bits(
            final_state(tmp_path / "whole")["generator"], final_state(tmp_path / "run")["generator"]
        )


@pytest.mark.usefixtures("rehearsed")
def test_given_anew_the_clock_begins_anew_and_a_length_in_images_ends_it(
    tiny: Tiny, tmp_path: Path
) -> None:
    run = adavit.train(tiny())
    assert not (run / "budget.json").exists()
    adavit.resume(run, budget="50s")
    found = json.loads((run / "budget.json").read_text())
    assert found["budget"] == "50s"
    assert found["used_s"] < 40
    (run / "budget.json").write_text(json.dumps({**found, "used_s": 49.9}))
    adavit.resume(run, kimg=0.08)
    assert settings(run)["run"]["budget"] is None
    assert final_state(run)["progress"]["images"] == 80


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


@pytest.mark.usefixtures("rehearsed")
def test_without_time_to_evaluate_the_untrained_networks_the_end_alone_is(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Costs(0.2, 7.0, 0.0035, 0.1, 0.1, 0.1, 0.1)
    monkeypatch.setattr(within_budget, "rehearse", lambda *_, **__: slow)
    one = {"metrics": {"fakes": 20}, "run": {"budget": "50s"}}
    run = adavit.train(tiny(OPEN, one))
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [each["images"] for each in records] == [final_state(run)["progress"]["images"]]
