"""The table as the page shows it: words and sort keys, ready for the template."""

from typing import Any

from adavit.report.statistics import VERDICT_PAIRS
from adavit.report.table import Column, Figure, Row, Table
from adavit.report.wording import Wording


def table_view(table: Table) -> dict[str, Any]:
    """Columns, rows and protocols with every number as text."""
    wording = Wording(table)
    return {
        "columns": [
            {
                "name": column.name,
                "statistic": column.statistic,
                "letter": wording.letter(column),
                "meaning": column.meaning,
            }
            for column in table.columns
        ],
        "rows": [
            {
                "row": row,
                "cells": [_cell(row.figures.get(c.key), c, wording) for c in table.columns],
            }
            for row in table.rows
        ],
        "grids": len({row.grid for row in table.rows}) > 1,
        "origins": any(row.origin for row in table.rows),
        "protocols": [
            {
                "titles": [wording.title(column) for column in columns],
                "fields": (
                    {key: value for key, value in fields.items() if value is not None}
                    | {
                        f"setting of {c.name}": c.protocol["setting"]
                        for c in columns
                        if c.protocol and c.protocol.get("setting") is not None
                    }
                ),
            }
            for fields, columns in wording.protocols
        ],
    }


def ranking_data(table: Table) -> list[dict[str, Any]]:
    """For each metric the rows with their figures by seed, for the figure at the top."""
    wording = Wording(table)
    return [
        {
            "title": wording.title(column),
            "better": column.better,
            "rows": [
                {
                    "label": _full_label(row, table),
                    "baseline": row.baseline,
                    "mean": row.figures[column.key].mean,
                    "values": list(row.figures[column.key].by_seed.values()),
                }
                for row in table.rows
                if column.key in row.figures
            ],
        }
        for column in table.columns
        if column.better
    ]


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
