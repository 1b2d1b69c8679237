"""What a rehearsal measures, with a clock that is turned by what it does."""

import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adavit.config.run import RunConfig
from adavit.metrics import Interrupted
from adavit.runtime.console import SilentConsole
from adavit.runtime.signals import Stopped
from adavit.training import rehearsal, run_output
from adavit.training.rehearsal import FEW_FAKES, TookTooLong, rehearse, rehearse_step
from adavit.training.snapshots import Snapshots
from adavit.training.start.build import build_step
from adavit.training.start.workload import Workload, load_workload
from adavit.training.step.out_of_memory import StepOutOfMemory
from adavit.training.time_plan import Costs
from adavit.training.trainer import Trainer
from tests.adavit.training.test_slice_memory import room_for
from tests.small_weights import write_mobilenet

Tiny = Callable[..., RunConfig]


class Turned:
    """Time that passes by what is done alone."""

    def __init__(self) -> None:
        self.now = 100.0
        self.steps: list[int] = []
        self.fakes: list[int] = []

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def turned(monkeypatch: pytest.MonkeyPatch) -> Turned:
    """A step takes 1 s, with R1 5 and with a look at held-out images 2; sheet 3, checkpoint 4, curves 7, film 6."""
    clock = Turned()

    def step(trainer: Trainer) -> None:
        index = trainer.progress.images // trainer.config.training.batch
        clock.steps.append(index)
        clock.now += 5 if index % 8 == 0 else 2 if index % 4 == 3 else 1
        trainer.progress.stepped(images=trainer.config.training.batch, seconds=1)

    def takes(seconds: float) -> Callable[..., None]:
        def work(*_: Any, **__: Any) -> None:
            clock.now += seconds

        return work

    def score(evaluators: Any, generator: Any, *, fakes: int, **arguments: Any) -> None:
        clock.fakes.append(fakes)
        clock.now += 10 + fakes / 8
        if arguments["should_stop"]():
            raise Interrupted

    monkeypatch.setattr(Trainer, "train_on_one_batch", step)
    monkeypatch.setattr(Trainer, "sample", takes(3))
    monkeypatch.setattr(Snapshots, "save", takes(4))
    monkeypatch.setattr(run_output, "draw_curves", takes(7))
    monkeypatch.setattr(Trainer, "report", takes(0))
    monkeypatch.setattr(rehearsal, "draw_film", takes(6))
    monkeypatch.setattr(rehearsal, "score_generator", score)
    monkeypatch.setattr(time, "perf_counter", clock)
    return clock


def measured(workload: Workload, *, seconds: float = 0.0, limit_s: float = 1e6) -> Costs:
    step = build_step(workload)
    return rehearse(workload, step, seconds=seconds, limit_s=limit_s, build_s=0.5)


@pytest.fixture
def workload(tiny: Tiny) -> Workload:
    penalty = {"training": {"r1_gamma": 1, "r1_interval": 8}, "metrics": {"fakes": 1000}}
    found = load_workload(tiny(penalty), SilentConsole())
    object.__setattr__(found, "evaluators", ("one",))
    return found


