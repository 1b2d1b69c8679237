"""`compare`: figures of several runs or records side by side, one column per metric and protocol.

FID of one model moves by half with the number of images alone. So figures of a metric stand in one
column only if everything that they depend on is the same; otherwise the fields that differ are
named. The table is written as Markdown, CSV or JSON.
"""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from adavit.errors import UserError
from adavit.evaluation.protocol import differing_fields
from adavit.metrics.names import HIGHER_IS_BETTER, metric_of
from adavit.runs.directory import RunDirectory
from adavit.runs.records import (
    best_record,
    figures,
    is_record,
    read_evaluations,
    read_record,
    read_records,
    recorded_metric,
)
from adavit.runtime.cells import csv_cell, markdown_cell
from adavit.runtime.paths import takes_paths


@dataclass(frozen=True)
class ComparedFigure:
    """One figure of one source.

    Attributes:
        source: Path that the user named.
        name: As recorded, for example "fd_random".
        value: The figure.
        protocol: What it was measured under.
    """

    source: str
    name: str
    value: float
    protocol: dict[str, Any]

    def differs_from(self, other: "ComparedFigure") -> list[str]:
        """Fields in which the protocols of two figures of one name differ; empty if they compare."""
        return differing_fields(self.protocol, other.protocol, metric_of(self.name) or self.name)


@dataclass(frozen=True)
class ComparedColumn:
    """Figures of one metric.

    Attributes:
        name: As recorded.
        protocol: What they were measured under, in words.
        higher_is_better: Which way is better.
        values: By source; None where there is none.
        marks: By source, a number for each protocol where a column has several; else None.
    """

    name: str
    protocol: str
    higher_is_better: bool
    values: tuple[float | None, ...]
    marks: tuple[int | None, ...]


@dataclass(frozen=True)
class Comparison:
    """A table.

    Attributes:
        sources: Paths that the user named, a row each.
        columns: Metrics, a column for each protocol.
        notes: What the marks mean.
    """

    sources: tuple[str, ...]
    columns: tuple[ComparedColumn, ...]
    notes: tuple[str, ...]


