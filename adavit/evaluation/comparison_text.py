"""A comparison as Markdown, CSV and JSON."""

import csv
import io
import json
from dataclasses import asdict

from adavit.evaluation.compare import ComparedColumn, Comparison


def cell(column: ComparedColumn, row: int) -> str:
    """A figure with four digits, and its mark where a column has several protocols."""
    value, mark = column.values[row], column.marks[row]
    if value is None:
        return ""
    return f"{value:.4g}" if mark is None else f"{value:.4g} [{mark}]"


def heading(column: ComparedColumn) -> str:
    """Name, which way is better, and protocol."""
    return f"{column.name} {'↑' if column.higher_is_better else '↓'} ({column.protocol})"


def as_markdown(comparison: Comparison) -> str:
    """A Markdown table, with the notes below it."""
    rows = [["", *(heading(column) for column in comparison.columns)]]
    rows += [
        [source, *(cell(column, row) for column in comparison.columns)]
        for row, source in enumerate(comparison.sources)
    ]
    lines = ["| " + " | ".join(text.replace("|", "\\|") for text in row) + " |" for row in rows]
    lines.insert(1, "|---|" + "---:|" * len(comparison.columns))
    if comparison.notes:
        lines += ["", *(f"- {note}" for note in comparison.notes)]
    return "\n".join(lines) + "\n"


def as_csv(comparison: Comparison) -> str:
    """One line per source, figure and protocol, with all digits."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["source", "metric", "protocol", "value", "mark"])
    for column in comparison.columns:
        for row, source in enumerate(comparison.sources):
            value, mark = column.values[row], column.marks[row]
            if value is not None:
                writer.writerow([source, column.name, column.protocol, repr(value), mark or ""])
    return buffer.getvalue()


def as_json(comparison: Comparison) -> str:
    """The comparison as it is."""
    return json.dumps(asdict(comparison), indent=2) + "\n"
