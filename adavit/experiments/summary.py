"""The table at the end of an experiment: a line per cell, from what lies in the run directories."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adavit.experiments.cell import Cell
from adavit.experiments.cell_directory import CellDirectory
from adavit.experiments.queue import Outcome
from adavit.runs.records import best_record, read_records, recorded_metric

COLUMNS = ("cell", "metric", "best", "last", "r_t", "p", "gap", "images/s", "state")


def summary_rows(
    folder: Path, cells: Sequence[Cell], outcomes: Mapping[str, Outcome]
) -> list[dict[str, Any]]:
    """Figures of each cell.

    Args:
        folder: Of the experiment.
        cells: Of the experiment.
        outcomes: By digest; what is missing is not done yet.

    Returns:
        Per cell a value for each of `COLUMNS`, or None. `r_t`, `p`, and `gap` (mean logit of training
        images minus that of held-out ones) are those of the last report.
    """
    rows = []
    for cell in cells:
        directory = CellDirectory(folder, cell)
        names = cell.settings["metrics"]["names"]
        records = read_records(directory.run.metrics)
        recorded = recorded_metric(records, names[0]) if names else None
        best = best_record(records, recorded)
        figures = [figure for _, figure in directory.figures(recorded)]
        stats = read_records(directory.run.stats)
        last = stats[-1] if stats else {}
        train, heldout = last.get("logits_train"), last.get("logits_heldout")
        outcome = outcomes.get(cell.digest)
        elsewhere = outcome is not None and outcome.state != "failed" and not directory.begun()
        rows.append(
            {
                "cell": cell.title + (" (baseline)" if cell.baseline else ""),
                "metric": recorded,
                "best": None if best is None else best[recorded or ""],
                "last": figures[-1] if figures else None,
                "r_t": last.get("r_t"),
                "p": last.get("p"),
                "gap": None if train is None or heldout is None else train - heldout,
                "images/s": last.get("images_per_s"),
                "state": (
                    (outcome.state if outcome else "open") + (" elsewhere" if elsewhere else "")
                ),
            }
        )
    return rows


def summary_table(folder: Path, cells: Sequence[Cell], outcomes: Mapping[str, Outcome]) -> str:
    """The rows as text, figures to the right."""
    formats = {
        "best": ".4g",
        "last": ".4g",
        "r_t": "+.2f",
        "p": ".3f",
        "gap": "+.2f",
        "images/s": ".0f",
    }
    lines = [list(COLUMNS)]
    for row in summary_rows(folder, cells, outcomes):
        lines.append(
            ["-" if row[key] is None else format(row[key], formats.get(key, "")) for key in COLUMNS]
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(
            text.rjust(width) if name in formats else text.ljust(width)
            for name, text, width in zip(COLUMNS, line, widths, strict=True)
        ).rstrip()
        for line in lines
    )