@pytest.mark.parametrize("seconds", [0.0, 100.0])
def test_the_parts_of_a_run_are_what_they_take(
    workload: Workload, turned: Turned, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adavit.training.snapshots.BestGenerator", lambda _: None)
    costs = measured(workload, seconds=seconds)
    assert costs.step_s == pytest.approx((5 + 2 * 2 + 5 * 1) / 8)  # of a cycle of eight
    assert costs.evaluation_s == pytest.approx(10 + 1000 / 8)
    assert costs.fake_s == pytest.approx(1 / 8)
    assert (costs.sheet_s, costs.save_s, costs.curves_s) == (3, 4, 7)
    assert (costs.frame_s, costs.build_s) == (3, 0.5)
    assert max(turned.fakes) <= 2 * FEW_FAKES
    # One of each kind to warm up and one that counts, and then whole cycles while there is time.
    assert turned.steps[:6] == [0, 1, 3, 0, 1, 3]
    assert turned.steps[6:14] == ([] if not seconds else list(range(8)))


@pytest.mark.parametrize(("every", "kept_s"), [(None, 0), (0.5, 6)])
def test_a_generator_that_is_kept_is_measured_where_some_are(
    tiny: Tiny,
    turned: Turned,
    monkeypatch: pytest.MonkeyPatch,
    every: float | None,
    kept_s: float,
) -> None:
    layer = {"metrics": {"names": []}, "run": {"keep_every_kimg": every}}
    keep = Snapshots.keep_generator

    def one(snapshots: Snapshots) -> None:
        keep(snapshots)
        turned.now += 6

    monkeypatch.setattr(Snapshots, "keep_generator", one)
    assert measured(load_workload(tiny(layer), SilentConsole())).kept_s == kept_s


@pytest.mark.parametrize("limit_s", [1.0, 40.0])
def test_a_rehearsal_that_takes_too_long_is_given_up(
    workload: Workload, turned: Turned, limit_s: float
) -> None:
    before = turned.now
    with pytest.raises(TookTooLong):
        measured(workload, limit_s=limit_s)
    assert turned.now - before < limit_s + 20


def test_what_is_not_evaluated_takes_no_time(tiny: Tiny, turned: Turned) -> None:
    costs = measured(load_workload(tiny({"metrics": {"names": []}}), SilentConsole()))
    assert (costs.evaluation_s, costs.fake_s) == (0, 0)
    assert turned.fakes == []


def test_want_of_memory_tells_nobody_to_go_on_in_the_folder_that_is_deleted(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    with room_for(monkeypatch, 0, after=0), pytest.raises(StepOutOfMemory):
        measured(load_workload(tiny({"metrics": {"names": []}}), SilentConsole()))


@pytest.mark.parametrize("when", [{"vanishes_at": 0.4}, {"start_kimg": 1}])
def test_a_critic_that_the_generator_follows_is_rehearsed_as_often_as_it_takes_part(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: dict[str, float]
) -> None:
    section = {"network": write_mobilenet(tmp_path / "mobile.pth"), "side": 32, "interval": 3}
    layer: dict[str, Any] = {"features": {**section, **when}, "training": {"r1_gamma": 0}}
    workload = load_workload(tiny(layer), SilentConsole())
    step, clock = build_step(workload), Turned()

    def one(trainer: Trainer) -> None:
        images, batch = trainer.progress.images, trainer.config.training.batch
        critic = step.terms(images, step.slices(batch)).critic
        assert critic is None or critic.teaches_generator
        clock.steps.append(images // batch)
        clock.now += 1 if critic is None else 7

    monkeypatch.setattr(Trainer, "train_on_one_batch", one)
    monkeypatch.setattr(time, "perf_counter", clock)
    assert rehearse_step(workload, step, seconds=0, limit_s=1e6) == pytest.approx((7 + 2 * 1) / 3)
    assert clock.steps == [0, 1, 3, 7] * 2  # 3 and 7 look at held-out images too


def test_a_signal_leaves_nothing_behind(
    workload: Workload, turned: Turned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = tmp_path / "temporary"
    folders.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folders))
    made = []

    def one(trainer: Trainer) -> None:
        made.extend(folders.iterdir())
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Trainer, "train_on_one_batch", one)
    with pytest.raises(Stopped):
        measured(workload)
    assert len(made) == 1
    assert not list(folders.iterdir())


def test_images_that_are_shown_as_real_are_drawn_in_each_step(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    falling = {"apa_p_max": 0.5, "apa_target": 1, "apa_speed_kimg": 0.01, "r1_gamma": 0}
    workload = load_workload(tiny({"training": falling}), SilentConsole())
    train, shown = Trainer.train_on_one_batch, []

    def one(trainer: Trainer) -> None:
        assert trainer.step.pseudo is not None
        shown.append(trainer.step.pseudo.p)
        train(trainer)

    monkeypatch.setattr(Trainer, "train_on_one_batch", one)
    rehearse_step(workload, build_step(workload), seconds=0, limit_s=1e6)
    assert shown == pytest.approx([0.4] * 4)


def test_steps_alone_are_measured_and_given_up_too(workload: Workload, turned: Turned) -> None:
    steps = [build_step(workload) for _ in range(2)]
    assert rehearse_step(workload, steps[0], seconds=0, limit_s=1e6) == (5 + 2 * 2 + 5 * 1) / 8
    with pytest.raises(TookTooLong):
        rehearse_step(workload, steps[1], seconds=0, limit_s=1.0)
