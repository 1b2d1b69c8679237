"""What a run leaves on the disk while it trains, and the process that leaves nothing there."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from adavit.models import Generator
from adavit.runs.directory import RunDirectory
from adavit.runs.records import parts
from adavit.runtime.world import World
from adavit.training.curves import draw_curves
from adavit.training.film import draw_film
from adavit.training.progress import Progress
from adavit.training.samples import SampleSheet
from adavit.training.snapshots import Snapshots, UnwrittenSnapshots
from adavit.training.start.workload import Workload
from adavit.training.tensorboard import EventLog
from adavit.training.time_plan import CURVES_SHARE


class RunOutput:
    """What the training loop leaves its results with; this one, of processes beside the one that writes, drops them.

    Args:
        snapshots: Checkpoints and generators.
    """

    def __init__(self, snapshots: Snapshots) -> None:
        self.snapshots = snapshots

    def begin(self) -> None:
        """Before the first step."""

    def report(self, record: Mapping[str, Any], images: int) -> None:
        """A line of `stats.jsonl`."""

    def evaluation(
        self, record: dict[str, Any], names: Sequence[Sequence[str]], images: int
    ) -> None:
        """A line of `metrics.jsonl`; `names` are the metrics in each of its parts."""

    def sample(
        self, generator: Generator, images: int, *, every_kimg: float, previous: int
    ) -> None:
        """A sample grid, as `SampleSheet.draw`."""

    def forget_after(self, images: int) -> None:
        """What event files hold beyond so many images, which a run that goes on sees again."""

    def saved(self, images: int) -> None:
        """After each checkpoint: the curves, of a run that has trained, if it is not too soon to draw them again."""

    def end(self, *, is_over: bool) -> None:
        """The curves, if they are behind, and the film of a run that is over, not only stopped."""


class WrittenOutput(RunOutput):
    """Files in the run directory: logs, event files, sample grids, checkpoints and generators, and the film.

    Args:
        snapshots: Written there too.
        workload: Settings and data.
        directory: Where they go.
    """

    def __init__(self, snapshots: Snapshots, workload: Workload, directory: RunDirectory) -> None:
        super().__init__(snapshots)
        self._directory = directory
        self._samples = SampleSheet(workload, directory)
        self._events = EventLog(directory.tensorboard)
        self._augment = workload.config.augment
        self._curves_are_behind = False
        self._curves_due_at = 0.0

    def begin(self) -> None:
        """Draws the real images."""
        self._samples.draw_reals()

    def report(self, record: Mapping[str, Any], images: int) -> None:
        """See `RunOutput`."""
        self._directory.append(self._directory.stats, record)
        self._events.write(record, images)

    def evaluation(
        self, record: dict[str, Any], names: Sequence[Sequence[str]], images: int
    ) -> None:
        """See `RunOutput`."""
        self._directory.append(self._directory.metrics, record)
        for part, of_part in zip(parts(record), names, strict=True):
            self._events.write({name: part[name] for name in of_part}, images)

    def sample(
        self, generator: Generator, images: int, *, every_kimg: float, previous: int
    ) -> None:
        """See `RunOutput`."""
        self._samples.draw(generator, images, every_kimg=every_kimg, previous=previous)

    def forget_after(self, images: int) -> None:
        """See `RunOutput`."""
        self._events.purge_after(images)

    def saved(self, images: int) -> None:
        """See `RunOutput`."""
        self._curves_are_behind = images > 0  # before, a second for a picture of one point
        if time.perf_counter() >= self._curves_due_at:
            self._draw_curves()

    def end(self, *, is_over: bool) -> None:
        """See `RunOutput`."""
        self._draw_curves()
        if is_over:
            draw_film(self._directory)

    def _draw_curves(self) -> None:
        if self._curves_are_behind:
            started = time.perf_counter()
            draw_curves(self._directory, self._augment)
            now = time.perf_counter()
            self._curves_are_behind, self._curves_due_at = (
                False,
                now + (now - started) / CURVES_SHARE,
            )


def output_of(
    world: World,
    workload: Workload,
    directory: RunDirectory,
    average: Generator,
    progress: Progress,
) -> RunOutput:
    """That of a process: rank 0 writes.

    Args:
        world: The processes.
        workload: Settings and data.
        directory: Where files go.
        average: The generator that is sampled and measured.
        progress: How far the run has come; read whenever something is written.
    """
    kind = UnwrittenSnapshots if world.rank else Snapshots
    snapshots = kind(workload, directory, average, progress)
    return RunOutput(snapshots) if world.rank else WrittenOutput(snapshots, workload, directory)
