"""What runs can spare: older checkpoints, and generators that nobody asked to keep. Logs, samples and figures stay."""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adavit.config.keep import every_kimg
from adavit.errors import UserError, first_line, shown
from adavit.runs.directory import RunDirectory, RunTaken
from adavit.runs.ending_note import note_pruned
from adavit.runs.listing import named_runs
from adavit.runs.reading import read_json
from adavit.runtime.console import Console, SilentConsole
from adavit.runtime.disk_use import freed_bytes, is_plain_file
from adavit.runtime.files import remove_file
from adavit.runtime.paths import takes_paths

DEFAULT_KEEP = ("best", "last")


@dataclass(frozen=True)
class Kept:
    """What is to stay.

    Attributes:
        best: The generator of the best evaluation.
        last: The newest checkpoint, with which a run goes on, the last sound one, and the last generator.
        every_kimg: Of the other generators the first past each multiple of so many thousand images; None for none.
    """

    best: bool
    last: bool
    every_kimg: float | None

    @classmethod
    def from_words(cls, words: Sequence[str]) -> "Kept":
        """From words such as best, last and every:200.

        Raises:
            UserError: If one is another word, or there is none.
        """
        every = None
        for word in words:
            try:
                interval = every_kimg(word)
            except ValueError as error:
                raise UserError(f"--keep: {error}") from None
            if interval is not None and every is not None:
                raise UserError(
                    f"--keep names every: twice, {every:g} and {interval:g}, expected one. Write the one whose"
                    " generators are to stay."
                )
            every = every if interval is None else interval
            if interval is None and word not in DEFAULT_KEEP:
                raise UserError(
                    f"--keep names {shown(word)}, expected best, last or every:KIMG, with commas between. Write"
                    " for example --keep best,last."
                )
        if not words:
            raise UserError(
                "--keep is empty, expected best, last or every:KIMG: something of a run must stay. Leave it out"
                " for best,last."
            )
        return cls("best" in words, "last" in words, every)


@dataclass(frozen=True)
class Spared:
    """What a run can spare.

    Attributes:
        run: Its directory.
        files: What would be removed.
        frees: Bytes that the disk gains.
        note: What a person should know of it, in a sentence; empty where there is nothing.
    """

    run: Path
    files: list[Path]
    frees: int
    note: str


@takes_paths("sources")
def find_spared(
    sources: Sequence[Path], kept: Kept, *, untouched_s: float = 0.0, now: float | None = None
) -> list[Spared]:
    """What runs can spare; nothing is removed.

    Args:
        sources: Run directories, and folders to be searched for them.
        kept: What stays.
        untouched_s: Runs in which something was written since so many seconds are left out.
        now: Seconds since 1970. None: this moment.

    Raises:
        UserError: If a source is no folder, or holds no run.
    """
    before = (time.time() if now is None else now) - untouched_s
    runs = [RunDirectory(path) for path in named_runs(sources)]
    return [_spared(run, kept) for run in runs if not untouched_s or _last_written(run) <= before]


def prune(spared: Spared, kept: Kept, console: Console | None = None) -> int:
    """Removes what a run can spare, while nobody can train in it.

    Args:
        spared: As `find_spared` has told it; what has come since stays.
        kept: What stays.
        console: Told of what could not be removed.

    Returns:
        Bytes that the disk gained.
    """
    directory, told = RunDirectory(spared.run), console or SilentConsole()
    try:
        with directory.claimed():
            files = [path for path in _to_spare(directory, kept)[0] if path in spared.files]
            freed = freed_bytes(files)
            had = directory.checkpoints()
            if had and not set(had) - set(files):
                # Before they are gone: a kill leaves nothing that begins again at 0.
                note_pruned(directory)
            for path in files:
                remove_file(path)
            return freed
    except RunTaken:
        told.note(f"{spared.run} is being trained, and left alone.")
    except OSError as error:
        told.note(f"Warning: {spared.run} cannot be pruned ({error.strerror}).")
    return 0


def _spared(run: RunDirectory, kept: Kept) -> Spared:
    if run.is_claimed():
        return Spared(run.path, [], 0, "It is being trained, and left alone.")
    files, note = _to_spare(run, kept)
    return Spared(run.path, files, freed_bytes(files), note)


def _to_spare(run: RunDirectory, kept: Kept) -> tuple[list[Path], str]:
    """Files of a run that can go, each a name of `RunDirectory`, and what is to be said of it."""
    checkpoints, notes = run.checkpoints(), []
    if kept.last or _goes_on(run):
        newest, older = checkpoints[:1], checkpoints[1:]
        if newest and not kept.last:
            notes.append("Its experiment goes on from the newest checkpoint.")
        if older and (ailment := _ailment(newest[0])):
            notes.append(f"All checkpoints stay, since the newest cannot be used: {ailment}")
            older = []
    else:
        older = [*checkpoints, run.sound_checkpoint]
        if checkpoints:
            notes.append("It cannot go on any more then, nor be inspected.")
    asked = {run.best_generator: kept.best, run.last_generator: kept.last}
    there = [path for path in asked if path.exists()]
    stay = [path for path in there if asked[path]]
    if there and not stay:
        stay = there[:1]
        notes.append(f"{there[0].name} stays, as one generator must.")
    files = [
        *run.damaged_checkpoints(),
        *older,
        *(path for path in there if path not in stay),
        *_beside(run, kept.every_kimg),
    ]
    return [path for path in files if is_plain_file(path)], " ".join(notes)


def _goes_on(run: RunDirectory) -> bool:
    """Whether an experiment may yet take up the run; a cell that is finished by its note it leaves alone."""
    return run.cell_note.is_file() and read_json(run.cell_note).get("status") != "finished"


def _beside(run: RunDirectory, every: float | None) -> list[Path]:
    """Generators that were kept beside best and last, without the first past each multiple of an interval."""
    passed = set()
    spared = []
    for kimg, path in run.kept_generators().items():
        multiple = None if every is None else round(1000 * kimg) // max(1, round(1000 * every))
        if not multiple or multiple in passed:
            spared.append(path)
        passed.add(multiple)
    return spared


def _ailment(checkpoint: Path) -> str:
    """What is wrong with a checkpoint; empty if it can be gone on from."""
    from adavit.runs.checkpoint import load_checkpoint  # torch takes seconds

    try:
        load_checkpoint(checkpoint)
    except UserError as error:
        return first_line(error)
    return ""


def _last_written(run: RunDirectory) -> float:
    """When something was written in a run last, in seconds since 1970."""
    times = []
    for path in run.path.iterdir():
        with contextlib.suppress(OSError):
            times.append(path.lstat().st_mtime)
    return max(times, default=0.0)
