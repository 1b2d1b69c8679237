"""The table as Markdown, as CSV, and in words and sort keys for the page."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from adavit.evaluation.compare import NOT_RANKED, field_words, value_words
from adavit.evaluation.comparison_text import FLATTERED_WORD
from adavit.evaluation.protocol import FLATTERED
from adavit.metrics.kinship import MARK, legend
from adavit.report.statistics import FEW_PAIRS, VERDICT_PAIRS
from adavit.report.table import Column, Figure, Row, Table, is_flattered
from adavit.report.table_parts import TablePart, table_parts
from adavit.report.wording import Wording
from adavit.runtime.cells import csv_cell, markdown_cell


def to_markdown(table: Table, title: str) -> str:
    """A page of Markdown: the table, how it was measured, what failed.

    Args:
        table: The table.
        title: Its heading.
    """
    wording = Wording(table)
    lines = [f"# {markdown_cell(title)}", ""]
    for part in table_parts(table):
        lines += [f"## {markdown_cell(part.title)}", ""] if part.title else []
        lines += [*_part_lines(part, wording), ""]
    lines += _notes(table, wording)
    return "\n".join(lines) + "\n"


def _part_lines(part: TablePart, wording: Wording) -> list[str]:
    origins = any(row.origin for row in part.rows)
    several_grids = len({row.grid for row in part.rows}) > 1
    heads = ["", *(["grid"] if several_grids else []), "seeds"]
    heads += [markdown_cell(wording.title(column)) for column in part.columns]
    heads += ["from"] if origins else []
    lines = [_line(heads)]
    left = 2 if several_grids else 1
    aligned = [":--"] * left + ["--:"] * (1 + len(part.columns)) + [":--"] * origins
    lines.append(f"|{'|'.join(aligned)}|")
    for row in part.rows:
        cells = [
            f"**{markdown_cell(row.label)}** (baseline)"
            if row.baseline
            else markdown_cell(row.label)
        ]
        cells[0] += f" ({MARK})" if row.seen else ""
        cells[0] += f" ({markdown_cell(row.state)})" if row.state else ""
        cells += [markdown_cell(row.grid)] if several_grids else []
        cells.append(str(row.seeds))
        for column in part.columns:
            figure = row.figures.get(column.key)
            text = "" if figure is None else wording.figure(figure, column)
            text += "" if figure is None else wording.mark(row, column)
            if figure is not None and figure.difference is not None:
                text += f"<br>{wording.difference(figure.difference, column)}"
            cells.append(text)
        cells += [markdown_cell(row.origin or "these runs")] if origins else []
        lines.append(_line(cells))
    return lines


def to_csv(table: Table) -> str:
    """One line per row and column with all that is known of it: for spreadsheets and scripts."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    fields = "grid label baseline origin metric statistic protocol mean sd seeds".split()
    fields += "compared_with difference low high pairs values discriminator_saw flattered".split()
    writer.writerow(fields)
    for row in table.rows:
        for column in table.columns:
            figure = row.figures.get(column.key)
            if figure is None:
                continue
            change = figure.difference
            _, _, digest = column.key.partition("@")
            known = [row.grid, row.label, row.baseline, row.origin, column.name, column.statistic]
            known += [digest, figure.mean, figure.sd, len(figure.by_seed)]
            if change is not None:
                known += [row.compared_with, change.mean, change.low, change.high, change.pairs]
            else:
                known += [None] * 5
            known += [json.dumps(figure.by_seed), ", ".join(row.seen)]
            known.append(column.name in row.flattered)
            writer.writerow([csv_cell(value) for value in known])
    return buffer.getvalue()


def explanation(table: Table) -> str:
    """What the numbers in a cell are, in one paragraph."""
    figures = [(row, figure) for row in table.rows for figure in row.figures.values()]
    most = max((len(figure.by_seed) for _, figure in figures), default=1)
    parts = [
        (
            "Mean ± standard deviation over seeds."
            if most > 1
            else "One seed per figure: there is no spread over seeds, and no interval."
        )
    ]
    if any(len(figure.by_seed) < row.seeds for row, figure in figures):
        parts.append("Where not all seeds of a row have a figure, it says of how many it is.")
    pairs = [figure.difference.pairs for _, figure in figures if figure.difference]
    if pairs:
        parts.append("Second line: difference from the baseline over the seeds that both have")
        parts[-1] += ", with a paired 95% bootstrap interval." if max(pairs) > 1 else "."
    if pairs and min(pairs) == 1 < max(pairs):
        parts.append("A single pair has no interval.")
    if any(1 < count < FEW_PAIRS for count in pairs):
        parts.append(
            "With fewer than five pairs that interval is narrower than it should be, and with two"
            " it is merely their range."
        )
    return " ".join(parts)


def meanings_of_marks(table: Table) -> list[str]:
    """What marks at rows and columns mean, a paragraph each; none where nothing is marked."""
    seen = [network for row in table.rows for network in row.seen]
    found = [legend(seen)] if seen else []
    found += [NOT_RANKED] if any(is_flattered(column) for column in table.columns) else []
    return [text[0].upper() + text[1:] for text in found]


