import json
import os
import pickle
import signal
import sys
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from adavit.errors import RunError, UserError
from adavit.experiments import worker_pool
from adavit.experiments.ablation import AblationPlan, ablate
from adavit.experiments.cell import cells_of
from adavit.experiments.grid_file import read_grid
from adavit.experiments.worker import Worker
from adavit.experiments.worker_pool import WorkerPool
from adavit.runtime.console import (
    BarConsole,
    Console,
    LineConsole,
    SilentConsole,
    TimedConsole,
    WarningConsole,
)
from adavit.runtime.signals import Stopped, StopRequest
from tests.adavit.experiments.conftest import WriteGrid, compare_with_uninterrupted


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({}, r"'none' has 1 slice \(training.batch 8, training.microbatch auto\).*microbatch=4, w"),
        ({"microbatch": 8}, r"'none' has 1 slice \(training.batch 8, training.microbatch 8\)"),
        ({"batch": 9, "microbatch": 3}, r"has 3 slices .* Use a training.batch that it divides\."),
    ],
)
def test_cells_whose_slices_cannot_be_shared_are_refused_before_any_is_trained(
    write_grid: WriteGrid, training: dict[str, int], message: str
) -> None:
    with pytest.raises(UserError, match=r"^--processes is 2, but cell .*" + message):
        ablate(str(write_grid({"training": training})), out=Path("out"), processes=2)
    assert not Path("out").exists()


