"""The folder of a pre-training: the one owner of the names of its files."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from adavit.errors import UserError
from adavit.runs.directory import RunDirectory
from adavit.runs.generation_names import generations
from adavit.runtime.paths import quoted


class PretrainingDirectory:
    """Paths of one pre-training; no run directory, for there is no generator in it.

    Args:
        path: The folder.

    Attributes:
        trunk: The file that `training.init_discriminator` takes.
        log: A line per measurement.
        checkpoint: All that it must remember to go on, its settings included; the first file there is. The newest.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trunk = path / "trunk.safetensors"
        self.log = path / "pretraining.jsonl"
        self.checkpoint = path / "pretraining.pt"
        self._folder = RunDirectory(path)

    @classmethod
    def create(cls, out: Path | None, label: str) -> "PretrainingDirectory":
        """A new, empty one.

        Args:
            out: Where to put it, or None for the next number below `runs/`.
            label: Ends the name of a numbered one.

        Raises:
            UserError: If `out` is there and not empty, or cannot be made.
        """
        cls.check_free(out)
        return cls(RunDirectory.create(out, label).path)

    @classmethod
    def check_free(cls, out: Path | None) -> None:
        """Raises what `create` would, before time is spent on loading data.

        Raises:
            UserError: If `out` is there and not an empty folder.
        """
        if out is not None and cls(out).checkpoints():
            raise UserError(
                f"--out {str(out)!r} holds a pre-training, expected a new folder. Choose another,"
                f" or go on with that one: {cls(out).resume_command}."
            )
        RunDirectory.check_free(out)

    @classmethod
    def open(cls, path: Path) -> "PretrainingDirectory":
        """An existing one.

        Raises:
            UserError: If there is none at `path`.
        """
        directory = cls(path)
        if directory.checkpoints():
            return directory
        if RunDirectory(path).is_run():
            advice = f"It holds a run: {RunDirectory(path).resume_command} goes on with that."
        else:
            advice = (
                "Check the path; what was ended before it had written that file is begun again"
                " with the same command."
            )
        raise UserError(
            f"{str(path)!r} holds no pre-training: it has no {directory.checkpoint.name}, expected a"
            f" folder that adavit pretrain has made. {advice}"
        )

    @property
    def resume_command(self) -> str:
        """What a person types to go on with it."""
        return f"adavit pretrain --resume {quoted(str(self.path))}"

    def checkpoints(self) -> list[Path]:
        """The checkpoints there are, the newest first."""
        return generations(self.checkpoint)

    @contextlib.contextmanager
    def claimed(self) -> Iterator[None]:
        """Keeps other processes from training in this directory.

        Raises:
            RunTaken: If another process trains in it.
        """
        with self._folder.claimed():
            yield

    def append(self, record: Mapping[str, Any]) -> None:
        """Adds one line to the log."""
        self._folder.append(self.log, record)

    def forget_after(self, images: int) -> None:
        """Drops the lines of the log past so many images."""
        self._folder.cut_back(self.log, images)