def _notes(table: Table, wording: Wording) -> list[str]:
    lines = [explanation(table), ""]
    for paragraph in meanings_of_marks(table):
        lines += [markdown_cell(paragraph), ""]
    for fields, columns in wording.protocols:
        measured = ", ".join(wording.title(column) for column in columns)
        known = [f"{key} {value}" for key, value in _known_fields(fields, columns, wording).items()]
        lines += [f"Protocol of {markdown_cell(measured)}: {markdown_cell(', '.join(known))}.", ""]
    if table.failures:
        lines += ["## Failed", ""]
        lines += [
            f"- {markdown_cell(f.label)}, seed {f.seed} ({markdown_cell(f.run)}): {markdown_cell(f.reason)}"
            for f in table.failures
        ]
    return lines


def _known_fields(
    fields: dict[str, Any], columns: Sequence[Column], wording: Wording
) -> dict[str, Any]:
    """A protocol for people: what all its columns have, and what each metric of them was set to."""
    known = {
        field_words(key): value_words(value) if key == FLATTERED else value
        for key, value in fields.items()
        if value is not None
    }
    settings = {
        (column.name, column.protocol["setting"])
        for column in columns
        if column.protocol and column.protocol.get("setting") is not None
    }
    for column in columns:
        setting = (column.protocol or {}).get("setting")
        if setting is not None:
            several = sum(name == column.name for name, _ in settings) > 1
            known[f"setting of {wording.title(column) if several else column.name}"] = setting
    return known


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def table_view(table: Table) -> dict[str, Any]:
    """Blocks of columns and rows, and protocols, with every number as text."""
    wording = Wording(table)
    return {
        "parts": [_part_view(part, wording) for part in table_parts(table)],
        "protocols": [
            {
                "titles": [wording.title(column) for column in columns],
                "fields": _known_fields(fields, columns, wording),
            }
            for fields, columns in wording.protocols
        ],
    }


def _part_view(part: TablePart, wording: Wording) -> dict[str, Any]:
    return {
        "title": part.title,
        "columns": [
            {
                "name": column.name,
                "statistic": column.statistic,
                "letter": wording.letter(column),
                "flattered": FLATTERED_WORD if is_flattered(column) else "",
                "meaning": column.meaning,
            }
            for column in part.columns
        ],
        "rows": [
            {
                "row": row,
                "mark": MARK if row.seen else "",
                "cells": [
                    {
                        **_cell(row.figures.get(c.key), c, wording),
                        "mark": wording.mark(row, c) if c.key in row.figures else "",
                    }
                    for c in part.columns
                ],
            }
            for row in part.rows
        ],
        "grids": len({row.grid for row in part.rows}) > 1,
        "origins": any(row.origin for row in part.rows),
    }


def ranking_data(table: Table) -> list[dict[str, Any]]:
    """For each metric the rows with their figures by seed, for the figure at the top; a single figure ranks nothing."""
    wording = Wording(table)
    ranked: list[dict[str, Any]] = []
    for column in table.columns:
        rows = [row for row in table.rows if column.key in row.figures]
        if not column.better or sum(len(row.figures[column.key].by_seed) for row in rows) < 2:
            continue
        shown = [
            {
                # In front, where a narrow figure does not cut it off.
                "label": _mark_in_front(row, column) + _full_label(row, table),
                "baseline": row.baseline,
                "mean": row.figures[column.key].mean,
                "values": list(row.figures[column.key].by_seed.values()),
            }
            for row in rows
        ]
        ranked.append({"title": wording.title(column), "better": column.better, "rows": shown})
    return ranked


def _mark_in_front(row: Row, column: Column) -> str:
    if column.name in row.flattered:
        return f"{FLATTERED_WORD} · "
    return f"{MARK} · " if row.seen else ""


def _full_label(row: Row, table: Table) -> str:
    """The label, with grid or origin where it would not be its own."""
    if sum(other.label == row.label for other in table.rows) == 1:
        return row.label
    return " · ".join(part for part in (row.label, row.grid, row.origin) if part)


def _cell(figure: Figure | None, column: Column, wording: Wording) -> dict[str, str]:
    if figure is None:
        return dict.fromkeys(("text", "spread", "sort", "difference", "verdict", "seeds"), "")
    change, verdict, difference = figure.difference, "", ""
    if change is not None:
        difference = wording.difference(change, column)
        if change.pairs >= VERDICT_PAIRS and change.excludes_zero:
            verdict = "better" if (change.mean < 0) == (column.better == "lower") else "worse"
    by_seed = ", ".join(
        f"seed {seed}: {wording.number(value, column)}" for seed, value in figure.by_seed.items()
    )
    return {
        "text": wording.number(figure.mean, column),
        "spread": "" if figure.sd is None else wording.number(figure.sd, column),
        "sort": repr(figure.mean),
        "difference": difference,
        "verdict": verdict,
        "seeds": by_seed if len(figure.by_seed) > 1 else "",
    }
