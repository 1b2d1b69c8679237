"""`compare`: figures of several runs or records side by side, one column per metric and protocol.

FID of one model moves by half with the number of images alone. So figures of a metric stand in one
column only if everything that they depend on is the same; in what its columns differ stands below
the table. Nor do figures that a discriminator with pretrained features flatters stand in a column with
others (`adavit.metrics.kinship`), unless that is asked for; they are marked then. The best generator of a run is
chosen by its figures and the last is not: they have columns of their own too.
"""

import re
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adavit.errors import UserError
from adavit.evaluation.compared_figures import ComparedFigure, figures_of, remark_on
from adavit.evaluation.protocol import FLATTERED, TRUNCATION
from adavit.metrics.kinship import (
    MARK,
    UNKNOWN_LEGEND,
    UNKNOWN_MARK,
    flattered_by,
    legend,
    mark_of,
    networks_of,
    short_network,
)
from adavit.metrics.names import HIGHER_IS_BETTER, WITHOUT_REAL_IMAGES, metric_of
from adavit.runs.outdated import BEST, LAST
from adavit.runtime.paths import takes_paths
from adavit.runtime.wording import with_middle_left_out

LONGEST = 60
"""Characters of a value of a protocol, such as the name of a run; of a longer one the middle is left out."""


@dataclass(frozen=True)
class ComparedColumn:
    """Figures of one metric under one protocol.

    Attributes:
        name: As recorded.
        letter: "A", "B", ... of the protocol where the metric has several columns, else empty.
        protocol: What they were measured under, in words, and that they are of the last generators where they are.
        higher_is_better: Which way is better.
        values: By source; None where there is none.
        flattered: By source, whether its discriminator saw a network that flatters the figure.
    """

    name: str
    letter: str
    protocol: str
    higher_is_better: bool
    values: tuple[float | None, ...]
    flattered: tuple[bool, ...]


@dataclass(frozen=True)
class Comparison:
    """A table.

    Attributes:
        sources: Paths that the user named, a row each.
        marks: What is said of the discriminator of each, see `adavit.metrics.kinship`; may be empty.
        columns: Metrics, a column for each protocol.
        notes: In what the columns of one metric differ, what the marks mean, and what is left out.
    """

    sources: tuple[str, ...]
    marks: tuple[str, ...]
    columns: tuple[ComparedColumn, ...]
    notes: tuple[str, ...]


@takes_paths("sources")
def compare(sources: Sequence[str], *, anyway: bool = False) -> Comparison:
    """Puts figures side by side, never two protocols in one column.

    Args:
        sources: Runs, or files of `adavit evaluate --out`. Of a run its evaluations.jsonl counts, the
            newest record of each generator under each protocol; or the best record of its metrics.jsonl
            where the generators that it has now were never evaluated.
        anyway: Whether figures that pretrained features flatter stand in one column with others, marked.

    Returns:
        The table. A metric has a column for each protocol that it was measured under, the one that most
        sources share first; of a protocol that has figures of best and last generators, two.

    Raises:
        UserError: If a source has no record.
    """
    if len(set(sources)) < len(sources):
        twice = next(source for source in sources if list(sources).count(source) > 1)
        raise UserError(f"{twice!r} is named twice, expected each once. Leave one out.")
    found = [figure for source in sources for figure in figures_of(source)]
    columns: list[ComparedColumn] = []
    notes: dict[str, list[str]] = {}
    for name in dict.fromkeys(figure.name for figure in found):
        of_metric = [figure for figure in found if figure.name == name]
        protocols = _by_protocol(of_metric, anyway=anyway)
        groups = [group for protocol in protocols for group in _by_generator(protocol)]
        groups.sort(key=len, reverse=True)
        letters = protocol_letters(len(groups))
        columns += [
            _column(sources, letter, group) for letter, group in zip(letters, groups, strict=True)
        ]
        for note in _differences(letters, groups, anyway=anyway):
            notes.setdefault(note, []).append(name)
        if len(_by_protocol(of_metric, anyway=True)) < len(protocols):
            notes.setdefault(NOT_RANKED, []).append(name)
        elif _owners(of_metric) > 1 and max(map(_owners, protocols)) == 1:
            notes.setdefault(NOTHING_COMPARES, []).append(name)
    notes = {note: notes[note] for note in sorted(notes, key=_ENDINGS.__contains__)}
    said = [
        f"{', '.join(names)}{':' if note in _ENDINGS else ''} {note}"
        for note, names in notes.items()
    ]
    marks = tuple(_mark(source, found) for source in sources)
    said += [*_legends(marks, found), *filter(None, map(remark_on, sources))]
    return Comparison(tuple(sources), marks, tuple(columns), tuple(said))


NOTHING_COMPARES = (
    "no protocol in common, so no two figures compare. Evaluate all with the same --protocol, or the same"
    " --fakes and --data."
)


