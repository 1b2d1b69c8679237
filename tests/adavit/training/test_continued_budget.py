"""Runs with a budget that go on, whose time is turned by hand where it decides."""

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import adavit
from adavit.config.run import RunConfig
from adavit.errors import UserError
from adavit.report.run import read_run
from adavit.runs.directory import RunDirectory
from adavit.runtime.console import SilentConsole
from adavit.runtime.place import Place
from adavit.runtime.signals import Stopped
from adavit.training import within_budget
from adavit.training.continued_budget import ContinuedBudget
from adavit.training.rehearsal import TookTooLong
from tests.adavit.training.test_train import StopAt, assert_same_bits, final_state
from tests.adavit.training.timed_runs import OPEN, Hand, settings
from tests.telling import Told

Tiny = Callable[..., RunConfig]


@contextmanager
def worsening_figures(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """While entered, each evaluation is worse than the one before."""
    figures = itertools.count(5.0)
    with monkeypatch.context() as patch:
        patch.setattr(
            "adavit.training.trainer.score_generator",
            lambda *_, **__: (
                dict.fromkeys(("fd_random", "kid_random"), next(figures)) | {"protocol": {}}
            ),
        )
        yield


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
    with pytest.raises(UserError, match=r"30s, of which .* are left: too little .*--kimg\.$"):
        adavit.resume(run, console=hand)
    with pytest.raises(
        UserError, match=r"too little .*--kimg\. Its steps are compiled .*--no-compile"
    ):
        adavit.resume(run, console=hand, compile=True)


def test_a_run_that_has_seen_what_was_planned_is_told_to_take_more_images(
    tiny: Tiny, turned: Callable[..., Hand]
) -> None:
    run = adavit.train(tiny(OPEN, {"run": {"budget": "30s"}}), console=turned(), began=-2.0)
    kimg = settings(run)["training"]["total_kimg"]
    console = Told()
    adavit.resume(run, console=console)
    told = f"has used its 30s, and has seen the {kimg:g} kimg planned for them. Give a larger --kimg to train on."
    assert console.results == [f"Run {run} {told}"]  # which --quiet leaves in
    # As it says: more time alone would not do.
    adavit.resume(run, console=console, budget="60s")
    assert final_state(run)["progress"]["images"] == 1000 * kimg
    adavit.resume(run, console=SilentConsole(), kimg=kimg + 0.016)
    assert final_state(run)["progress"]["images"] == 1000 * kimg + 16


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


def test_a_run_that_is_refused_keeps_its_clock(
    tiny: Tiny, tmp_path: Path, turned: Callable[..., Hand]
) -> None:
    turned()
    layers = [OPEN, {"run": {"budget": "30s"}}]
    with pytest.raises(Stopped):
        adavit.train(tiny(*layers), console=StopAt(64), began=0.0)
    file = tmp_path / "run" / "budget.json"
    before = file.read_bytes()
    source = Path(settings(tmp_path / "run")["data"]["source"])
    next(path for path in source.rglob("*.png")).unlink()
    with pytest.raises(UserError, match="not those the run was trained on"):
        adavit.resume(tmp_path / "run", console=SilentConsole(), began=0.0, budget="60s")
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("attempt", "launch", "budget", "is_new"),
    [
        (0, "mine", "2h", True),
        (1, "mine", "2h", False),
        (1, "mine", "3h", True),
        (1, "mine", None, False),
        (1, "earlier", "2h", True),  # whose clock this command has not begun yet
        (1, "earlier", None, False),
    ],
)
def test_processes_that_are_started_anew_do_not_begin_the_clock_anew(
    tmp_path: Path, attempt: int, launch: str, budget: str | None, is_new: bool
) -> None:
    directory = RunDirectory(tmp_path)
    known = {"budget": "2h", "launch": launch, "used_s": 7000.0}
    directory.budget.write_text(json.dumps(known))
    layers = [] if budget is None else [{"run": {"budget": budget}}]
    place = Place(size=2, launch="mine", attempt=attempt, restarts=3)
    found = ContinuedBudget.of(layers, directory, place)
    assert found.is_new is is_new
    assert found.used_s(directory) == (0.0 if is_new else 7000.0)


def test_a_run_that_patience_has_ended_goes_on_with_more_of_it(
    tiny: Tiny, turned: Callable[..., Hand], monkeypatch: pytest.MonkeyPatch
) -> None:
    with worsening_figures(monkeypatch):
        layer = {"metrics": {"patience_kimg": 0.01}, "run": {"budget": "60s"}}
        run = adavit.train(tiny(OPEN, layer), console=turned(), began=0.0)
    assert read_run(run).status == "finished"
    seen = final_state(run)["progress"]["images"]
    assert seen < 1000 * settings(run)["training"]["total_kimg"]
    hand = turned()
    adavit.resume(run, console=hand, began=0.0, patience=9)
    assert final_state(run)["progress"]["images"] > seen


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
    with worsening_figures(monkeypatch):
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
