"""The folder a run leaves behind: its files, their names, and the two logs of JSON lines."""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from adavit.errors import UserError
from adavit.runtime.files import write_text

CELL_NOTE, CELL_LOG = "cell.json", "worker.log"
"""Files that `adavit.experiments` puts into a run directory, before the run begins."""

LOCK = ".lock"
"""Held by the process that trains in a run directory."""


class RunTaken(UserError):
    """Another process trains in the run directory."""


class RunDirectory:
    """Paths and logs of one run.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.environment = path / "environment.json"
        self.data = path / "data.json"
        self.stats = path / "stats.jsonl"
        self.metrics = path / "metrics.jsonl"
        self.samples = path / "samples"
        self.curves = path / "curves.png"
        self.checkpoint = path / "checkpoint.pt"
        self.best_generator = path / "generator-best.safetensors"
        self.last_generator = path / "generator-last.safetensors"
        self.tensorboard = path / "tensorboard"

    @classmethod
    def create(cls, out: Path | None, label: str) -> "RunDirectory":
        """A new, empty run directory.

        Args:
            out: Where to put it, or None for the next number below `runs/`.
            label: Ends the name of a numbered one, e.g. "small_set-resnet-bgc".

        Raises:
            UserError: If `out` is there and not empty, or cannot be made.
        """
        cls.check_free(out)
        try:
            if out is None:
                return cls(_next_numbered(Path("runs"), label))
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"the run directory {str(out or 'runs')!r} cannot be made ({error.strerror}),"
                " expected a folder that may be written. Give another one with --out."
            ) from None
        return cls(out)

    @staticmethod
    def check_free(out: Path | None) -> None:
        """Raises what `create` would, before time is spent on loading data.

        Raises:
            UserError: If `out` is there and not an empty folder.
        """
        if out is None or not out.exists():
            return
        before_the_run = {CELL_NOTE, CELL_LOG, LOCK}
        if not out.is_dir() or {entry.name for entry in out.iterdir()} - before_the_run:
            raise UserError(
                f"--out {str(out)!r} is not empty, expected a new folder. Choose another, or"
                f" continue the run in it with --resume {out}."
            )

    @classmethod
    def open(cls, path: Path) -> "RunDirectory":
        """An existing run directory.

        Raises:
            UserError: If there is none at `path`.
        """
        directory = cls(path)
        if not directory.config.is_file():
            raise UserError(
                f"{str(path)!r} is not a run directory: it has no config.yaml. Expected a folder"
                " that adavit train has made, such as runs/00000-small_set-resnet-bgc; check the"
                " path."
            )
        return directory

    @contextlib.contextmanager
    def claimed(self) -> Iterator[None]:
        """Keeps other processes from training in this directory; a kill at any moment gives it free.

        Raises:
            RunTaken: If another process trains in it.
        """
        lock = FileLock(self.path / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise RunTaken(
                f"the run in {str(self.path)!r} is being trained by another process, expected only"
                " one at a time. Wait for it, or stop it first."
            ) from None
        try:
            yield
        finally:
            lock.release()

    def append(self, log: Path, record: Mapping[str, Any]) -> None:
        """Adds one line to `stats` or `metrics`."""
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def cut_back(self, log: Path, images: int) -> None:
        """Drops the records past `images` and what a kill left of a half-written line."""
        if log.exists():
            kept = [record for record in read_records(log) if record["images"] <= images]
            write_text(log, "".join(json.dumps(record) + "\n" for record in kept))


def read_records(log: Path) -> list[dict[str, Any]]:
    """The complete records of a log of JSON lines; none if there is no file."""
    if not log.exists():
        return []
    records = []
    for line in log.read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
            complete = isinstance(record["images"], int)
        except (json.JSONDecodeError, TypeError, KeyError):
            complete = False
        if not complete:
            break  # a kill in the middle of a write: only the last line can be broken
        records.append(record)
    return records


def _next_numbered(parent: Path, label: str) -> Path:
    parent.mkdir(parents=True, exist_ok=True)
    while True:
        taken = [int(name[:5]) for name in os.listdir(parent) if name[:5].isdigit()]
        path = parent / f"{max(taken, default=-1) + 1:05d}-{label}"
        try:
            path.mkdir()
        except FileExistsError:
            continue  # another run took the number at the same moment
        return path