@takes_paths("sources")
def compare(sources: Sequence[str], *, anyway: bool = False) -> Comparison:
    """Puts figures side by side.

    Args:
        sources: Runs, or files of `adavit evaluate --out`. Of a run its evaluations.jsonl counts,
            or the best record of its metrics.jsonl where it was never evaluated.
        anyway: Put figures of different protocols into one column, and mark them.

    Returns:
        The table. A metric has a column if all that have it share a protocol, and then one more for
        each further protocol of any of them.

    Raises:
        UserError: If a source has no record, or, without `anyway`, two have a metric under no
            protocol in common.
    """
    if len(set(sources)) < len(sources):
        twice = next(source for source in sources if list(sources).count(source) > 1)
        raise UserError(f"{twice!r} is named twice, expected each once. Leave one out.")
    found = [figure for source in sources for figure in _figures_of(source)]
    columns: list[ComparedColumn] = []
    notes: list[str] = []
    for name in dict.fromkeys(figure.name for figure in found):
        groups = _by_protocol([figure for figure in found if figure.name == name])
        with_it = {figure.source for group in groups for figure in group}
        if any({figure.source for figure in group} == with_it for group in groups):
            shared_first = sorted(groups, key=len, reverse=True)
            columns += [_column(sources, [group]) for group in shared_first]
            continue
        if not anyway:
            raise _refusal(groups)
        column = _column(sources, groups)
        columns.append(column)
        notes += _legend(name, groups)
    return Comparison(tuple(sources), tuple(columns), tuple(notes))


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
    rows = [["", *(markdown_cell(heading(column)) for column in comparison.columns)]]
    rows += [
        [markdown_cell(source), *(cell(column, row) for column in comparison.columns)]
        for row, source in enumerate(comparison.sources)
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
    writer.writerow(["source", "metric", "protocol", "value", "mark"])
    for column in comparison.columns:
        for row, source in enumerate(comparison.sources):
            value, mark = column.values[row], column.marks[row]
            if value is not None:
                words = map(csv_cell, (source, column.name, column.protocol))
                writer.writerow([*words, repr(value), mark or ""])
    return buffer.getvalue()


def as_json(comparison: Comparison) -> str:
    """The whole comparison as JSON."""
    return json.dumps(asdict(comparison), indent=2) + "\n"


def _figures_of(source: str) -> Iterator[ComparedFigure]:
    """The figures of a run or a file; of several under one protocol the latest."""
    path = Path(source)
    if not path.is_dir():
        records = [read_record(path)]
    else:
        run = RunDirectory.open(path)
        records = read_evaluations(run.evaluations) or _best(run)
        if not records:
            raise UserError(
                f"run {source!r} has no record of a metric, expected {run.evaluations.name} or"
                f" {run.metrics.name}."
                f" Make one with adavit evaluate {source}."
            )
    latest: list[ComparedFigure] = []
    for record in records:
        for name, value in figures(record).items():
            figure = ComparedFigure(source, name, value, record["protocol"])
            latest = [other for other in latest if other.name != name or figure.differs_from(other)]
            latest.append(figure)
    yield from latest


def _best(run: RunDirectory) -> list[dict[str, Any]]:
    """The record of a run's best generator."""
    records = [record for record in read_records(run.metrics) if is_record(record)]
    best = best_record(records, recorded_metric(records))
    return [] if best is None else [best]


def _by_protocol(found: Sequence[ComparedFigure]) -> list[list[ComparedFigure]]:
    groups: list[list[ComparedFigure]] = []
    for figure in found:
        for group in groups:
            if not figure.differs_from(group[0]):
                group.append(figure)
                break
        else:
            groups.append([figure])
    return groups


def _column(sources: Sequence[str], groups: Sequence[Sequence[ComparedFigure]]) -> ComparedColumn:
    values: dict[str, float] = {}
    marks: dict[str, int] = {}
    for number, group in enumerate(groups, start=1):
        for figure in group:
            values[figure.source] = figure.value
            marks[figure.source] = number
    mixed = len(groups) > 1
    first = groups[0][0]
    return ComparedColumn(
        name=first.name,
        protocol="several protocols" if mixed else describe(first.protocol),
        higher_is_better=metric_of(first.name) in HIGHER_IS_BETTER,
        values=tuple(values.get(source) for source in sources),
        marks=tuple(marks.get(source) if mixed else None for source in sources),
    )


def describe(protocol: dict[str, Any]) -> str:
    """A protocol in a few words: its name, or the numbers of images on both sides."""
    fakes, real = protocol.get("n_fake"), protocol.get("n_real")
    counts = f"{fakes} fakes" if real is None else f"{fakes} vs {real}"
    return f"{protocol['name']}: {counts}" if protocol.get("name") else counts


def _refusal(groups: Sequence[Sequence[ComparedFigure]]) -> UserError:
    a, b = groups[0][0], groups[1][0]
    differences = "; ".join(
        f"{field} ({_value(a, field)} and {_value(b, field)})" for field in a.differs_from(b)
    )
    return UserError(
        f"{a.name} of {a.source!r} and of {b.source!r} were measured under different protocols:"
        f" {differences}. Expected one protocol; evaluate both with the same --protocol, or see"
        " them side by side with --anyway."
    )


def _legend(name: str, groups: Sequence[Sequence[ComparedFigure]]) -> Iterator[str]:
    first = groups[0][0]
    yield f"{name} [1]: {describe(first.protocol)}"
    for number, group in enumerate(groups[1:], start=2):
        fields = ", ".join(
            f"{field} {_value(group[0], field)}" for field in group[0].differs_from(first)
        )
        yield f"{name} [{number}]: {describe(group[0].protocol)}; differs from [1] in {fields}"


def _value(figure: ComparedFigure, field: str) -> str:
    if field == "setting":
        settings = figure.protocol.get("settings")
        value = settings.get(metric_of(figure.name)) if isinstance(settings, dict) else None
    else:
        value = figure.protocol.get(field)
    text = str(value)
    return text if len(text) <= 40 else f"{text[:12]}..."
