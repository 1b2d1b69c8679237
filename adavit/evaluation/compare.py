"""`compare`: figures of several runs or records side by side, one column per metric and protocol.

FID of one model moves by half with the number of images alone. So figures of a metric stand in one
column only if everything that they depend on is the same; in what its columns differ stands below
the table. The table is written as Markdown, CSV or JSON.
"""

import csv
import io
import json
import string
from collections.abc import Iterator, Mapping, Sequence
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
    """Figures of one metric under one protocol.

    Attributes:
        name: As recorded.
        letter: "A", "B", ... of the protocol where the metric has several columns, else empty.
        protocol: What they were measured under, in words.
        higher_is_better: Which way is better.
        values: By source; None where there is none.
    """

    name: str
    letter: str
    protocol: str
    higher_is_better: bool
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class Comparison:
    """A table.

    Attributes:
        sources: Paths that the user named, a row each.
        columns: Metrics, a column for each protocol.
        notes: In what the columns of one metric differ.
    """

    sources: tuple[str, ...]
    columns: tuple[ComparedColumn, ...]
    notes: tuple[str, ...]


@takes_paths("sources")
def compare(sources: Sequence[str]) -> Comparison:
    """Puts figures side by side, never two protocols in one column.

    Args:
        sources: Runs, or files of `adavit evaluate --out`. Of a run its evaluations.jsonl counts, the
            newest record under each protocol; or the best record of its metrics.jsonl where it was
            never evaluated.

    Returns:
        The table. A metric has a column for each protocol that it was measured under, the one that most
        sources share first.

    Raises:
        UserError: If a source has no record.
    """
    if len(set(sources)) < len(sources):
        twice = next(source for source in sources if list(sources).count(source) > 1)
        raise UserError(f"{twice!r} is named twice, expected each once. Leave one out.")
    found = [figure for source in sources for figure in _figures_of(source)]
    columns: list[ComparedColumn] = []
    notes: dict[str, list[str]] = {}
    apart: list[str] = []
    for name in dict.fromkeys(figure.name for figure in found):
        of_metric = [figure for figure in found if figure.name == name]
        groups = _by_protocol(of_metric)
        groups.sort(key=len, reverse=True)
        letters = protocol_letters(len(groups))
        columns += [
            _column(sources, letter, group) for letter, group in zip(letters, groups, strict=True)
        ]
        for note in _differences(letters, groups):
            notes.setdefault(note, []).append(name)
        several_sources = len({figure.source for figure in of_metric}) > 1
        if several_sources and all(len(group) == 1 for group in groups):
            apart.append(name)
    said = [f"{', '.join(names)} {note}" for note, names in notes.items()]
    said += [f"{', '.join(apart)}: {NOTHING_COMPARES}"] if apart else []
    return Comparison(tuple(sources), tuple(columns), tuple(said))


NOTHING_COMPARES = (
    "no protocol in common, so no two figures compare. Evaluate all with the same --protocol, or the same"
    " --fakes and --data."
)


def protocol_letters(count: int) -> list[str]:
    """Names of so many protocols: "A", "B", ..., then numbers; of a single one the empty name."""
    if count == 1:
        return [""]
    return [
        string.ascii_uppercase[index] if index < 26 else str(index + 1) for index in range(count)
    ]


def nothing_compares(comparison: Comparison) -> bool:
    """Whether a table would hold no two figures side by side, and the notes say why."""
    known = [sum(value is not None for value in column.values) for column in comparison.columns]
    return len(comparison.sources) > 1 and bool(comparison.notes) and max(known, default=0) < 2


def figures_apart(comparison: Comparison) -> list[str]:
    """Which figures stand for which letters in the notes where there is no table, e.g. "[A] fid, kid of a: 50 vs 9".

    Args:
        comparison: One of which nothing compares.
    """
    named: dict[tuple[str, str, str], list[str]] = {}
    for column in comparison.columns:
        owners = zip(comparison.sources, column.values, strict=True)
        source = next(source for source, value in owners if value is not None)
        named.setdefault((column.letter, source, column.protocol), []).append(column.name)
    return [
        f"{f'[{letter}] ' if letter else ''}{', '.join(names)} of {source}: {protocol}"
        for (letter, source, protocol), names in named.items()
    ]


def cell(column: ComparedColumn, row: int) -> str:
    """A figure with four digits; empty where there is none."""
    value = column.values[row]
    return "" if value is None else f"{value:.4g}"


def title(column: ComparedColumn) -> str:
    """Name, which way is better, and the letter of the protocol, e.g. "fid ↓ [A]"."""
    arrow = "↑" if column.higher_is_better else "↓"
    return f"{column.name} {arrow}{f' [{column.letter}]' if column.letter else ''}"


def heading(column: ComparedColumn) -> str:
    """Title and protocol."""
    return f"{title(column)} ({column.protocol})"


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
    writer.writerow(["source", "metric", "letter", "protocol", "value"])
    for column in comparison.columns:
        for row, source in enumerate(comparison.sources):
            value = column.values[row]
            if value is not None:
                words = map(csv_cell, (source, column.name, column.letter, column.protocol))
                writer.writerow([*words, repr(value)])
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
            alike = (i for i, other in enumerate(latest) if other.name == name)
            place = next((i for i in alike if not figure.differs_from(latest[i])), len(latest))
            latest[place : place + 1] = [figure]
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


def _column(sources: Sequence[str], letter: str, group: Sequence[ComparedFigure]) -> ComparedColumn:
    values = {figure.source: figure.value for figure in group}
    first = group[0]
    return ComparedColumn(
        name=first.name,
        letter=letter,
        protocol=describe(first.protocol),
        higher_is_better=metric_of(first.name) in HIGHER_IS_BETTER,
        values=tuple(values.get(source) for source in sources),
    )


def _differences(
    letters: Sequence[str], groups: Sequence[Sequence[ComparedFigure]]
) -> Iterator[str]:
    """What each protocol of a metric has otherwise than the first."""
    first = groups[0][0]
    for letter, group in zip(letters[1:], groups[1:], strict=True):
        fields = group[0].differs_from(first)
        if "reference_fingerprint" in fields and first.protocol.get("reference") != group[
            0
        ].protocol.get("reference"):
            fields = ["reference", *fields]  # what people call the images that a digest tells apart
        named = ", ".join(
            f"{key} {_value(group[0], key)} (not {_value(first, key)})" for key in fields
        )
        yield f"[{letter}] differs from [A] in {named}"


def describe(protocol: Mapping[str, Any]) -> str:
    """A protocol in a few words: its name, the images on both sides, and what the real ones are called."""
    fakes, real = protocol.get("n_fake"), protocol.get("n_real")
    words = f"{fakes} fakes" if real is None else f"{fakes} vs {real}"
    if real is not None and isinstance(protocol.get("reference"), str):
        words += f" of {short_value(protocol['reference'])}"
        split = protocol.get("split")
        words += f", {split}" if isinstance(split, str) and split != "all" else ""
    return f"{protocol['name']}: {words}" if protocol.get("name") else words


def _value(figure: ComparedFigure, field: str) -> str:
    if field == "setting":
        settings = figure.protocol.get("settings")
        value = settings.get(metric_of(figure.name)) if isinstance(settings, dict) else None
    else:
        value = figure.protocol.get(field)
    return short_value(str(value))


def short_value(text: str) -> str:
    """A value of a protocol for people: of a digest the beginning."""
    return text if len(text) <= 40 else f"{text[:12]}..."
