"""What a worker makes of what the processes of a cell tell: a script stands for them."""

import errno
import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from adavit.errors import RunError
from adavit.experiments import cell_training
from adavit.experiments.cell import Cell
from adavit.experiments.cell_console import CellConsole
from adavit.experiments.cell_directory import CellDirectory
from adavit.experiments.cell_training import SharedTraining
from adavit.runs.directory import RunTaken
from adavit.runtime.console import LineConsole
from adavit.runtime.signals import Stopped

CELL = Cell("grid", "c0ffee", {}, "none", True, {}, {"run": {"out": None}}, "print")


class Trial:
    """A cell in training by a script.

    Attributes:
        shown: What people see.
        log: The cell's own log.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shown, self.log = io.StringIO(), io.StringIO()

    def __call__(self, *lines: str, on_step: Callable[[], None] = lambda: None) -> None:
        script = self.folder / "script"
        script.write_text("\n".join(("#!/bin/sh", *lines, "")))
        script.chmod(0o755)
        console = CellConsole(
            LineConsole(self.shown), CELL.title, self.log, told=set(), on_step=on_step
        )
        SharedTraining(2, workers=2)(CellDirectory(self.folder, CELL), console)


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trial:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "script"))
    return Trial(tmp_path)


def test_what_they_tell_is_the_cells(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(13)))
    status = '{"images": 8, "total_images": 64}'
    trial(
        """echo '{"note": ["Found 30 images."]}'""",
        """echo '{"activity": ["evaluating", 1, 2]}'""",
        """echo '[W1126] of a library'""",
        f"""echo '{{"status": {status}}}'; echo '{{"report": {status}}}'""",
        "echo 7",
        """printf '{"result": ["Finished, %s threads, for %s %s %s."]}' "$OMP_NUM_THREADS" "$1" "$2" "$3" """,
    )
    log = trial.log.getvalue().splitlines()
    assert log[:4] == [
        "Found 30 images.",
        "[W1126] of a library",
        "0.0 of 0.064 kimg  p 0.000",
        "7",
    ]
    assert log[4] == "Finished, 3 threads, for -m adavit.experiments.cell_process 2."
    shown = [line for line in log if line not in ("[W1126] of a library", "7")]
    assert trial.shown.getvalue().splitlines() == [f"[none] {line}" for line in shown]


def test_what_ended_them_is_raised_here(trial: Trial) -> None:
    with pytest.raises(RunError, match=r"^out of memory$"):
        trial("""echo '{"failed": {"text": "out of memory"}}'; exit 1""")
    with pytest.raises(RunTaken, match="taken"):
        trial("""echo '{"failed": {"text": "taken", "taken": true}}'; exit 1""")
    full = f'{{"text": "full", "errno": {errno.ENOSPC}, "filename": "a.pt"}}'
    with pytest.raises(OSError, match="full") as raised:
        trial(f"""echo '{{"failed": {full}}}'; exit 1""")
    assert (raised.value.errno, raised.value.filename) == (errno.ENOSPC, "a.pt")
    # Of the thread that finds who is missing, which can do no more than print.
    with pytest.raises(RunError, match=r"^rank 1 of 2 was killed$"):
        trial("echo 'Error: rank 1 of 2 was killed' >&2; exit 1")
    with pytest.raises(RunError, match="ended with code -9"):
        trial("kill -9 $$")
    with pytest.raises(Stopped, match="SIGTERM"):
        trial("exit 143")


def test_what_the_console_raises_stops_them_with_a_checkpoint(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cell_training, "PAUSE_S", 0.01)
    steps: list[bool] = []

    def on_step() -> None:
        steps.append((trial.folder / "ready").exists())
        if steps[-1]:
            raise Stopped(signal.SIGTERM)

    with pytest.raises(Stopped):
        trial(
            f"trap 'echo told; echo > {trial.folder}/checkpoint; exit 143' TERM",
            f"echo > {trial.folder}/ready",
            "while true; do sleep 0.02; done",
            on_step=on_step,
        )
    assert steps[-1]
    assert (trial.folder / "checkpoint").exists()
