"""What an experiment shows: before, its cells and the time to expect; after, a line of figures per cell."""

import heapq
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adavit.config.training import LOSSES_WITHOUT_THRESHOLD, TrainingConfig
from adavit.experiments.cell import Cell
from adavit.experiments.cell_directory import CellDirectory
from adavit.experiments.grid_file import Grid
from adavit.experiments.queue import Outcome
from adavit.metrics.kinship import MARK, legend
from adavit.runs.reading import networks_seen
from adavit.runs.records import best_record, figures, read_records, recorded_metric
from adavit.runtime.console import SilentConsole
from adavit.runtime.text_table import aligned
from adavit.runtime.wording import counted, duration
from adavit.training.plan import seconds_per_step
from adavit.training.start.workload import load_workload, total_images

MEASURED_KINDS = 8
"""Of the cells of a grid: a few steps of small networks take a third of a second to build and to time."""

COLUMNS = ("cell", "metric", "best", "last", "r_t", "p", "gap", "images/s", "state")
"""Of the table at the end."""


def describe_cells(
    grid: Grid, cells: Sequence[Cell], folder: Path, *, workers: int, processes: int = 1
) -> str:
    """One line per cell, and the time of all.

    Args:
        grid: The grid.
        cells: Its cells.
        folder: Where they would lie; what is there already counts.
        workers: Between how many the cells are divided.
        processes: That train a cell together.
    """
    seconds = seconds_left(cells, folder, processes)
    rows = []
    for cell, left in zip(cells, seconds, strict=True):
        sets = ", ".join(f"{key} {shown_setting(value)}" for key, value in cell.varied.items())
        time_left = duration(left) if left else "finished"
        rows.append((cell.digest, cell.title, time_left, sets + "  (baseline)" * cell.baseline))
    time = total_time(seconds, workers=workers)
    heading = [f"{grid.name}: {grid.description}"] if grid.description else []
    return "\n".join(
        [*heading, *aligned(rows), f"{counted(len(cells), 'cell', 'cells')} in {folder}, {time}"]
    )


def total_time(seconds: Sequence[float], *, workers: int) -> str:
    """The time until all cells have ended, in words.

    Args:
        seconds: Of each cell, in the order in which they are begun; 0 of one that has ended.
        workers: Each takes the next cell when it is free.
    """
    loads = [0.0] * workers
    for each in seconds:
        heapq.heapreplace(loads, loads[0] + each)
    shared = f" with {workers} workers, if each is as fast as one alone" if workers > 1 else ""
    return (
        f"{duration(max(loads))}{shared}; measured now on a few steps, and the evaluations besides."
    )


def seconds_left(cells: Sequence[Cell], folder: Path, processes: int = 1) -> list[float]:
    """As `seconds_in_all`, of the training steps that each cell still needs."""
    times = []
    for cell, seconds in zip(cells, seconds_in_all(cells, processes), strict=True):
        directory, total = CellDirectory(folder, cell), _total_images(cell)
        done = total if directory.has_ended() else directory.checkpoint_images() or 0
        times.append(seconds * max(0, total - done) / total)
    return times


def seconds_in_all(cells: Sequence[Cell], processes: int = 1) -> list[float]:
    """Time of the training steps of each cell, trained by so many processes.

    It is measured on a few steps of each kind of cell, or of `MEASURED_KINDS` of them; the others are taken
    to need as much for an image as the nearest of those, in the order of the cells.
    """
    kinds = [_what_takes_time(cell) for cell in cells]
    firsts = dict(zip(reversed(kinds), reversed(cells), strict=True))
    distinct = dict.fromkeys(kinds)
    measured = _per_image([firsts[kind] for kind in distinct], processes)
    per_image = dict(zip(distinct, measured, strict=True))
    return [_total_images(cell) * per_image[kind] for cell, kind in zip(cells, kinds, strict=True)]


