"""What was run, in plain words: the head of the page."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from adavit.report.run import Run
from adavit.report.seed_groups import SeedGroup
from adavit.report.statistics import VERDICT_PAIRS
from adavit.report.table import Column, Figure, Row, Table
from adavit.report.table_parts import TablePart, table_parts
from adavit.report.wording import Wording
from adavit.runs.reading import mapping, number, resolution_of
from adavit.runs.shared_names import without_folders

UNFINISHED = ("running", "stopped", "failed", "lost")
"""States of a run that may still go on."""

MOST_SENTENCES = 3
"""So many parts of a table have a sentence at the head of the page."""

MOST_TOLD = 8
"""So many different values are told of, such as seeds."""


def report_title(groups: Sequence[SeedGroup], failed: Sequence[Run]) -> str:
    """The grid's name where all runs are of it, else the run's name or the number of runs."""
    runs = [run for group in groups for run in group.runs] + list(failed)
    grids = sorted({run.cell.grid for run in runs if run.cell})
    if grids and all(run.cell for run in runs):
        return ", ".join(grids)
    if len(runs) == 1:
        return runs[0].name
    return f"{len(runs)} runs" if runs else "Merged results"


def report_summary(groups: Sequence[SeedGroup], failed: Sequence[Run]) -> list[tuple[str, str]]:
    """Terms and their values; what is not known is left out."""
    runs = [run for group in groups for run in group.runs]
    statuses = Counter(run.status for run in [*runs, *failed])
    packages = [mapping(run.environment.get("packages")) for run in runs]
    terms = {
        "Runs": ", ".join(f"{count} {status}" for status, count in sorted(statuses.items())),
        "Data": _each(runs, _data),
        "Fingerprint": _each(runs, lambda run: str(run.data.get("fingerprint", ""))[:16]),
        "Budget": _each(runs, _budget),
        "Discriminator": _each(runs, lambda run: str(run.settings.get("discriminator.kind", ""))),
        "Seeds": _each(runs, lambda run: str(run.seed)),
        "Device": _each(runs, _device),
        "Versions": _distinct(
            f"adavit {names.get('adavit', '?')}, torch {names.get('torch', '?')}"
            for names in packages
            if names
        ),
    }
    return [(term, value) for term, value in terms.items() if value]


def headline(table: Table) -> str:
    """The best row of each part of the table by its first metric, a sentence each; may be empty.

    Of runs on different images none is singled out where no two sets share a metric under one protocol: their figures
    do not compare.
    """
    parts, wording = table_parts(table), Wording(table)
    images = [{row.images for row in part.rows if row.data} for part in parts]
    sets = set().union(*images)
    if len(sets) > 1 and all(len(each) <= 1 for each in images):
        return f"The runs are on {len(sets)} sets of images, whose figures do not compare."
    told = [(part, _best_of(part, wording)) for part in parts]
    told = [(part, sentence) for part, sentence in told if sentence]
    sentences = [
        f"{part.title}: {sentence}" if part.title else sentence
        for part, sentence in told[:MOST_SENTENCES]
    ]
    if len(told) > MOST_SENTENCES:
        sentences.append(f"{len(told) - MOST_SENTENCES} more tables are below.")
    unfinished = any(word in row.state for row in table.rows for word in UNFINISHED)
    if sentences and (unfinished or table.failures):
        sentences.append("Not all runs are finished, so this may change.")
    return " ".join(sentences)


def _best_of(part: TablePart, wording: Wording) -> str:
    column = _deciding(part)
    if column is None:
        return ""
    measured = [row for row in part.rows if column.key in row.figures]
    sign = -1 if column.better == "higher" else 1
    best = min(measured, key=lambda row: sign * row.figures[column.key].mean)
    direction = "Highest" if column.better == "higher" else "Lowest"
    figure = best.figures[column.key]
    flattered = " (flattered by its pretrained features)" if column.name in best.flattered else ""
    shown = f"{wording.figure(figure, column)}{flattered}{_over_seeds(best, figure)}{_state(best)}"
    if len(measured) == 1:
        sentence = f"{column.name} of {best.label}: {shown}"
    else:
        alike = (
            "" if len(measured) == len(part.rows) else f" of {len(measured)} rows measured alike"
        )
        sentence = f"{direction} {column.name}{alike}: {best.label} with {shown}"
    return sentence + _against_baseline(best, measured, column, wording) + "."


def _deciding(part: TablePart) -> Column | None:
    """The first metric; where pretrained features flatter some figures, the first that most rows have unflattered."""

    def worth(column: Column) -> tuple[bool, int]:
        rows = [row for row in part.rows if column.key in row.figures]
        return not any(column.name in row.flattered for row in rows), len(rows)

    metrics = [column for column in part.columns if column.better]
    if not any(row.flattered for row in part.rows):
        return next(iter(metrics), None)
    return max(metrics, key=worth, default=None)


def _against_baseline(best: Row, measured: Sequence[Row], column: Column, wording: Wording) -> str:
    if best.baseline and any(_is_baseline_of(best, row) for row in measured):
        return ", which is the baseline: nothing improved on it"
    change = best.figures[column.key].difference
    baseline = next((row for row in measured if _is_baseline_of(row, best)), None)
    if change is None or baseline is None:
        return ""
    before = wording.figure(baseline.figures[column.key], column)
    words = f"; the baseline, {baseline.label}, has {before}{_state(baseline)}"
    if change.low is None or change.high is None:
        return f"{words}. One seed in common: how sure the difference is cannot be said"
    shown = wording.difference(change, column)
    if change.pairs < VERDICT_PAIRS:
        return f"{words}. The difference is {shown}, from {change.pairs} seeds only"
    sure = "excludes" if change.excludes_zero else "includes"
    return f"{words}. The difference is {shown}, an interval that {sure} zero"


def _is_baseline_of(baseline: Row, row: Row) -> bool:
    named = (row.compared_with, row.grid, row.origin)
    return named == (baseline.label, baseline.grid, baseline.origin)


def _state(row: Row) -> str:
    """What of a row has not come to its end."""
    return f" ({row.state})" if row.state else ""


def _over_seeds(row: Row, figure: Figure) -> str:
    if row.seeds == 1:
        return ""
    count = len(figure.by_seed)
    return (
        f" over {row.seeds} seeds" if count == row.seeds else f" over {count} of {row.seeds} seeds"
    )


def _data(run: Run) -> str:
    data = run.data
    if not data.get("name"):
        return ""
    words = str(without_folders(data["name"]))
    resolution = resolution_of(data.get("resolution"))
    trained, heldout = (number(data.get(key)) for key in ("training_images", "heldout_images"))
    if resolution is not None:
        words += f" at {resolution.plain} px"
    if trained is not None:
        words += f", trained on {trained:,.0f} images"
    if heldout is not None:
        words += f", {heldout:,.0f} held out" if heldout else ", none held out"
    return words


def _budget(run: Run) -> str:
    kimg = number(run.settings.get("training.total_kimg"))
    return f"{kimg:g} kimg ({1000 * kimg:,.0f} real images seen)" if kimg is not None else ""


def _device(run: Run) -> str:
    environment = run.environment
    if environment.get("accelerator"):
        return str(environment["accelerator"])
    words = [str(environment.get(key, "")) for key in ("device", "processor")]
    return " ".join(dict.fromkeys(word for word in words if word))


def _each(runs: Sequence[Run], describe: Callable[[Run], Any]) -> str:
    return _distinct(describe(run) for run in runs)


def _distinct(values: Iterable[str]) -> str:
    """The different values, the first of many."""
    found = list(dict.fromkeys(value for value in values if value))
    rest = f"; and {len(found) - MOST_TOLD} more" if len(found) > MOST_TOLD else ""
    joint = ", " if all(len(value) < 12 for value in found) else "; "
    return joint.join(found[:MOST_TOLD]) + rest
