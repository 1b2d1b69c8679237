"""What a grid would do: its cells, what each of them sets, and the time to expect."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adavit.config.run import RunConfig
from adavit.experiments.cell import Cell
from adavit.experiments.cell_directory import CellDirectory
from adavit.experiments.grid_file import Grid
from adavit.runtime.console import SilentConsole
from adavit.training.plan import seconds_per_step
from adavit.training.start.workload import load_workload, total_images


def describe_cells(grid: Grid, cells: Sequence[Cell], folder: Path, *, workers: int) -> str:
    """One line per cell, and the time of all.

    Args:
        grid: The grid.
        cells: Its cells.
        folder: Where they would lie; what is there already counts.
        workers: Between how many the cells are divided.
    """
    seconds = seconds_left(cells, folder)
    rows = []
    for cell, left in zip(cells, seconds, strict=True):
        sets = ", ".join(f"{key} {_shown(value)}" for key, value in cell.varied.items())
        time_left = in_words(left) if left else "finished"
        rows.append((cell.digest, cell.title, time_left, sets + "  (baseline)" * cell.baseline))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["  ".join([*map(str.ljust, row[:3], widths), row[3]]) for row in rows]
    time = total_time(sum(seconds), cells=len(cells), workers=workers)
    heading = [f"{grid.name}: {grid.description}"] if grid.description else []
    return "\n".join([*heading, *lines, f"{len(cells)} cells in {folder}, {time}"])


def total_time(seconds: float, *, cells: int, workers: int) -> str:
    """The time of all cells, in words, divided between the workers."""
    shared = f" with {workers} workers, if each is as fast as one alone" if workers > 1 else ""
    return (
        f"{in_words(seconds / min(workers, cells))}{shared}; measured now, and the evaluations"
        " besides."
    )


def seconds_left(cells: Sequence[Cell], folder: Path) -> list[float]:
    """Time of the training steps that each cell still needs, measured on a few steps of each kind."""
    per_step: dict[str, float] = {}
    times = []
    for cell in cells:
        config = cell.config()
        kind = repr(_what_takes_time(config))
        if kind not in per_step:
            per_step[kind] = seconds_per_step(load_workload(config, SilentConsole()))
        done = CellDirectory(folder, cell).checkpoint_images() or 0
        times.append(
            max(0, total_images(config.training) - done) / config.training.batch * per_step[kind]
        )
    return times


def in_words(seconds: float) -> str:
    """A time in minutes or hours."""
    return f"{seconds / 3600:.1f} hours" if seconds >= 7200 else f"{seconds / 60:.1f} minutes"


def _what_takes_time(config: RunConfig) -> dict[str, Any]:
    sections = config.as_dict()
    kept = {key: sections[key] for key in ("generator", "discriminator", "training", "augment")}
    return {**kept, "resolution": config.data.resolution}


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
