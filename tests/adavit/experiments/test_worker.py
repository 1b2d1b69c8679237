import json
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from adavit.errors import RunError
from adavit.experiments.ablation import AblationPlan, ablate
from adavit.experiments.cell import cells_of
from adavit.experiments.cell_console import CellConsole
from adavit.experiments.cell_directory import CellDirectory
from adavit.experiments.cell_training import train_here
from adavit.experiments.grid_file import read_grid
from adavit.experiments.liveness import WorkerIdentity
from adavit.experiments.worker import NO_CHECKPOINT
from adavit.experiments.worker_pool import WorkerPool
from adavit.runs.directory import RunDirectory
from adavit.runtime.console import LineConsole, SilentConsole
from adavit.runtime.signals import Stopped
from adavit.training.train import train
from tests.adavit.experiments.conftest import WriteGrid, compare_with_uninterrupted
from tests.adavit.experiments.queue_processes import notes, run_grid, start, untimed


def test_a_run_that_was_moved_there_is_adopted(write_grid: WriteGrid, tmp_path: Path) -> None:
    path = write_grid()
    first, _ = cells_of(read_grid(str(path)))
    trained = train(first.config(tmp_path / "elsewhere"))
    folder = tmp_path / "out"
    folder.mkdir()
    shutil.move(trained, folder / first.digest)
    checkpoint = (folder / first.digest / "checkpoint.pt").stat().st_mtime_ns
    ablate(str(path), out=folder)
    assert (folder / first.digest / "checkpoint.pt").stat().st_mtime_ns == checkpoint
    assert {note["status"] for note in notes(folder).values()} == {"finished"}


def test_a_cell_that_fails_is_recorded_and_does_not_stop_the_grid(
    write_grid: WriteGrid, tmp_path: Path
) -> None:
    path = write_grid()
    folder = tmp_path / "out"
    first, second = cells_of(read_grid(str(path)))
    # Another run lies where the first cell belongs.
    train(second.config(folder / first.digest))
    with pytest.raises(
        RunError, match=r"(?s)none: augment\.mode is 'none', but the run.*1 of 2 cells have failed"
    ):
        ablate(str(path), out=folder)
    assert notes(folder)["some"]["status"] == "finished"
    assert notes(folder)["none"]["status"] == "failed"
    assert "was started with 'fixed'" in notes(folder)["none"]["reason"]
    shutil.rmtree(folder / first.digest)
    with pytest.raises(RunError, match="1 of 2 cells have failed"):
        ablate(str(path), out=folder)
    table = ablate(str(path), out=folder, retry_failed=True)
    assert table.count("finished") == 2
    assert (notes(folder)["none"]["attempts"], notes(folder)["none"]["reason"]) == (2, None)


