"""The table in parts: rows of one protocol and the same images stand together, without the columns of others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adavit.report.table import Column, Row, Table


@dataclass(frozen=True)
class TablePart:
    """A part of the table.

    Attributes:
        title: Images and protocol in words; empty where there is one part alone.
        columns: Those that a row of it has a figure for, in the order of the table.
        rows: Its rows, in the order of the table.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


def table_parts(table: Table) -> list[TablePart]:
    """The table divided so that rows which share no metric under one protocol stand apart.

    Rows without a metric go to the first part with the same images.

    Args:
        table: The table.
    """
    parts = _joined(
        [
            _Members(frozenset([place]), _measured(row, table), frozenset([row.images]))
            for place, row in enumerate(table.rows)
        ]
    )
    divided = []
    for part in sorted(parts, key=lambda part: min(part.rows)):
        rows = tuple(table.rows[place] for place in sorted(part.rows))
        keys = {key for row in rows for key in row.figures}
        columns = tuple(column for column in table.columns if column.key in keys)
        divided.append(TablePart(_title(rows, columns) if len(parts) > 1 else "", columns, rows))
    return divided


@dataclass(frozen=True)
class _Members:
    """Rows by their place in the table, metrics with digests of their protocols, and fingerprints of images."""

    rows: frozenset[int]
    measured: frozenset[tuple[str, str]]
    images: frozenset[str]


def _joined(parts: Sequence[_Members]) -> list[_Members]:
    joined: list[_Members] = []
    for part in (part for part in parts if part.measured):
        alike = [other for other in joined if other.measured & part.measured]
        joined = [other for other in joined if other not in alike]
        joined.append(_union([*alike, part]))
    for part in (part for part in parts if not part.measured):
        home = next((other for other in joined if other.images & part.images), None)
        if home is None:
            joined.append(part)
        else:
            joined[joined.index(home)] = _union([home, part])
    return joined


def _union(parts: Sequence[_Members]) -> _Members:
    rows, measured, images = (
        frozenset[Any]().union(*(getattr(part, name) for part in parts))
        for name in ("rows", "measured", "images")
    )
    return _Members(rows, measured, images)


def _measured(row: Row, table: Table) -> frozenset[tuple[str, str]]:
    """Metric and digest of the protocol of each figure of a row."""
    metrics = [column for column in table.columns if column.better and column.key in row.figures]
    return frozenset((column.name, column.key.partition("@")[2]) for column in metrics)


def _title(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    named: dict[str, str] = {}
    for row in rows:
        named.setdefault(row.images, row.data)
    images = [name for name in named.values() if name]
    words = [", ".join(images[:3]) + (", ..." if len(images) > 3 else "")]
    protocols = [_measured_on(column.protocol) for column in columns if column.protocol]
    words += list(dict.fromkeys(protocols))[:3]
    return " · ".join(word for word in words if word) or "without images or figures"


def _measured_on(protocol: Mapping[str, Any]) -> str:
    fakes, real = protocol.get("n_fake"), protocol.get("n_real")
    generated = f"{fakes} generated" if fakes is not None else ""
    return f"{generated} against {real} real images" if real is not None else generated
