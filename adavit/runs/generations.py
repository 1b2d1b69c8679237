"""The newest checkpoints of a run: where the last one is damaged, there is one before it."""

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adavit.errors import UserError
from adavit.runs.checkpoint import checkpoint_bytes, load_checkpoint
from adavit.runs.directory import RunDirectory
from adavit.runtime.files import give_second_name, unfinished_file


@dataclass(frozen=True)
class LoadedCheckpoint:
    """The newest checkpoint that is whole.

    Attributes:
        path: The file.
        state: What it holds, on the CPU.
        warning: What ails the newer one that could not be read, for a person; empty if none is newer.
    """

    path: Path
    state: dict[str, Any]
    warning: str


def save_newest(directory: RunDirectory, state: Mapping[str, Any], *, keep: int) -> None:
    """Writes the checkpoint; those before it move one place back.

    At no moment is there none: a kill or a full disk leaves those that there were.

    Args:
        directory: Of the run.
        state: Nested dictionaries and lists of tensors and plain values.
        keep: Checkpoints to keep, this one included, >= 1.

    Raises:
        OSError: If it cannot be written.
    """
    newest = directory.checkpoint
    with unfinished_file(newest.parent, f".{newest.name}.") as (file, finish):
        file.write(checkpoint_bytes(state))
        file.flush()
        os.fsync(file.fileno())  # whole on the disk, before another one goes to make room for it
        if keep > 1:
            _move_back(directory, keep)
        finish(newest)
    for path in directory.checkpoints()[keep:]:
        path.unlink(missing_ok=True)


def load_newest(directory: RunDirectory) -> LoadedCheckpoint | None:
    """The newest checkpoint that can be read; None if there is none at all.

    Raises:
        UserError: If none of those that there are can be read; it says what ails the newest.
    """
    there, first = directory.checkpoints(), None
    for path in there:
        try:
            state = load_checkpoint(path)
        except UserError as error:
            first = first or error
            continue
        return LoadedCheckpoint(path, state, _warning(directory, path, first))
    if first is not None:
        raise first
    return None


def make_newest(directory: RunDirectory, path: Path) -> None:
    """Gives an older checkpoint the place of the newer ones, which go: they could not be read.

    Args:
        directory: Of the run.
        path: One of its checkpoints.

    Raises:
        OSError: If it cannot be moved.
    """
    there = directory.checkpoints()
    kept = there[there.index(path) :]
    if kept == there and path == directory.checkpoint:
        return
    places = [directory.checkpoint_at(place) for place in range(len(kept))]
    for source, place in zip(kept, places, strict=True):
        os.replace(source, place)
    for left in set(there) - set(places):
        left.unlink(missing_ok=True)


def _warning(directory: RunDirectory, taken: Path, error: UserError | None) -> str:
    if taken == directory.checkpoint:
        return ""
    gone = f"checkpoint {str(directory.checkpoint)!r} is gone"
    ailment = gone if error is None else str(error).partition(", expected")[0]
    return f"{ailment}. {taken.name}, written before it, is taken instead."


def _move_back(directory: RunDirectory, keep: int) -> None:
    """Moves all checkpoints one place back; the newest keeps its name too, until it is replaced."""
    newest, before = directory.checkpoint, directory.checkpoint_at(1)
    if not newest.exists() or (before.exists() and before.samefile(newest)):
        return  # a kill came after it had moved
    for place in range(keep - 1, 1, -1):
        with contextlib.suppress(FileNotFoundError):
            os.replace(directory.checkpoint_at(place - 1), directory.checkpoint_at(place))
    give_second_name(newest, before)