def test_cells_that_have_to_share_a_gpu_are_refused(
    write_grid: WriteGrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = cells_of(read_grid(str(write_grid({"training": {"microbatch": 4}}))))
    monkeypatch.setattr(worker_pool, "choose_device", lambda *_: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UserError, match="torch finds 1 CUDA device here, expected one for each"):
        WorkerPool(Path("out"), processes=2).check_shares(cells)
    WorkerPool(Path("out")).check_shares(cells)


def test_cells_of_several_processes_are_refused_on_windows(
    write_grid: WriteGrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    path = str(write_grid({"training": {"microbatch": 4}}))
    with pytest.raises(UserError, match=r"^--processes is 2, but several processes do not train"):
        ablate(path, out=Path("out"), processes=2, dry_run=True)


class Told:
    """A worker that ends after three looks, in place of a process."""

    name, pid, exitcode = "worker 1", 1, 0

    def __init__(self) -> None:
        self.looks = self.terminated = 0

    def is_alive(self) -> bool:
        self.looks += 1
        return self.looks <= 3

    def terminate(self) -> None:
        self.terminated += 1


@pytest.mark.parametrize(
    ("system", "number", "terminated"),
    [
        ("linux", signal.SIGINT, 1),
        ("darwin", signal.SIGINT, 1),
        ("win32", signal.SIGINT, 0),
        ("win32", signal.SIGTERM, 1),
    ],
)
def test_workers_that_have_got_the_ctrl_c_of_a_windows_console_are_not_killed(
    monkeypatch: pytest.MonkeyPatch, system: str, number: signal.Signals, terminated: int
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    stop, worker = StopRequest(), Told()
    stop.signal_number = number
    worker_pool._wait([cast("BaseProcess", worker)], stop, SilentConsole())
    assert worker.terminated == terminated


def test_a_worker_that_was_killed_is_told_with_quiet_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    worker = Told()
    worker.exitcode = -9
    worker_pool._wait([cast("BaseProcess", worker)], StopRequest(), WarningConsole())
    assert capsys.readouterr().err == "Warning: worker 1 (process 1) was killed by signal 9.\n"


class Here:
    """A process that works at once, in this one, with what another would be handed."""

    name, pid, exitcode = "worker", 1, 0

    def __init__(self, *, target: Any, args: Any, name: str) -> None:
        self.start = partial(target, *pickle.loads(pickle.dumps(args)))

    def is_alive(self) -> bool:
        return False

    def join(self) -> None:
        pass


def processes_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers of a pool are `Here`."""
    monkeypatch.setattr(
        worker_pool.multiprocessing, "get_context", lambda _: SimpleNamespace(Process=Here)
    )


@pytest.mark.parametrize(
    ("console", "out", "errors"),
    [
        (BarConsole(), "a line\nWarning: [a] b\n", ""),
        (LineConsole(), "a line\nWarning: [a] b\n", ""),
        (TimedConsole(), "a line\nWarning: [a] b\ndecoding ...\n", ""),
        (WarningConsole(), "", "Warning: [a] b\n"),
        (SilentConsole(), "", ""),
    ],
    ids=["bar", "lines", "verbose", "quiet", "silent"],
)
def test_workers_in_processes_of_their_own_tell_as_much_as_was_asked_for(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    console: Console,
    out: str,
    errors: str,
) -> None:
    def tell(worker: Worker) -> None:
        worker.console.note("a line")
        worker.console.note("Warning: [a] b")
        worker.console.activity("decoding", 1, 2)

    monkeypatch.setattr(worker_pool.Worker, "run", tell)
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    processes_here(monkeypatch)
    WorkerPool(tmp_path, workers=2).run(AblationPlan("tiny", {}), console)
    assert tuple(capsys.readouterr()) == (2 * out, 2 * errors)


@pytest.mark.parametrize(
    ("processes", "expected"),
    [
        (1, [("cuda:0",), ("cuda:1",), ("cuda:2",), ("cuda:3",), ("cuda:0",)]),
        (2, [("cuda:0", "cuda:1"), ("cuda:2", "cuda:3")]),
    ],
)
def test_workers_take_the_groups_of_devices_in_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: int, expected: list[tuple[str, ...]]
) -> None:
    taken = []
    monkeypatch.setattr(worker_pool, "_work", lambda *arguments: taken.append(arguments[2]))
    processes_here(monkeypatch)
    pool = WorkerPool(
        tmp_path,
        workers=len(expected),
        devices=("cuda:0", "cuda:1", "cuda:2", "cuda:3"),
        processes=processes,
    )
    pool.run(AblationPlan("tiny", {}), SilentConsole())
    assert taken == expected


def test_a_worker_sees_its_devices_alone_and_takes_its_share_of_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, threads = [], []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")  # undone after the worker's own
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    monkeypatch.setattr(worker_pool, "cores", lambda: 6)
    monkeypatch.setattr(
        worker_pool.Worker, "run", lambda _: seen.append(os.environ["CUDA_VISIBLE_DEVICES"])
    )
    pool = WorkerPool(tmp_path, workers=2, devices=("cuda:0", "cuda:1"))
    worker_pool._work(pool, AblationPlan("tiny", {}), ("cuda:1",), SilentConsole)
    assert (seen, threads) == (["5"], [3])


@pytest.mark.parametrize("workers", [1, 2])
def test_cells_that_all_workers_have_left_are_told(
    write_grid: WriteGrid, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr(worker_pool.Worker, "run", lambda _: None)
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    processes_here(monkeypatch)
    with pytest.raises(RunError, match=r"^all workers have ended, but 2 of 2 cells have not"):
        ablate(str(write_grid()), workers=workers)


@pytest.mark.slow
def test_cells_of_two_processes_are_those_of_one_to_the_bit(
    write_grid: WriteGrid, tmp_path: Path
) -> None:
    one = {"axes": {"run.seed": [0]}, "baseline": None}
    path = str(write_grid({"training": {"microbatch": 4}}, **one))
    ablate(path, out=tmp_path / "one")
    assert ablate(path, out=tmp_path / "two", processes=2).count("finished") == 1
    compare_with_uninterrupted(path, tmp_path / "two", tmp_path / "one")


@pytest.mark.slow
def test_workers_in_processes_of_their_own_share_a_grid(
    write_grid: WriteGrid, tmp_path: Path
) -> None:
    path = str(write_grid(axes={"run.seed": [0, 1, 2]}, baseline=None))
    ablate(path, out=tmp_path / "alone")
    table = ablate(path, out=tmp_path / "shared", workers=2)
    assert table.count("finished") == 3
    compare_with_uninterrupted(path, tmp_path / "shared", tmp_path / "alone")
    records = [json.loads(file.read_text()) for file in tmp_path.glob("shared/*/cell.json")]
    assert [record["attempts"] for record in records] == [1, 1, 1]
    assert len({record["pid"] for record in records}) == 2


def test_as_many_workers_as_devices_unless_told(tmp_path: Path) -> None:
    def workers(number: int | None, *devices: str) -> int:
        pool = WorkerPool.asked_for(tmp_path, storage=None, workers=number, devices=devices)
        return pool.workers

    assert workers(None) == 1
    assert workers(None, "cuda:0", "cuda:1") == 2
    assert workers(3, "cuda:0", "cuda:1") == 3
    four = [f"cuda:{number}" for number in range(4)]
    pool = WorkerPool.asked_for(tmp_path, storage=None, workers=None, devices=four, processes=2)
    assert (pool.workers, pool.processes) == (2, 2)


def test_an_outage_of_the_database_is_waited_out_for_five_minutes(tmp_path: Path) -> None:
    pool = WorkerPool(tmp_path)
    assert pool.patience_s == pool.patience(SilentConsole()).seconds == 5 * 60


def test_devices_lay_their_kind_over_the_settings_of_all_cells(tmp_path: Path) -> None:
    assert WorkerPool(tmp_path).settings == []
    devices = ("cuda:0", "cuda:1")
    assert WorkerPool(tmp_path, devices=devices).settings == [{"run": {"device": "cuda"}}]


def test_an_experiment_that_is_stopped_goes_on_by_itself_not_cell_by_cell(
    write_grid: WriteGrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(worker: object) -> None:
        raise Stopped(signal.SIGTERM, go_on="adavit train --resume the/cell")

    monkeypatch.setattr("adavit.experiments.worker_pool.Worker.run", stopped)
    with pytest.raises(Stopped) as stop:
        ablate(str(write_grid()))
    assert (stop.value.signal_number, stop.value.go_on) == (signal.SIGTERM, "the same command")
