"""Figures as text: one number of decimals for a whole column, so that its numbers line up."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from adavit.evaluation.compare import protocol_letters
from adavit.report.table import Column, Difference, Figure, Table

MINUS = "\N{MINUS SIGN}"


class Wording:
    """How the figures of one table are written.

    Args:
        table: The table.
    """

    def __init__(self, table: Table) -> None:
        self._decimals = {c.key: _decimals(list(_means(table, c.key))) for c in table.columns}
        self.letters = _letters(table.columns)
        """A, B, ... for the protocols of one metric, by key; empty where it has but one."""
        self.protocols = _protocols(table.columns)
        """The distinct protocols, but for the settings of single metrics, with their columns."""

    def title(self, column: Column) -> str:
        """The heading, e.g. "fid best"; with a letter where a metric has several protocols."""
        letter = self.letter(column)
        return " ".join(
            word for word in (column.name, column.statistic, letter and f"[{letter}]") if word
        )

    def letter(self, column: Column) -> str:
        """The letter that tells the column's protocol from others of its metric; empty where it has but one."""
        return self.letters[column.key]

    def figure(self, figure: Figure, column: Column) -> str:
        """Mean and spread, e.g. "12.31 ± 0.42"."""
        mean = self.number(figure.mean, column)
        return mean if figure.sd is None else f"{mean} ± {self.number(figure.sd, column)}"

    def difference(self, difference: Difference, column: Column) -> str:
        """The difference with its interval, e.g. "−3.1 [−4.0, −2.2]"."""
        mean = self.number(difference.mean, column, signed=True)
        if difference.low is None or difference.high is None:
            return mean
        low = self.number(difference.low, column, signed=True)
        return f"{mean} [{low}, {self.number(difference.high, column, signed=True)}]"

    def number(self, value: float, column: Column, *, signed: bool = False) -> str:
        """One number with the decimals of its column."""
        digits = f"{value:{'+' if signed else ''}.{self._decimals[column.key]}f}"
        return digits.replace("-", MINUS)


def _means(table: Table, key: str) -> Iterator[float]:
    return (abs(row.figures[key].mean) for row in table.rows if key in row.figures)


def _decimals(values: Sequence[float]) -> int:
    """Enough for three or four digits of the median."""
    positive = sorted(value for value in values if value > 0)
    if not positive:
        return 2
    magnitude = math.floor(math.log10(positive[len(positive) // 2]))
    return max(0, 3 - magnitude) if magnitude >= 0 else min(6, 2 - magnitude)


def _letters(columns: Sequence[Column]) -> dict[str, str]:
    protocols: dict[str, list[dict[str, Any] | None]] = {}
    for column in columns:
        of_metric = protocols.setdefault(column.name, [])
        if column.protocol not in of_metric:
            of_metric.append(column.protocol)
    return {
        column.key: protocol_letters(len(protocols[column.name]))[
            protocols[column.name].index(column.protocol)
        ]
        for column in columns
    }


def _protocols(columns: Sequence[Column]) -> list[tuple[dict[str, Any], list[Column]]]:
    found: list[tuple[dict[str, Any], list[Column]]] = []
    for column in columns:
        shared = {k: v for k, v in (column.protocol or {}).items() if k != "setting"}
        if not shared:
            continue
        alike = next((members for fields, members in found if fields == shared), None)
        if alike is None:
            found.append((shared, [column]))
        else:
            alike.append(column)
    return found
