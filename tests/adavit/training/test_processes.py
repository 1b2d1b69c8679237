"""Runs that several processes train, against those of one: the same files, whatever happens to the processes."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import adavit
from adavit.config.run import RunConfig
from adavit.data import dataset
from adavit.errors import RunError
from adavit.runtime.console import LineConsole, SilentConsole, Status
from adavit.runtime.signals import StopRequest
from adavit.training.trainer import Trainer
from tests.adavit.training.test_train import assert_same_bits, figures, final_state
from tests.processes import Ended, launched

Tiny = Callable[..., RunConfig]
OFTEN = {"metrics": {"every_kimg": 0.016}, "run": {"status_every_kimg": 0.016}}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """As each of the processes has."""
    torch.set_num_threads(1)


def silent(ended: list[Ended]) -> None:
    assert [(each.code, each.errors) for each in ended] == [(0, "")] * len(ended)


def told(ended: list[Ended]) -> list[str]:
    return [line for each in ended for line in each.errors.splitlines()]


def files(run: Path) -> set[str]:
    names = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    return {name for name in names if not name.startswith("tensorboard")}


def assert_same_run(run: Path, other: Path) -> None:
    assert_same_bits(final_state(run), final_state(other))
    assert files(run) == files(other)
    for name in ("stats.jsonl", "metrics.jsonl"):
        assert figures(run / name) == figures(other / name)
    for grid in sorted((run / "samples").glob("*.png")):
        assert grid.read_bytes() == (other / "samples" / grid.name).read_bytes()


def test_two_processes_leave_what_one_does(tiny: Tiny, tmp_path: Path) -> None:
    alone = adavit.train(tiny(OFTEN, {"training": {"microbatch": 4}}), out=tmp_path / "alone")
    silent(launched(2, lambda: adavit.train(tiny(OFTEN))))
    assert_same_run(alone, tmp_path / "run")
    environment = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert environment["processes"] == 2


def test_a_run_goes_on_with_any_number_of_processes(tiny: Tiny, tmp_path: Path) -> None:
    given: list[dict[str, Any]] = [OFTEN, {"training": {"microbatch": 2, "schedule_kimg": 0.048}}]
    alone = adavit.train(tiny(*given), kimg=0.048, out=tmp_path / "alone")
    silent(launched(4, lambda: adavit.train(tiny(*given), kimg=0.016)))
    adavit.resume(tmp_path / "run", kimg=0.032)
    silent(launched(2, lambda: adavit.resume(tmp_path / "run", kimg=0.048)))
    assert_same_run(alone, tmp_path / "run")


@pytest.mark.parametrize("processes", [2, 3])
def test_slices_that_the_processes_cannot_share_are_told_once(
    tiny: Tiny, tmp_path: Path, processes: int
) -> None:
    run = adavit.train(tiny({"training": {"total_kimg": 0.008}}))
    ended = launched(processes, lambda: adavit.resume(run, kimg=0.016))
    assert [each.code for each in ended] == [2] * processes
    (line,) = told(ended)
    assert "training.batch is 8" in line
    assert f"{processes} processes compute equally many each" in line


def test_images_are_decoded_once_on_a_machine(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = dataset.decode_all

    def noted(*arguments: Any, **named: Any) -> Any:
        with (tmp_path / "decoded").open("a") as file:
            print(os.environ["RANK"], file=file)
        return decode(*arguments, **named)

    monkeypatch.setattr(dataset, "decode_all", noted)
    silent(launched(2, lambda: adavit.train(tiny(), kimg=0.008)))
    assert (tmp_path / "decoded").read_text() == "0\n"


def test_images_that_differ_are_found_before_training(tiny: Tiny, tmp_path: Path) -> None:
    def train() -> None:
        subset = 40 if os.environ["RANK"] == "2" else None
        adavit.train(tiny({"data": {"subset": subset}}))

    ended = launched(4, train)
    assert [each.code for each in ended] == [2, 2, 2, 2]
    (line,) = told(ended)
    assert line.startswith(
        "Error: the 4 processes of this run are not alike: rank 2 has data.subset 40, rank 0 None."
    )
    assert not (tmp_path / "run").exists()


class Acting(SilentConsole):
    """Does something when the run is at so many images."""

    def __init__(self, images: int, act: Callable[[], None]) -> None:
        self._images = images
        self._act = act

    def status(self, status: Status) -> None:
        if status.images == self._images:
            self._act()


@pytest.mark.parametrize("asked", [{0}, {1}, {0, 1}])
def test_all_stop_at_one_step_with_one_checkpoint(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: set[int]
) -> None:
    at_24_images(monkeypatch, asked, signal.SIGTERM)
    ended = launched(2, lambda: adavit.train(tiny(OFTEN, {"training": {"total_kimg": 100}})))
    assert [each.code for each in ended] == [143, 143]
    assert told(ended) == [
        f"Stopped by SIGTERM; the checkpoint is written. Go on with: adavit train --resume {tmp_path / 'run'}"
    ]
    assert final_state(tmp_path / "run")["progress"]["images"] == 24


def at_24_images(monkeypatch: pytest.MonkeyPatch, ranks: set[int], number: signal.Signals) -> None:
    """Processes of these ranks are sent a signal before their fourth step."""
    agree = Trainer._agree

    def signalled(self: Trainer, stop: StopRequest) -> int:
        if self.world.rank in ranks and self.progress.images == 24:
            os.kill(os.getpid(), number)
        return agree(self, stop)

    monkeypatch.setattr(Trainer, "_agree", signalled)


def test_what_a_kill_leaves_goes_on_to_the_same_bits(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = adavit.train(
        tiny(OFTEN, {"training": {"microbatch": 4}}), kimg=0.064, out=tmp_path / "alone"
    )

    def train() -> None:
        adavit.train(tiny(OFTEN), kimg=0.064)

    with monkeypatch.context() as patched:
        at_24_images(patched, {1}, signal.SIGKILL)
        ended = launched(2, train)
    assert [each.code for each in ended] == [1, -9]
    (line,) = told(ended)
    assert line.startswith(f"Error: rank 1 of 2 (process {ended[1].process} on ")
    run = tmp_path / "run"
    assert line.endswith(f" The last checkpoint is good; go on with: adavit train --resume {run}")
    assert final_state(run)["progress"]["images"] == 16
    reason = json.loads((run / "ending.json").read_text())["reason"]
    assert reason.startswith(f"rank 1 of 2 (process {ended[1].process} on ")
    silent(launched(2, lambda: adavit.resume(run)))
    assert_same_run(alone, run)


def test_processes_that_are_started_anew_go_on(tiny: Tiny, tmp_path: Path) -> None:
    alone = adavit.train(
        tiny(OFTEN, {"training": {"microbatch": 4}}), kimg=0.048, out=tmp_path / "alone"
    )

    def fails() -> None:
        def fail() -> None:
            raise RunError("the disk is full.")

        adavit.train(tiny(OFTEN), kimg=0.048, console=Acting(24, fail))

    launch = {"TORCHELASTIC_RUN_ID": "mine", "TORCHELASTIC_MAX_RESTARTS": "1"}
    ended = launched(2, fails, **launch)
    assert [each.code for each in ended] == [1, 1]
    assert told(ended) == ["Error: the disk is full."]

    def again() -> None:
        adavit.train(tiny(OFTEN), kimg=0.048)

    # Of another launch it is a run that is in the way.
    other = launched(
        2, again, **{**launch, "TORCHELASTIC_RUN_ID": "other"}, TORCHELASTIC_RESTART_COUNT="1"
    )
    assert "is not empty, expected a new folder" in told(other)[0]
    silent(launched(2, again, **launch, TORCHELASTIC_RESTART_COUNT="1"))
    assert_same_run(alone, tmp_path / "run")


def test_what_cannot_be_found_again_is_not_started_anew(tiny: Tiny) -> None:
    config = tiny().as_dict()
    config["run"]["out"] = None
    launch = {"TORCHELASTIC_RUN_ID": "mine", "TORCHELASTIC_MAX_RESTARTS": "2"}
    ended = launched(2, lambda: adavit.train(RunConfig.model_validate(config)), **launch)
    assert [each.code for each in ended] == [2, 2]
    (line,) = told(ended)
    assert "has no --out, expected a directory in which it is found again" in line


def test_the_first_process_prints_alone(
    tiny: Tiny, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    silent(launched(2, lambda: adavit.train(tiny(), console=LineConsole())))
    assert capfd.readouterr().out.count("Finished at") == 1
