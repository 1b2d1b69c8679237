"""What happens around a grid: the disk, the database and the files of killed processes."""

import contextlib
import errno
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from adavit.errors import RunError
from adavit.experiments.ablation import AblationPlan, ablate
from adavit.experiments.cell import cells_of
from adavit.experiments.grid_file import read_grid
from adavit.experiments.patience import QueueUnreachable
from adavit.experiments.worker_pool import WorkerPool
from adavit.runs.directory import RunDirectory
from adavit.runtime.console import LineConsole
from adavit.runtime.signals import Stopped
from tests.adavit.experiments.conftest import WriteGrid, compare_with_uninterrupted
from tests.adavit.experiments.queue_processes import notes, run_grid_under_kills, start

OUT = Path("out")


class Events(LineConsole):
    """Does something once at a step, and at a line that begins with given words."""

    def __init__(self, at_step: Callable[[], None], **at_line: Callable[[], None]) -> None:
        super().__init__()
        self.at_step: Callable[[], None] | None = at_step
        self.at_line = at_line

    def status(self, status: Any) -> None:
        if status.images == 24 and self.at_step is not None:
            self.at_step, at_step = None, self.at_step
            at_step()

    def note(self, text: str) -> None:
        super().note(text)
        for word, action in self.at_line.items():
            if word in text:
                action()


def one_cell(write_grid: WriteGrid, *layers: dict[str, Any]) -> tuple[str, RunDirectory]:
    """A grid of one, and where its run will lie in `OUT`."""
    path = str(write_grid(*layers, axes={"run.seed": [0]}, baseline=None))
    (cell,) = cells_of(read_grid(path))
    return path, RunDirectory(OUT.absolute() / cell.digest)


def test_what_kills_left_of_first_files_is_in_no_cells_way(write_grid: WriteGrid) -> None:
    path, run = one_cell(write_grid)
    run.path.mkdir(parents=True)
    for name in (run.cell_note.name, run.config.name):
        (run.path / f".{name}.4711-0123abcd.partial").write_text('{"half')
    assert ablate(path, out=OUT).count("finished") == 1
    assert not list(run.path.glob(".*.partial"))


@pytest.mark.parametrize("cut", [1, 2])
def test_a_finished_cell_whose_checkpoints_were_cut_is_trained_again_to_the_same_bits(
    write_grid: WriteGrid, capsys: pytest.CaptureFixture[str], cut: int
) -> None:
    path, run = one_cell(write_grid)
    ablate(path, out=Path("whole"))
    ablate(path, out=OUT)
    checkpoints = run.checkpoints()[:cut]
    for checkpoint in checkpoints:
        checkpoint.write_bytes(checkpoint.read_bytes()[:-1000])
    assert " finished " not in ablate(path, out=OUT, dry_run=True)
    (OUT / "queue.sqlite3").unlink()  # else it is known to be done
    assert ablate(path, out=OUT, console=LineConsole()).count("finished") == 1
    begun_again = "begins again, since its checkpoint" in capsys.readouterr().out
    assert begun_again == (cut == 2)
    assert all(run.damaged(checkpoint).is_file() == begun_again for checkpoint in checkpoints)
    assert (run.earlier / run.metrics.name).is_file() == begun_again
    compare_with_uninterrupted(path, OUT, Path("whole"))


