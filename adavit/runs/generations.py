"""The newest checkpoints of a run: where the last one is damaged, there is one before it."""

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adavit.errors import UserError
from adavit.runs.checkpoint import UnusableCheckpoint, checkpoint_bytes, load_checkpoint
from adavit.runs.directory import RunDirectory, check_run_exists
from adavit.runs.generation_names import generation, generations
from adavit.runs.lost_checkpoints import check_none_lost
from adavit.runs.reading import mapping
from adavit.runtime.files import give_second_name, put_in_place, remove_file, unfinished_file


@dataclass(frozen=True)
class LoadedCheckpoint:
    """The newest checkpoint that is whole.

    Attributes:
        path: The file.
        state: What it holds, on the CPU.
        warning: What ails the newer one that cannot be used, for a person; empty if none is newer.
    """

    path: Path
    state: dict[str, Any]
    warning: str

    @property
    def images(self) -> int:
        """Real images seen by then; 0 where it does not say."""
        images = mapping(self.state.get("progress")).get("images")
        return images if isinstance(images, int) else 0


def save_newest(newest: Path, state: Mapping[str, Any], *, keep: int) -> None:
    """Writes the checkpoint; those before it move one place back.

    At no moment is there none: a kill or a full disk leaves those that there were.

    Args:
        newest: Where it goes.
        state: Nested dictionaries and lists of tensors and plain values.
        keep: Checkpoints to keep, this one included, >= 1.

    Raises:
        OSError: If it cannot be written.
    """
    with unfinished_file(newest.parent, f".{newest.name}.") as (file, finish):
        file.write(checkpoint_bytes(state))
        file.flush()
        os.fsync(file.fileno())  # whole on the disk, before another one goes to make room for it
        if keep > 1:
            _move_back(newest, keep)
        finish(newest)
    for path in generations(newest)[keep:]:
        remove_file(path)


def load_newest(newest: Path) -> LoadedCheckpoint | None:
    """The newest checkpoint that can be used; None if there is none at all.

    Args:
        newest: Where the newest one goes.

    Raises:
        UnusableCheckpoint: If none of those that there are can be used; it says what ails the newest.
        UserError: If one cannot be read now: to take an older one would be to give it up.
    """
    there = generations(newest)
    first: UnusableCheckpoint | None = None
    for path in there:
        try:
            state = load_checkpoint(path)
        except UnusableCheckpoint as error:
            first = first or error
            continue
        return LoadedCheckpoint(path, state, _warning(newest, path, first))
    if first is not None:
        raise first
    return None


def checkpoint_of(path: Path) -> LoadedCheckpoint:
    """The newest checkpoint of a run, or one by itself.

    Args:
        path: A run directory, or a checkpoint.pt.

    Raises:
        UserError: If there is nothing, no checkpoint yet, or none that can be read.
    """
    check_run_exists(path)
    if not path.is_dir():
        return LoadedCheckpoint(path, load_checkpoint(path), warning="")
    directory = RunDirectory.open(path)
    newest = load_newest(directory.checkpoint)
    if newest is None:
        check_none_lost(directory)
        raise UserError(
            f"run {str(path)!r} has no {directory.checkpoint.name} yet, expected one with its networks. Continue it"
            f" with {directory.resume_command}, or name another run."
        )
    return newest


def make_newest(newest: Path, path: Path) -> None:
    """Gives an older checkpoint the place of the newer ones, which go: they cannot be used.

    Args:
        newest: Where the newest one goes.
        path: One of those there are.

    Raises:
        OSError: If it cannot be moved.
    """
    there = generations(newest)
    kept = there[there.index(path) :]
    if kept == there and path == newest:
        return
    places = [generation(newest, place) for place in range(len(kept))]
    for source, place in zip(kept, places, strict=True):
        put_in_place(source, place)
    for left in set(there) - set(places):
        remove_file(left)


def _warning(newest: Path, taken: Path, error: UserError | None) -> str:
    if taken == newest:
        return ""
    gone = f"checkpoint {str(newest)!r} is gone"
    ailment = gone if error is None else str(error).partition(", expected")[0]
    return f"{ailment}. {taken.name}, written before it, is taken instead."


def _move_back(newest: Path, keep: int) -> None:
    """Moves all checkpoints one place back; the newest keeps its name too, until it is replaced."""
    before = generation(newest, 1)
    if not newest.exists() or (before.exists() and before.samefile(newest)):
        return  # a kill came after it had moved
    for place in range(keep - 1, 1, -1):
        with contextlib.suppress(FileNotFoundError):
            put_in_place(generation(newest, place - 1), generation(newest, place))
    give_second_name(newest, before)
