"""The run directory: the one owner of the names of its files."""

import contextlib
import itertools
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from adavit.errors import UserError
from adavit.runs.generation_names import generations
from adavit.runs.json_lines import append_record
from adavit.runs.records import cut_back
from adavit.runtime.files import (
    RESULTS_MARK,
    is_unfinished,
    mark_results,
    remove_unfinished,
)
from adavit.runtime.locks import is_locked, locked
from adavit.runtime.paths import quoted

_GRID = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)kimg\.png")
_KEPT = re.compile(r"generator-(\d{6,9}(?:\.\d{3})?)\.safetensors")
_DAMAGED = re.compile(r"checkpoint(-[0-9]{1,6})?-damaged\.pt")
_NAMES_OF_SECTIONS = re.compile(rb"^(\w[\w-]*):", re.MULTILINE)
_SECTIONS = {
    b"augment",
    b"generator",
    b"discriminator",
    b"features",
    b"metrics",
    b"run",
    b"training",
    b"pretraining",
}
_NUMBERED = re.compile(r"([0-9]{5})-.+", re.DOTALL)
_LARGEST = 99_999


class RunTaken(UserError):
    """Another process trains in the run directory."""


class DiagnosticsFolder:
    """What `adavit memorisation` and `adavit leaks` write, in a run or where the user wants it.

    Args:
        path: The folder.

    Attributes:
        memorisation: How close generated images come to those trained on.
        closest_pairs: The closest of them, drawn.
        leaks: Share of generated images that show an augmentation.
        leak_rates: The same, drawn.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.memorisation = path / "memorisation.json"
        self.closest_pairs = path / "closest_pairs.png"
        self.leaks = path / "leaks.json"
        self.leak_rates = path / "leaks.png"


class RunDirectory:
    """Paths of one run.

    Args:
        path: The folder.

    Attributes:
        config: The resolved configuration.
        environment: Versions and machine.
        budget: Of a run with a budget of time: what was measured, and how much of it is used.
        data: What was trained on.
        ending: Why it has ended before its end; not there where it was killed, is running, or has come to its end.
        stats: A line per report of training.
        metrics: A line per evaluation while training.
        evaluations: A line per record of `adavit evaluate`.
        samples: Folder of sample grids.
        real_images: Grid of real images in it, to hold the others against.
        film: The sample grids one after the other, drawn at the end of the run.
        curves: The two logs, drawn.
        checkpoint: All that a run must remember to go on; the newest.
        sound_checkpoint: The last one whose figure had not collapsed, where the newest is not that one.
        best_generator: The one whose first metric was lowest.
        last_generator: The one at the latest checkpoint.
        tensorboard: Folder of event files.
        diagnostics: Folder of what was found about the run afterwards.
        earlier: Folder of what was measured and kept of the run before it began again.
        projections: Folder of images of one's own that were looked for in its generator.
        cell_note: What the run is part of; `adavit.experiments` writes it before the run begins.
        worker_log: What the worker of an experiment said; likewise.
        lock: Held by the process that trains in the folder.
        mark: Says that nothing in the folder is data.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.environment = path / "environment.json"
        self.budget = path / "budget.json"
        self.data = path / "data.json"
        self.ending = path / "ending.json"
        self.stats = path / "stats.jsonl"
        self.metrics = path / "metrics.jsonl"
        self.evaluations = path / "evaluations.jsonl"
        self.samples = path / "samples"
        self.real_images = self.samples / "reals.png"
        self.film = self.samples / "training.gif"
        self.curves = path / "curves.png"
        self.checkpoint = path / "checkpoint.pt"
        self.best_generator = path / "generator-best.safetensors"
        self.sound_checkpoint = path / "checkpoint-sound.pt"
        self.last_generator = path / "generator-last.safetensors"
        self.tensorboard = path / "tensorboard"
        self.diagnostics = DiagnosticsFolder(path / "diagnostics")
        self.earlier = path / "earlier-results"
        self.projections = path / "projections"
        self.cell_note = path / "cell.json"
        self.worker_log = path / "worker.log"
        self.lock = path / ".lock"
        self.mark = path / RESULTS_MARK

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
                out = _next_numbered(Path("runs"), label)
            out.mkdir(parents=True, exist_ok=True)
            mark_results(out)
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
        if not out.is_dir():
            raise UserError(
                f"--out {str(out)!r} is a file, expected a new folder. Choose another name."
            )
        directory = RunDirectory(out)
        if directory.holds_something():
            on = f", or continue the run in it: {directory.resume_command}"
            raise UserError(
                f"--out {str(out)!r} is not empty, expected a new folder. Choose another"
                f"{on if directory.is_run() else '.'}"
            )

    @classmethod
    def open(cls, path: Path) -> "RunDirectory":
        """An existing run directory.

        Raises:
            UserError: If there is none at `path`.
        """
        directory = cls(path)
        check_run_exists(path)
        if path.is_file() and cls(path.parent).is_run():
            raise UserError(
                f"{str(path)!r} is a file of a run, expected the run itself. Name its folder:"
                f" {str(path.parent)!r}."
            )
        begun = path.is_dir() and any(path.iterdir())
        if begun and not directory.holds_something():
            raise UserError(
                f"the run in {str(path)!r} was ended before it had written its"
                f" {directory.config.name}, expected settings to go on with. Begin it once more:"
                f" adavit train with the settings it had and --out {quoted(str(path))}."
            )
        if not directory.is_run():
            raise UserError(
                f"{str(path)!r} is not a run directory: it has no {directory.config.name}. Expected a folder"
                " that adavit train has made, such as runs/00000-small_set-resnet-bgc; check the"
                " path."
            )
        return directory

    @property
    def resume_command(self) -> str:
        """What a person types to go on with the run."""
        return f"adavit train --resume {quoted(str(self.path))}"

    @property
    def is_cell(self) -> bool:
        """Whether the run is one of several that are compared, or tried out, by an experiment."""
        return self.cell_note.is_file()

    def is_run(self) -> bool:
        """Whether there is a run in the folder: its configuration, or a checkpoint, which holds it too.

        Other tools have a config.yaml too: in a folder without the mark one that names sections, but
        none of ours, does not count.
        """
        if self.checkpoints():
            return True
        return self.config.is_file() and (self.mark.is_file() or not _is_foreign(self.config))

    def checkpoints(self) -> list[Path]:
        """The checkpoints there are, the newest first."""
        return generations(self.checkpoint)

    def damaged_checkpoints(self) -> list[Path]:
        """Those that were put aside as below."""
        return [path for path, _ in _named(self.path, _DAMAGED)]

    def damaged(self, checkpoint: Path) -> Path:
        """Where a checkpoint is put that could not be gone on from, where the run begins again."""
        return checkpoint.with_name(f"{checkpoint.stem}-damaged{checkpoint.suffix}")

    def holds_something(self) -> bool:
        """Whether there is more in the folder than what is there before a run has begun."""
        before_the_run = {self.cell_note, self.worker_log, self.lock, self.mark}
        if self.mark.exists():  # of a run that was killed before it had written its settings
            before_the_run |= {self.environment, self.data}
        return any(
            path not in before_the_run and not is_unfinished(path) for path in self.path.iterdir()
        )

    def sample_grid(self, images: int, *, decimals: bool) -> Path:
        """Where the sample grid after so many real images goes, e.g. `samples/000020kimg.png`.

        Args:
            images: Real images seen.
            decimals: Whether the name tells single images, where thousands would not do.
        """
        return self.samples / f"{_kimg(images, decimals=decimals)}kimg.png"

    def kept_generator(self, images: int, *, decimals: bool) -> Path:
        """Where the generator goes that stays, e.g. `generator-000200.safetensors`; arguments as above."""
        return self.path / f"generator-{_kimg(images, decimals=decimals)}.safetensors"

    def kept_generators(self) -> dict[float, Path]:
        """Those there are, by thousands of real images seen, the fewest first."""
        return _by_kimg(self.path, _KEPT)

    def is_generator(self, path: Path) -> bool:
        """Whether a path is that of a generator of this run, whether or not it is there."""
        fixed = (self.best_generator, self.last_generator)
        return path in fixed or (path.parent == self.path and bool(_KEPT.fullmatch(path.name)))

    def sample_grids(self) -> dict[float, Path]:
        """The sample grids there are, by thousands of real images seen, the fewest first."""
        return _by_kimg(self.samples, _GRID)

    @contextlib.contextmanager
    def claimed(self) -> Iterator[None]:
        """Locks the directory against other processes that train; a kill at any moment frees it.

        Raises:
            RunTaken: If another process trains in it.
        """
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locked(self.lock))
            except TimeoutError:
                raise RunTaken(
                    f"the run in {str(self.path)!r} is being trained by another process, expected"
                    " only one at a time. Wait for it, or stop it first."
                ) from None
            for folder in (self.path, self.samples):
                remove_unfinished(folder)
            yield

    def is_claimed(self) -> bool:
        """Whether a process trains in this directory at this moment."""
        return is_locked(self.lock)

    def append(self, log: Path, record: Mapping[str, Any]) -> None:
        """Adds one line to `stats` or `metrics`."""
        append_record(log, record)

    def cut_back(self, log: Path, images: int) -> str:
        """Drops the records past `images` and what is damaged: `adavit.runs.records.cut_back`."""
        return cut_back(log, images)