@pytest.mark.parametrize("ending", ["", '{"status": "pruned"}'])
def test_a_cell_whose_checkpoints_were_removed_is_trained_again_and_loses_nothing(
    write_grid: WriteGrid, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    path, run = one_cell(write_grid)
    ablate(path, out=Path("whole"))
    ablate(path, out=OUT)
    run.cell_note.write_text(run.cell_note.read_text().replace('"finished"', '"running"'))
    if ending:
        run.ending.write_text(ending)
    for checkpoint in run.checkpoints():
        checkpoint.unlink()
    found = run.diagnostics
    found.path.mkdir()
    of_weights = (
        run.evaluations,
        found.memorisation,
        found.closest_pairs,
        found.leaks,
        found.leak_rates,
    )
    for file in of_weights:
        file.write_text("of the weights before")
    had = {
        file.name: file.read_bytes()
        for file in (run.stats, run.metrics, run.best_generator, run.last_generator, *of_weights)
    }
    (OUT / "queue.sqlite3").unlink()  # else it is known to be done
    assert ablate(path, out=OUT, console=LineConsole()).count("finished") == 1
    assert f"what it had is in {run.earlier}, and it begins again" in capsys.readouterr().out
    if ending:
        had[run.ending.name] = ending.encode()
    assert {file.name: file.read_bytes() for file in run.earlier.iterdir()} == had
    assert not any(file.exists() for file in of_weights)
    compare_with_uninterrupted(path, OUT, Path("whole"))


def test_a_queue_that_comes_back_is_waited_for(write_grid: WriteGrid) -> None:
    path, _ = one_cell(write_grid)
    ablate(path, out=Path("whole"))
    queue, aside = OUT / "queue.sqlite3", Path("aside")
    console = Events(
        lambda: shutil.move(queue, aside),
        **{"cannot be reached": lambda: shutil.move(aside, queue)},
    )
    assert ablate(path, out=OUT, console=console).count("finished") == 1
    assert not aside.exists()
    assert notes(OUT)["all"]["attempts"] == 1
    compare_with_uninterrupted(path, OUT, Path("whole"))


@contextlib.contextmanager
def moved_away(queue: Path) -> Iterator[None]:
    shutil.move(queue, "aside")
    yield
    shutil.move("aside", queue)


@contextlib.contextmanager
def locked(queue: Path) -> Iterator[None]:
    """As by another program with which someone looks at it."""
    with contextlib.closing(sqlite3.connect(queue, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


@contextlib.contextmanager
def full(queue: Path) -> Iterator[None]:
    """As SQLite says it: nothing can be committed."""
    disk_is_full = [True]

    class Connection(sqlite3.Connection):
        def commit(self) -> None:
            if disk_is_full:
                raise sqlite3.OperationalError("database or disk is full")
            super().commit()

    @sqlalchemy.event.listens_for(sqlalchemy.Engine, "do_connect")
    def connect(dialect: Any, record: Any, arguments: Any, keywords: dict[str, Any]) -> None:
        keywords["factory"] = Connection

    yield
    disk_is_full.clear()
    sqlalchemy.event.remove(sqlalchemy.Engine, "do_connect", connect)


@pytest.mark.parametrize(
    ("fault", "words"),
    [(moved_away, "is gone"), (locked, "database is locked"), (full, "disk is full")],
)
def test_a_queue_that_does_not_come_back_ends_in_one_line_and_loses_no_cell(
    write_grid: WriteGrid, monkeypatch: pytest.MonkeyPatch, fault: Any, words: str
) -> None:
    path, run = one_cell(write_grid)
    ablate(path, out=Path("whole"))
    monkeypatch.setattr("adavit.experiments.database.BUSY_S", 0.05)
    (cell,) = cells_of(read_grid(path))
    plan = AblationPlan("tiny", {cell.digest: cell})
    pool = WorkerPool(OUT.absolute(), heartbeat_s=0.05, grace_s=0.2, patience_s=0.5)
    with contextlib.ExitStack() as stack:
        begin = partial(stack.enter_context, fault(OUT / "queue.sqlite3"))
        with pytest.raises(QueueUnreachable, match=rf"{words}.*, expected .* run the same command"):
            pool.run(plan, Events(begin))
        assert run.checkpoint.exists()  # the work itself was not stopped
    assert pool.run(plan, LineConsole())[cell.digest].state == "finished"
    compare_with_uninterrupted(path, OUT, Path("whole"))


def test_a_full_disk_is_no_fault_of_the_cells(
    write_grid: WriteGrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, run = one_cell(write_grid)
    ablate(path, out=Path("whole"))
    with monkeypatch.context() as patched:

        def save(*_: Any, **__: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device", str(run.checkpoint))

        patched.setattr("adavit.training.snapshots.save_newest", save)
        with pytest.raises(RunError, match=r"the disk is full \(while writing .*same command"):
            ablate(path, out=OUT)
    assert ablate(path, out=OUT).count("finished") == 1  # without --retry-failed
    compare_with_uninterrupted(path, OUT, Path("whole"))


def test_preemptions_are_no_deaths(write_grid: WriteGrid) -> None:
    path, run = one_cell(write_grid, {"run": {"checkpoint_every_kimg": 1}})
    ablate(path, out=Path("whole"))
    for _ in range(7):  # at the same place each time: no step further than the last
        for checkpoint in run.checkpoints():
            checkpoint.unlink()
        with pytest.raises(Stopped):
            ablate(path, out=OUT, console=Events(lambda: signal.raise_signal(signal.SIGTERM)))
    assert ablate(path, out=OUT).count("finished") == 1
    assert notes(OUT)["all"]["attempts"] == 8
    compare_with_uninterrupted(path, OUT, Path("whole"))


@pytest.mark.slow
def test_a_grid_that_is_killed_at_every_turn_ends_with_all_cells_and_the_same_bits(
    write_grid: WriteGrid,
) -> None:
    path = str(write_grid({"run": {"checkpoint_every_kimg": 0.008}}))
    ablate(path, out=Path("whole"))
    process = start(run_grid_under_kills, path, OUT, 30, 0, output=subprocess.PIPE)
    output, _ = process.communicate()
    assert process.returncode == 0
    assert int(output) > 3
    assert ablate(path, out=OUT).count("finished") == 2
    compare_with_uninterrupted(path, OUT, Path("whole"))
    assert not list(OUT.rglob("*.partial"))
