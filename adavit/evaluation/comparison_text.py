"""The table of `compare` in words: its headings and rows, and as Markdown, CSV and JSON."""

import csv
import io
import json
from dataclasses import asdict

from adavit.evaluation.compare import ComparedColumn, Comparison
from adavit.runtime.cells import csv_cell, markdown_cell

FLATTERED_WORD = "flattered"
"""Beside a figure, or above a column of them."""


def cell(column: ComparedColumn, row: int) -> str:
    """A figure with four digits; empty where there is none. Among others, one that is flattered says so."""
    value = column.values[row]
    if value is None:
        return ""
    marked = column.flattered[row] and not _is_flattered(column)
    return f"{value:.4g}{f' ({FLATTERED_WORD})' if marked else ''}"


def row_name(comparison: Comparison, row: int) -> str:
    """The source, and what is said of its discriminator, e.g. "runs/a (pretrained features)"."""
    mark = comparison.marks[row]
    return comparison.sources[row] + (f" ({mark})" if mark else "")


def _is_flattered(column: ComparedColumn) -> bool:
    """Whether all figures of a column are."""
    both = zip(column.values, column.flattered, strict=True)
    return all(flattered for value, flattered in both if value is not None)


def title(column: ComparedColumn) -> str:
    """Name, which way is better, the letter of the protocol, and a mark, e.g. "fid ↓ [A] flattered"."""
    arrow = "↑" if column.higher_is_better else "↓"
    letter = f" [{column.letter}]" if column.letter else ""
    return f"{column.name} {arrow}{letter}{f' {FLATTERED_WORD}' if _is_flattered(column) else ''}"


def heading(column: ComparedColumn) -> str:
    """Title and protocol."""
    return f"{title(column)} ({column.protocol})"


def as_markdown(comparison: Comparison) -> str:
    """A Markdown table, with the notes below it."""
    rows = [["", *(markdown_cell(heading(column)) for column in comparison.columns)]]
    rows += [
        [
            markdown_cell(row_name(comparison, row)),
            *(cell(column, row) for column in comparison.columns),
        ]
        for row in range(len(comparison.sources))
    ]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|---|" + "---:|" * len(comparison.columns))
    if comparison.notes:
        lines += ["", *(f"- {markdown_cell(note)}" for note in comparison.notes)]
    return "\n".join(lines) + "\n"


def as_csv(comparison: Comparison) -> str:
    """One line per source, figure and protocol, with all digits."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(
        ["source", "metric", "letter", "protocol", "value", "discriminator", "flattered"]
    )
    for column in comparison.columns:
        for row, source in enumerate(comparison.sources):
            value = column.values[row]
            if value is not None:
                words = map(csv_cell, (source, column.name, column.letter, column.protocol))
                said = csv_cell(comparison.marks[row]), str(column.flattered[row]).lower()
                writer.writerow([*words, repr(value), *said])
    return buffer.getvalue()


def as_json(comparison: Comparison) -> str:
    """The whole comparison as JSON."""
    return json.dumps(asdict(comparison), indent=2) + "\n"
