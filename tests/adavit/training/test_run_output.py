"""What a run leaves on the disk, and the process that leaves nothing but decides alike."""

import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adavit.config.run import RunConfig
from adavit.runs.directory import RunDirectory
from adavit.runs.generations import load_newest
from adavit.runtime.console import SilentConsole
from adavit.runtime.signals import Stopped
from adavit.runtime.world import Alone, World
from adavit.training.run_output import RunOutput, WrittenOutput, output_of
from adavit.training.start.build import build_step
from adavit.training.start.workload import prepare
from adavit.training.step.reduction import InOrder
from adavit.training.trainer import Trainer
from tests.adavit.training.test_train import assert_same_bits
from tests.processes import together

Tiny = Callable[..., RunConfig]


class Second(Alone):
    """A process beside the one that writes, which all others are."""

    rank = 1


def trainer_of(config: RunConfig, path: Path, world: World) -> Trainer:
    workload = prepare(config, SilentConsole())
    path.mkdir(exist_ok=True)
    step = build_step(workload, None, InOrder(world))
    return Trainer(workload, step, RunDirectory(path), SilentConsole())


def test_rank_0_writes(tiny: Tiny, tmp_path: Path) -> None:
    trainer = trainer_of(tiny(), tmp_path / "first", Alone())
    arguments = (trainer.workload, trainer.directory, trainer.step.average.module, trainer.progress)
    found: list[RunOutput] = [output_of(Alone(), *arguments), output_of(Second(), *arguments)]
    assert [type(each) for each in found] == [WrittenOutput, RunOutput]


def test_who_writes_nothing_comes_to_the_same_state(tiny: Tiny, tmp_path: Path) -> None:
    config = tiny({"training": {"total_kimg": 0.032, "microbatch": 4}})
    prepare(config, SilentConsole())  # decoded once

    def train(world: World) -> dict[str, Any]:
        trainer = trainer_of(config, tmp_path / ("second" if world.rank else "first"), world)
        trainer.output.begin()
        trainer.run()
        assert not trainer.snapshots.are_behind
        return {name: part.state_dict() for name, part in trainer.stateful_parts().items()}

    first, second = together(2, train)
    assert sorted(path.name for path in (tmp_path / "first").iterdir()) == [
        "checkpoint-1.pt",
        "checkpoint.pt",
        "generator-best.safetensors",
        "generator-last.safetensors",
        "metrics.jsonl",
        "samples",
        "stats.jsonl",
        "tensorboard",
    ]
    assert list((tmp_path / "second").iterdir()) == []
    assert first["progress"]["best"]["images"] == second["progress"]["best"]["images"]
    for times in ("progress", "window"):
        del first[times], second[times]
    assert "best_generator" in first
    assert_same_bits(first, second)


def test_who_writes_nothing_goes_on_from_a_checkpoint_that_it_leaves_as_it_is(
    tiny: Tiny, tmp_path: Path
) -> None:
    config = tiny({"training": {"total_kimg": 0.032}})
    trainer_of(config, tmp_path / "run", Alone()).run()
    (tmp_path / "run" / "checkpoint.pt").write_bytes(b"damaged")
    before = Path(shutil.copytree(tmp_path / "run", tmp_path / "before"))
    newest = load_newest(tmp_path / "run" / "checkpoint.pt")
    assert newest is not None
    second = trainer_of(config, tmp_path / "run", Second())
    second.resume(newest)
    assert second.progress.images == newest.state["progress"]["images"]
    names = sorted(path.relative_to(before) for path in before.rglob("*"))
    assert sorted(p.relative_to(tmp_path / "run") for p in (tmp_path / "run").rglob("*")) == names
    for name in names:
        if (before / name).is_file():
            assert (before / name).read_bytes() == (tmp_path / "run" / name).read_bytes()


class TestCurves:
    @pytest.fixture
    def drawn_at(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """When curves were drawn, by a clock that only drawing them moves: a second each time."""
        times, now = [], [100.0]

        def draw(*_: Any) -> None:
            times.append(now[0])
            now[0] += 1

        monkeypatch.setattr("adavit.training.run_output.draw_curves", draw)
        monkeypatch.setattr(time, "perf_counter", lambda: now[0])
        self.now = now
        return times

    @pytest.fixture
    def output(self, tiny: Tiny, tmp_path: Path, drawn_at: list[float]) -> RunOutput:
        return trainer_of(tiny(), tmp_path / "run", Alone()).output

    def test_they_take_no_more_than_their_share_of_the_time(
        self, output: RunOutput, drawn_at: list[float]
    ) -> None:
        for images in range(10, 10_010, 10):
            output.saved(images)
            self.now[0] += 2  # between checkpoints
        spent = self.now[0] - 100
        assert 0.015 * spent < len(drawn_at) <= 0.02 * spent + 1

    def test_each_checkpoint_has_them_where_it_took_a_minute(
        self, output: RunOutput, drawn_at: list[float]
    ) -> None:
        for images in range(10, 60, 10):
            output.saved(images)
            self.now[0] += 60
        assert len(drawn_at) == 5

    @pytest.mark.parametrize("is_over", [True, False])
    def test_a_run_is_left_with_those_of_its_last_checkpoint(
        self, output: RunOutput, drawn_at: list[float], is_over: bool
    ) -> None:
        for images in (10, 20, 30):
            output.saved(images)
        assert len(drawn_at) == 1
        output.end(is_over=is_over)
        assert len(drawn_at) == 2
        output.end(is_over=is_over)  # nothing has been saved since
        assert len(drawn_at) == 2

    def test_there_are_none_before_the_first_step(
        self, output: RunOutput, drawn_at: list[float]
    ) -> None:
        output.saved(0)
        output.end(is_over=False)
        assert drawn_at == []


def test_a_run_that_is_stopped_is_left_with_its_curves(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pictures_of_runs: None
) -> None:
    trainer = trainer_of(tiny({"training": {"total_kimg": 0.064}}), tmp_path / "run", Alone())
    take = trainer.take_step

    def stop_at_the_third(*arguments: Any) -> Any:
        if trainer.progress.images == 2 * trainer.config.training.batch:
            signal.raise_signal(signal.SIGTERM)
        return take(*arguments)

    monkeypatch.setattr(trainer, "take_step", stop_at_the_third)
    with pytest.raises(Stopped):
        trainer.run()
    assert trainer.directory.curves.is_file()
    assert not trainer.directory.film.exists()