def test_a_mistake_of_ours_is_recorded_with_its_traceback(
    write_grid: WriteGrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build_step(*_: Any) -> Any:
        raise ZeroDivisionError("one\ntwo")

    monkeypatch.setattr("adavit.training.start.build.build_step", build_step)
    with pytest.raises(RunError, match="2 of 2 cells"):
        ablate(str(write_grid()), out=Path("out"))
    assert notes(Path("out"))["none"]["reason"] == "ZeroDivisionError: one"
    logs = [path.read_text() for path in Path("out").glob("*/worker.log")]
    assert all("Traceback" in log and 'raise ZeroDivisionError("one' in log for log in logs)


def test_want_of_memory_is_told_with_what_helps_a_grid(
    write_grid: WriteGrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build_step(*_: Any) -> Any:
        raise torch.OutOfMemoryError("Tried to allocate 2.00 GiB. GPU 0 has ...")

    monkeypatch.setattr("adavit.training.start.build.build_step", build_step)
    with pytest.raises(RunError, match="none: out of memory"):
        ablate(str(write_grid()), out=Path("out"))
    reason = notes(Path("out"))["none"]["reason"]
    assert "Tried" not in reason
    assert "--set training.microbatch=4" in reason


@pytest.mark.parametrize("when", ["networks are made", "it trains"])
def test_a_device_that_vanishes_ends_the_worker_and_no_other_cell(
    write_grid: WriteGrid, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    def vanishes(*_: Any, **__: Any) -> Any:
        raise torch.AcceleratorError("CUDA error: unknown error\nSearch for it")

    made = {
        "networks are made": "adavit.training.start.build.build_step",
        "it trains": "adavit.training.slice_memory.StepsWithinMemory.__call__",
    }
    path = str(write_grid())
    with monkeypatch.context() as patch:
        patch.setattr(made[when], vanishes)
        with pytest.raises(RunError) as ended:
            ablate(path, out=Path("out"))
    said = str(ended.value)
    assert said.startswith("the device failed (CUDA error: unknown error), expected it to work. ")
    assert ("checkpoint.pt, of 0 kimg, is good." in said) == (when == "it trains")
    assert said.endswith("; run the same command again with --retry-failed.")
    assert "\n" not in said
    (status,) = [note["status"] for note in notes(Path("out")).values()]
    assert status == "failed"
    assert ablate(path, out=Path("out"), retry_failed=True).count("finished") == 2


def hold_until_somebody_waits(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Another process in a run's directory, which ends when a worker begins to wait.

    Returns:
        What grows with each wait of a worker, in seconds.
    """
    run.path.mkdir(parents=True)
    held = run.claimed()
    held.__enter__()
    waited: list[float] = []
    pause = time.sleep

    def sleep(seconds: float) -> None:
        if seconds < 0.1:  # of whoever asks for a lock again and again
            pause(seconds)
            return
        if not waited:
            held.__exit__(None, None, None)
        waited.append(seconds)

    monkeypatch.setattr("adavit.experiments.worker.time.sleep", sleep)
    return waited


def test_a_run_that_a_living_process_still_trains_is_waited_for(
    write_grid: WriteGrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(write_grid(axes={"run.seed": [0]}, baseline=None))
    (cell,) = cells_of(read_grid(path))
    run = RunDirectory(Path("out").absolute() / cell.digest)
    waited = hold_until_somebody_waits(run, monkeypatch)
    assert ablate(path, out=Path("out")).count("finished") == 1
    assert len(waited) == 1
    note = json.loads((run.path / "cell.json").read_text())
    assert (note["status"], note["attempts"]) == ("finished", 2)


def test_a_run_that_a_living_process_still_trains_keeps_no_other_waiting(
    write_grid: WriteGrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(write_grid(axes={"run.seed": [0, 1]}, baseline=None))
    first, second = cells_of(read_grid(path))
    run = RunDirectory(Path("out").absolute() / first.digest)
    waited = hold_until_somebody_waits(run, monkeypatch)
    begun = []

    def training(directory: CellDirectory, console: CellConsole) -> None:
        begun.append((directory.cell.digest, len(waited)))
        train_here(directory, console)

    monkeypatch.setattr("adavit.experiments.worker_pool.train_here", training)
    assert ablate(path, out=Path("out")).count("finished") == 2
    assert begun == [(first.digest, 0), (second.digest, 0), (first.digest, 1)]


@pytest.mark.parametrize("deaths", [4, 5])
def test_a_cell_that_five_workers_in_a_row_have_died_of_is_given_up(
    write_grid: WriteGrid, monkeypatch: pytest.MonkeyPatch, deaths: int
) -> None:
    path = str(write_grid(axes={"run.seed": [0]}, baseline=None))
    (cell,) = cells_of(read_grid(path))
    folder = Path("out").absolute()
    pool, plan = WorkerPool(folder), AblationPlan("tiny", {cell.digest: cell})
    queue = pool.open_queue(plan, pool.patience(SilentConsole()))
    monkeypatch.setattr(WorkerIdentity, "is_known_dead", lambda self: True)
    for _ in range(deaths):
        claim = queue.claim(plan.jobs)
        assert claim is not None
        queue.begin(claim, NO_CHECKPOINT)
    if deaths < 5:
        assert ablate(path, out=folder).count("finished") == 1
        return
    with pytest.raises(RunError, match=r"5 workers in a row died in this cell.*--retry-failed"):
        ablate(path, out=folder)
    note = json.loads((folder / cell.digest / "cell.json").read_text())
    assert (note["status"], note["attempts"]) == ("failed", 6)


def test_a_signal_puts_the_cell_back_with_a_checkpoint(
    write_grid: WriteGrid, tmp_path: Path
) -> None:
    class Impatient(LineConsole):
        def status(self, status: Any) -> None:
            if status.images == 24:
                signal.raise_signal(signal.SIGTERM)

    path, whole, stopped = str(write_grid()), tmp_path / "whole", tmp_path / "stopped"
    ablate(path, out=whole)
    with pytest.raises(Stopped, match="SIGTERM"):
        ablate(path, out=stopped, console=Impatient())
    (run,) = stopped.glob("*/checkpoint.pt")
    assert torch.load(run, weights_only=True)["progress"]["images"] == 24
    ablate(path, out=stopped)
    for cell in cells_of(read_grid(path)):
        assert untimed(stopped / cell.digest) == untimed(whole / cell.digest)
    assert notes(stopped)["none"]["attempts"] == 2


@pytest.mark.slow
def test_a_killed_workers_cell_is_taken_over_to_the_same_bits(
    write_grid: WriteGrid, tmp_path: Path
) -> None:
    path = str(write_grid({"run": {"checkpoint_every_kimg": 0.016}}))
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    ablate(path, out=whole)
    assert start(run_grid, path, folder, None, 40).wait() == -signal.SIGKILL
    (run,) = folder.glob("*/checkpoint.pt")
    assert torch.load(run, weights_only=True)["progress"]["images"] == 32
    ablate(path, out=folder)
    compare_with_uninterrupted(path, folder, whole)
    taken = notes(folder)["none"]
    assert taken["attempts"] == 2
    assert "continued from its checkpoint at 32 images" in taken["worker_note"]