def _per_image(kinds: Sequence[Cell], processes: int) -> list[float]:
    """Seconds for an image of a training step of each of the kinds of cells."""
    count = min(len(kinds), MEASURED_KINDS)
    # In the middle of equal parts, so that an axis is measured over its whole length.
    chosen = [(2 * part + 1) * len(kinds) // (2 * count) for part in range(count)]
    seconds = []
    for index in chosen:
        config = kinds[index].config()
        workload = load_workload(config, SilentConsole())
        per_step = seconds_per_step(workload, processes=processes)
        seconds.append(per_step / workload.config.training.batch)
    nearest = (
        min(range(count), key=lambda part: abs(chosen[part] - at)) for at in range(len(kinds))
    )
    return [seconds[part] for part in nearest]


def summary_rows(
    folder: Path,
    cells: Sequence[Cell],
    outcomes: Mapping[str, Outcome],
    *,
    metric: str | None = None,
) -> list[dict[str, Any]]:
    """Figures of each cell.

    Args:
        folder: Of the experiment.
        cells: Of the experiment.
        outcomes: By digest; what is missing is not done yet.
        metric: Whose figures are shown; None is the first that each cell has.

    Returns:
        Per cell a value for each of `COLUMNS`, or None; `last` is None too where the run ended with a figure that is
        not finite. `r_t`, `p`, and `gap` (mean logit of training images minus that of held-out ones) are those of the
        last report.
    """
    rows = []
    for cell in cells:
        directory = CellDirectory(folder, cell)
        names = cell.settings["metrics"]["names"]
        records = read_records(directory.run.metrics)
        shown = metric or (names[0] if names else None)
        recorded = None if shown is None else recorded_metric(records, shown)
        best = best_record(records, recorded)
        stats = read_records(directory.run.stats)
        last = stats[-1] if stats else {}
        train, heldout = last.get("logits_train"), last.get("logits_heldout")
        has_threshold = cell.settings["training"]["loss"] not in LOSSES_WITHOUT_THRESHOLD
        outcome = outcomes.get(cell.digest)
        elsewhere = outcome is not None and outcome.state != "failed" and not directory.begun()
        rows.append(
            {
                "cell": cell.title
                + (" (baseline)" if cell.baseline else "")
                + (f" ({MARK})" if networks_seen(cell.settings) else ""),
                "metric": recorded,
                "best": None if best is None else best[recorded or ""],
                "last": figures(records[-1]).get(recorded or "") if records else None,
                "r_t": last.get("r_t") if has_threshold else None,
                "p": last.get("p"),
                "gap": None if train is None or heldout is None else train - heldout,
                "images/s": last.get("images_per_s"),
                "state": (
                    (outcome.state if outcome else "open") + (" elsewhere" if elsewhere else "")
                ),
            }
        )
    return rows


def summary_table(
    folder: Path,
    cells: Sequence[Cell],
    outcomes: Mapping[str, Outcome],
    *,
    metric: str | None = None,
) -> str:
    """The rows as text, figures to the right; below them what their marks mean."""
    formats = {
        "best": ".4g",
        "last": ".4g",
        "r_t": "+.2f",
        "p": ".3f",
        "gap": "+.2f",
        "images/s": ".0f",
    }
    lines = [list(COLUMNS)]
    for row in summary_rows(folder, cells, outcomes, metric=metric):
        lines.append(
            ["-" if row[key] is None else format(row[key], formats.get(key, "")) for key in COLUMNS]
        )
    right = [column for column, name in enumerate(COLUMNS) if name in formats]
    seen = [network for cell in cells for network in networks_seen(cell.settings)]
    return "\n".join([*aligned(lines, right=right), *([legend(seen)] if seen else [])])


def _what_takes_time(cell: Cell) -> str:
    """Equal for cells whose steps take the same time.

    Of a weight, a rate or a probability it matters only whether it is 0, which leaves something out.
    """
    sections = cell.settings
    weighed = {
        section: {
            key: bool(value) if isinstance(value, float) else value
            for key, value in sections[section].items()
            if key != "total_kimg"
        }
        for section in ("training", "augment", "features")
    }
    images = [sections["data"][key] for key in ("resolution", "cond")]
    return repr([sections["generator"], sections["discriminator"], images, weighed])


def _total_images(cell: Cell) -> int:
    return total_images(TrainingConfig.model_construct(**cell.settings["training"]))


def shown_setting(value: Any, digits: int = 6) -> str:
    """A value as `--set` takes it, of numbers at most so many digits."""
    if value is None:
        return "null"
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)
