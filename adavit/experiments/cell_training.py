"""How a worker has a cell trained: in its own process, or by several that it starts for it."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from adavit.errors import RunError
from adavit.experiments.cell_console import CellConsole
from adavit.experiments.cell_directory import CellDirectory
from adavit.runs.directory import RunTaken
from adavit.runtime.console import Console, Status
from adavit.runtime.launch import cores
from adavit.runtime.python_children import starting_python
from adavit.runtime.signals import Stopped
from adavit.training.train import resume, train

TOLD = {"note", "result", "status", "report", "activity", "failed"}
"""Keys of the lines of `adavit.experiments.cell_process`."""

PAUSE_S = 0.2
"""Between two looks at what else there is to see to, where the processes say nothing."""


class CellTraining(Protocol):
    """Trains a cell to its end, from where its directory stands."""

    def __call__(self, directory: CellDirectory, console: CellConsole) -> None:
        """Trains it.

        Raises:
            Stopped: After a signal, with a checkpoint written.
            Exception: Whatever ended the run, or was raised by the console.
        """


def train_here(directory: CellDirectory, console: Console) -> None:
    """In this process, or as one of those that were started together."""
    if directory.begun():
        resume(directory.path, [directory.layer()], console=console)
    else:
        train(directory.cell.config(directory.path), console=console)


@dataclass(frozen=True)
class SharedTraining:
    """By processes of its own for each cell, under torchrun's agent, which is one more.

    They are `adavit.experiments.cell_process`, and end with the cell, or when this process ends. What they tell goes to
    the cell's console, what else they write to its log.

    Attributes:
        processes: How many share the batches of a cell.
        workers: Cells that are trained at a time on this machine, which share its cores.
    """

    processes: int
    workers: int = 1

    def __call__(self, directory: CellDirectory, console: CellConsole) -> None:
        """See `CellTraining`.

        Raises:
            RunError: If the run failed, as the first of them told it.
        """
        with tempfile.TemporaryDirectory(prefix="adavit-") as folder:
            asked = Path(folder, "asked.json")
            asked.write_text(
                json.dumps({"folder": str(directory.path.parent), "cell": asdict(directory.cell)}),
                encoding="utf-8",
            )
            words = [sys.executable, "-m", "adavit.experiments.cell_process"]
            with starting_python():
                started = subprocess.Popen(
                    [*words, str(self.processes), str(asked)],
                    stdin=subprocess.PIPE,  # which breaks when this process ends
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **self._threads()},
                )
            with started as group:
                told = _Told(console)
                self._listen(group, told)
        told.ended(group.returncode)

    def _threads(self) -> dict[str, str]:
        return {
            "OMP_NUM_THREADS": os.environ.get(
                "OMP_NUM_THREADS", str(max(1, cores() // (self.processes * self.workers)))
            )
        }

    def _listen(self, group: "subprocess.Popen[bytes]", told: "_Told") -> None:
        """Passes on what they tell until all have ended; what the console raises stops them first."""
        assert group.stdout is not None
        lines = _lines(group.stdout)
        try:
            for line in lines:
                told.hear(line)
        except BaseException as error:
            # Whose terminal it is has asked them as well: a second SIGINT would leave no checkpoint.
            immediate = isinstance(error, KeyboardInterrupt)
            group.send_signal(signal.SIGINT if immediate else signal.SIGTERM)
            try:
                for _ in _lines(group.stdout):
                    pass
            except KeyboardInterrupt:
                group.send_signal(signal.SIGINT)
                raise
            raise
        group.wait()


class _Told:
    """What the processes of a cell have told.

    Args:
        console: Of the cell.
    """

    def __init__(self, console: CellConsole) -> None:
        self._console = console
        self._failure: dict[str, Any] | None = None
        self._error = ""

    def hear(self, line: str | None) -> None:
        """Takes up a line; None where there was none for a while."""
        if line is None:
            self._console.waiting()
            return
        said = _object_in(line)
        if said is None:  # of a library, or of the thread that finds who is missing
            self._console.log(line)
            if line.startswith("Error: "):
                self._error = line.removeprefix("Error: ")
        for what, values in (said or {}).items():
            if what == "failed":
                self._failure = values
            elif what in ("status", "report"):
                getattr(self._console, what)(Status(**values))
            else:
                getattr(self._console, what)(*values)

    def ended(self, code: int) -> None:
        """Raises what is to be raised of their exit code."""
        if code == 0:
            return
        if code > 128:
            raise Stopped(code - 128)
        failure = self._failure or {}
        text = failure.get("text") or self._error or f"its processes have ended with code {code}"
        if failure.get("errno") is not None:
            raise OSError(failure["errno"], text, failure["filename"])
        raise (RunTaken if failure.get("taken") else RunError)(text)


def _object_in(line: str) -> dict[str, Any] | None:
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return told if isinstance(told, dict) and told.keys() <= TOLD else None


def _lines(pipe: IO[bytes]) -> Iterator[str | None]:
    """Lines as they come, to the last; None wherever none has come for `PAUSE_S`."""
    rest = b""
    while True:
        if not select.select([pipe], [], [], PAUSE_S)[0]:
            yield None
            continue
        came = os.read(pipe.fileno(), 2**16)
        if not came:
            break
        *whole, rest = (rest + came).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole)
    if rest:
        yield rest.decode(errors="replace")