def check_run_exists(path: Path) -> None:
    """Refuses a path that leads nowhere, where a run or a file of one is expected.

    Raises:
        UserError: If there is nothing.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(
            f"there is no {str(path)!r}, expected a run of adavit train or a file of one. Check the path:"
            " adavit runs lists the runs there are."
        ) from None


def _named(folder: Path, name: re.Pattern[str]) -> list[tuple[Path, str]]:
    """Paths in a folder whose names match, sorted, each with the group of its name; none where there is no folder."""
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    return [(path, match[1]) for path in paths if (match := name.fullmatch(path.name))]


def _by_kimg(folder: Path, name: re.Pattern[str]) -> dict[float, Path]:
    """The same by the number in their names, in its order: in that of names 000200.512 comes before 000200."""
    return dict(sorted((float(kimg), path) for path, kimg in _named(folder, name)))


def _kimg(images: int, *, decimals: bool) -> str:
    return f"{images / 1000:010.3f}" if decimals else f"{images // 1000:06d}"


def _is_foreign(config: Path) -> bool:
    try:
        with config.open("rb") as file:
            names = set(_NAMES_OF_SECTIONS.findall(file.read(1 << 16)))
    except OSError:
        return False  # whoever reads it says why it cannot be read
    return bool(names) and not names & _SECTIONS


def _next_numbered(parent: Path, label: str) -> Path:
    """A new folder `NNNNN-label`; folders of other names, which may begin with digits too, do not count."""
    parent.mkdir(parents=True, exist_ok=True)
    taken = {int(match[1]) for name in os.listdir(parent) if (match := _NUMBERED.fullmatch(name))}
    after = max(taken, default=-1) + 1
    for number in itertools.count(after if after <= _LARGEST else 0):
        path = parent / f"{number:05d}-{label}"
        if number not in taken:
            with contextlib.suppress(FileExistsError):  # another run took it at the same moment
                path.mkdir()
                return path
    raise AssertionError("unreachable")