NOT_RANKED = (
    "figures that pretrained features flatter are not put in one column with others, nor with those that other"
    " such networks flatter. adavit evaluate --extractor random gives figures that compare; --anyway puts these in"
    " one column, marked."
)
_ENDINGS = (NOT_RANKED, NOTHING_COMPARES)


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
    said = any(ending in note for note in comparison.notes for ending in _ENDINGS)
    return len(comparison.sources) > 1 and said and max(known, default=0) < 2


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


def _by_protocol(found: Sequence[ComparedFigure], *, anyway: bool) -> list[list[ComparedFigure]]:
    groups: list[list[ComparedFigure]] = []
    for figure in found:
        for group in groups:
            if not figure.differs_from(group[0], anyway=anyway):
                group.append(figure)
                break
        else:
            groups.append([figure])
    return groups


def _by_generator(protocol: Sequence[ComparedFigure]) -> list[list[ComparedFigure]]:
    """Figures of one protocol, those of last generators apart where there are some of best ones."""
    last = [figure for figure in protocol if figure.generator == LAST]
    others = [figure for figure in protocol if figure.generator != LAST]
    mixed = last and any(figure.generator == BEST for figure in others)
    return [others, last] if mixed else [list(protocol)]


def _owners(found: Sequence[ComparedFigure]) -> int:
    """How many sources figures are of."""
    return len({figure.source for figure in found})


def _generator(group: Sequence[ComparedFigure]) -> str:
    """Which generators of their runs the figures of a column are of: `BEST`, `LAST`, or empty where it has no such."""
    return next((figure.generator for figure in group if figure.generator), "")


def _column(sources: Sequence[str], letter: str, group: Sequence[ComparedFigure]) -> ComparedColumn:
    values = {figure.source: figure.value for figure in group}
    flattered = {figure.source for figure in group if flattered_by(figure.protocol)}
    first = group[0]
    metric, protocol = metric_of(first.name), first.protocol
    if metric in WITHOUT_REAL_IMAGES:
        # Those of the other figures may be different ones.
        protocol = {**protocol, "n_real": None}
    return ComparedColumn(
        name=first.name,
        letter=letter,
        protocol=describe(protocol) + f", {LAST} generator" * (_generator(group) == LAST),
        higher_is_better=metric in HIGHER_IS_BETTER,
        values=tuple(values.get(source) for source in sources),
        flattered=tuple(source in flattered for source in sources),
    )


def _differences(
    letters: Sequence[str], groups: Sequence[Sequence[ComparedFigure]], *, anyway: bool
) -> Iterator[str]:
    """What each protocol of a metric has otherwise than the first."""
    first = groups[0][0]
    for letter, group in zip(letters[1:], groups[1:], strict=True):
        fields = group[0].differs_from(first, anyway=anyway)
        if "reference_fingerprint" in fields and first.protocol.get("reference") != group[
            0
        ].protocol.get("reference"):
            fields = ["reference", *fields]  # what people call the images that a digest tells apart
        named = ", ".join(
            "{} {} (not {})".format(field_words(key), *_told_apart(group[0], first, key))
            for key in fields
        )
        of, of_first = _generator(group), _generator(groups[0])
        if of and of_first and of != of_first:
            named += f"{', ' if named else ''}generator {of} (not {of_first})"
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


def _told_apart(figure: ComparedFigure, other: ComparedFigure, field: str) -> tuple[str, str]:
    """The values of a field for people; in full where they would read the same without their middle."""
    value, another = _value(figure, field), _value(other, field)
    words, other_words = value_words(value), value_words(another)
    return (words, other_words) if words != other_words else (str(value), str(another))


def _value(figure: ComparedFigure, field: str) -> object:
    if field == FLATTERED:
        return flattered_by(figure.protocol) or "none"
    if field == "setting":
        settings = figure.protocol.get("settings")
        return settings.get(metric_of(figure.name)) if isinstance(settings, dict) else None
    value = figure.protocol.get(field)
    return "not known, taken as 1" if field == TRUNCATION and value is None else value


def field_words(field: str) -> str:
    """A field of a comparison key for people."""
    return "flattering network" if field == FLATTERED else field


def value_words(value: object) -> str:
    """A value of a protocol for people: as `short_value`, networks by name."""
    if isinstance(value, list):
        return ", ".join(short_network(str(each)) for each in value)
    return short_value(str(value))


def short_value(text: str) -> str:
    """A value of a protocol for people: of a digest the beginning, of another long text that and the end."""
    if re.fullmatch("[0-9a-f]{41,}", text):
        return f"{text[:12]}..."
    return with_middle_left_out(text, LONGEST)


def _mark(source: str, found: Sequence[ComparedFigure]) -> str:
    """What is said of the discriminator of a source."""
    marks = (mark_of(figure.protocol) for figure in found if figure.source == source)
    return next(filter(None, marks), "")


def _legends(marks: Sequence[str], found: Sequence[ComparedFigure]) -> Iterator[str]:
    if MARK in marks:
        yield legend([network for figure in found for network in networks_of(figure.protocol)])
    if UNKNOWN_MARK in marks:
        yield UNKNOWN_LEGEND
