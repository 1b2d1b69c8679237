"""Figures as text: one number of decimals for a whole column, so that its numbers line up."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from adavit.evaluation.compare import protocol_letters
from adavit.evaluation.comparison_text import FLATTERED_WORD
from adavit.report.table import Column, Difference, Figure, Row, Table, is_flattered

MINUS = "\N{MINUS SIGN}"


class Wording:
    """How the figures of one table are written.

    Args:
        table: The table.
    """

    def __init__(self, table: Table) -> None:
        self._decimals = {c.key: _decimals(list(_means(table, c.key))) for c in table.columns}
        self.letters = _letters(table.columns)
        """A, B, ... by key, one for a protocol in all columns; empty for a metric measured in one way."""
        self.protocols = _protocols(table.columns)
        """The distinct protocols, but for the settings of single metrics, with their columns."""

    def title(self, column: Column) -> str:
        """The heading, e.g. "fid best"; with a letter where a metric has several protocols, and a mark."""
        letter = self.letter(column)
        flattered = FLATTERED_WORD if is_flattered(column) else ""
        words = (column.name, column.statistic, letter and f"[{letter}]", flattered)
        return " ".join(word for word in words if word)

    def letter(self, column: Column) -> str:
        """The letter that tells the column's protocol from others of its metric; empty where it has but one."""
        return self.letters[column.key]

    def mark(self, row: Row, column: Column) -> str:
        """What a figure says of itself among others, e.g. " (1 of 3) (flattered)": of how few seeds."""
        count = len(row.figures[column.key].by_seed)
        alone = is_flattered(column) or column.name not in row.flattered
        of_seeds = "" if count == row.seeds else f" ({count} of {row.seeds})"
        return of_seeds + ("" if alone else f" ({FLATTERED_WORD})")

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
    several = [column for column in columns if len(protocols[column.name]) > 1]
    ways = {column.key: _way(column, protocols[column.name]) for column in several}
    found: list[dict[str, Any]] = []
    for way in ways.values():
        if way not in found:
            found.append(way)
    letters = protocol_letters(len(found))
    named = {key: letters[found.index(way)] for key, way in ways.items()}
    return {column.key: named.get(column.key, "") for column in columns}


def _way(column: Column, of_metric: Sequence[dict[str, Any] | None]) -> dict[str, Any]:
    """What the letter of a column stands for: the metric's own setting only where it was set in several ways."""
    shared = _shared(column.protocol)
    alike = [protocol for protocol in of_metric if _shared(protocol) == shared]
    return shared if len(alike) == 1 else dict(column.protocol or {})


def _shared(protocol: dict[str, Any] | None) -> dict[str, Any]:
    """A protocol without what is set for single metrics."""
    return {key: value for key, value in (protocol or {}).items() if key != "setting"}


def _protocols(columns: Sequence[Column]) -> list[tuple[dict[str, Any], list[Column]]]:
    found: list[tuple[dict[str, Any], list[Column]]] = []
    for column in columns:
        shared = _shared(column.protocol)
        if not shared:
            continue
        alike = next((members for fields, members in found if fields == shared), None)
        if alike is None:
            found.append((shared, [column]))
        else:
            alike.append(column)
    return found
