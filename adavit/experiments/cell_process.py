"""A process that trains a cell together with others, and tells the worker how it goes.

    python -m adavit.experiments.cell_process PROCESSES FILE

is torchrun's agent, and starts itself again as each of them. A line of its output is an object of JSON with one key:
a method of `adavit.runtime.console.Console`, or "failed".
"""

import json
import os
import signal
import sys
import threading
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from adavit.errors import RunError, UserError
from adavit.runtime.console import Status
from adavit.runtime.launch import QUIET, launch
from adavit.runtime.place import Place
from adavit.runtime.streams import lenient_streams

MODULE = "adavit.experiments.cell_process"

REFRESH_S = 0.2
"""Between two of the lines that only move a bar: a small network takes a hundred steps in a second."""


class LinesOfJson:
    """A console whose reader is a program.

    Args:
        stream: Where the lines go.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._moved = 0.0

    def note(self, text: str) -> None:
        """See `Console`."""
        self.tell("note", [text])

    def result(self, text: str) -> None:
        """See `Console`."""
        self.tell("result", [text])

    def report(self, status: Status) -> None:
        """See `Console`."""
        self.tell("report", asdict(status))

    def status(self, status: Status) -> None:
        """See `Console`; not more often than anybody sees."""
        if self._is_time():
            self.tell("status", asdict(status))

    def activity(self, text: str, done: int, total: int) -> None:
        """See `Console`; likewise."""
        if self._is_time() or done >= total:
            self.tell("activity", [text, done, total])

    def _is_time(self) -> bool:
        now = time.monotonic()
        if now - self._moved < REFRESH_S:
            return False
        self._moved = now
        return True

    def tell(self, what: str, values: Any) -> None:
        """Writes a line, in one piece: other processes write there too."""
        self._stream.write(json.dumps({what: values}) + "\n")
        self._stream.flush()


def main(processes: str, asked: str) -> int:
    """Starts the processes of a cell, or is one of them; returns the exit code.

    Args:
        processes: How many.
        asked: The file in which `adavit.experiments.cell_training` has written the cell.
    """
    if Place.here().launch is not None:
        return train_asked(Path(asked))
    threading.Thread(target=_stop_with_worker, daemon=True).start()
    try:
        return launch(int(processes), [processes, asked], module=MODULE)
    except RunError as error:
        LinesOfJson(sys.stdout).tell("failed", {"text": str(error)})
        return 1


def train_asked(asked: Path) -> int:
    """Trains the cell, and tells how it went; returns the exit code."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    from adavit.experiments.cell import Cell  # with torch, which is to find those
    from adavit.experiments.cell_directory import CellDirectory
    from adavit.experiments.cell_training import train_here
    from adavit.experiments.failure import DISK_FULL, is_foreseen, reason_of
    from adavit.runs.directory import RunTaken
    from adavit.runtime.signals import Stopped

    told = json.loads(asked.read_text(encoding="utf-8"))
    directory = CellDirectory(Path(told["folder"]), Cell(**told["cell"]))
    console = LinesOfJson(sys.stdout)
    try:
        train_here(directory, console)
    except Stopped as stop:
        return 128 + stop.signal_number
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception as error:  # noqa: BLE001  whatever it was, the worker is told
        alone = bool(getattr(error, "__notes__", ()))
        if isinstance(error, UserError) and Place.here().rank and not alone:
            return 2  # nothing but the cell was looked at yet, which rank 0 tells as well
        reason = reason_of(error)
        if not is_foreseen(error):
            traceback.print_exception(error)
            reason = f"{reason}. Its traceback is in {directory.log}."
        full = isinstance(error, OSError) and error.errno in DISK_FULL
        console.tell(
            "failed",
            {
                "text": reason,
                "taken": isinstance(error, RunTaken),
                "errno": error.errno if full and isinstance(error, OSError) else None,
                "filename": error.filename if full and isinstance(error, OSError) else None,
            },
        )
        return 1
    return 0


def _stop_with_worker() -> None:
    """Once whoever started the agent has ended, and so no longer holds its input, it stops: with a checkpoint."""
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    with lenient_streams():
        sys.exit(main(*sys.argv[1:]))
