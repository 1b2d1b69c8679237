import errno
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch

from adavit.experiments import cell_training
from adavit.experiments.cell import Cell, cells_of
from adavit.experiments.cell_process import LinesOfJson, train_asked
from adavit.experiments.grid_file import read_grid
from adavit.runtime.console import Status
from adavit.training.train import train
from benchmarks.house import ROOT
from tests.adavit.experiments.conftest import WriteGrid
from tests.adavit.experiments.queue_processes import untimed
from tests.processes import Ended, launched


@pytest.fixture
def cell(write_grid: WriteGrid) -> Cell:
    one = {"axes": {"run.seed": [0]}, "baseline": None}
    (found,) = cells_of(read_grid(str(write_grid({"training": {"microbatch": 4}}, **one))))
    return found


def in_two(cell: Cell, folder: Path) -> tuple[list[Ended], list[dict[str, Any]]]:
    """How two processes that train it end, and what they tell."""
    asked, told = folder / "cell.json", folder / "told"
    asked.write_text(json.dumps({"folder": str(folder), "cell": asdict(cell)}))

    def work() -> None:
        sys.stdout = told.open("a")
        raise SystemExit(train_asked(asked))

    ended = launched(2, work)
    return ended, [json.loads(line) for line in told.read_text().splitlines()]


def test_two_processes_leave_the_bits_of_one(cell: Cell, tmp_path: Path) -> None:
    ended, told = in_two(cell, tmp_path)
    assert [each.code for each in ended] == [0, 0]
    kinds = {kind for line in told for kind in line}
    assert kinds <= cell_training.TOLD - {"failed"}
    assert {"note", "result", "report"} <= kinds
    found, alone = tmp_path / cell.digest, train(cell.config(tmp_path / "alone"))
    assert untimed(found) == untimed(alone)
    states = [torch.load(run / "checkpoint.pt", weights_only=True) for run in (found, alone)]
    for name, tensor in states[0]["generator"].items():
        assert torch.equal(tensor, states[1]["generator"][name])


def fails(error: Exception) -> Callable[..., None]:
    def train_here(*_: object) -> None:
        raise error

    return train_here


def test_one_tells_why_it_failed(
    cell: Cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(error: Exception) -> dict[str, Any]:
        monkeypatch.setattr(cell_training, "train_here", fails(error))
        told = io.StringIO()
        monkeypatch.setattr(sys, "stdout", told)
        asked = tmp_path / "cell.json"
        asked.write_text(json.dumps({"folder": str(tmp_path), "cell": asdict(cell)}))
        assert train_asked(asked) == 1
        failed: dict[str, Any] = json.loads(told.getvalue())["failed"]
        return failed

    memory = torch.OutOfMemoryError("Tried to allocate")
    memory.add_note("rank 1 of 2")
    assert end(memory)["text"].startswith("rank 1 of 2: out of memory. Expected")
    full = end(OSError(errno.ENOSPC, "full", "a.pt"))
    assert (full["errno"], full["filename"]) == (errno.ENOSPC, "a.pt")
    assert end(OSError(errno.EIO, "broken"))["errno"] is None
    mistake = end(ZeroDivisionError("one\ntwo"))["text"]
    log = tmp_path / cell.digest / "worker.log"
    assert mistake == f"ZeroDivisionError: one. Its traceback is in {log}."


def test_a_step_is_told_no_more_often_than_anybody_sees() -> None:
    told = io.StringIO()
    console = LinesOfJson(told)
    for images in range(5):
        console.status(Status(images, 64))
        console.report(Status(images, 64, metric="fid 3"))
        console.activity("evaluating", images, 4)
    lines = [json.loads(line) for line in told.getvalue().splitlines()]
    assert [line["status"]["images"] for line in lines if "status" in line] == [0]
    assert [Status(**line["report"]) for line in lines if "report" in line] == [
        Status(images, 64, metric="fid 3") for images in range(5)
    ]
    assert [line["activity"] for line in lines if "activity" in line] == [["evaluating", 4, 4]]


def test_they_stop_when_who_started_them_has_ended() -> None:
    code = "from adavit.experiments import cell_process; cell_process._stop_with_worker(); import time; time.sleep(60)"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=30) == -signal.SIGTERM
