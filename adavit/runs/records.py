"""Records of a run: lines of its logs, files of `adavit evaluate`, and which of them is the best."""

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adavit.errors import UserError
from adavit.metrics.names import HIGHER_IS_BETTER, metric_of
from adavit.runs.json_lines import each_json_line, keep_lines, numbered_json_lines
from adavit.runs.reading import number
from adavit.runtime.files import write_json
from adavit.runtime.inputs import read_input
from adavit.runtime.paths import takes_paths

NAMED = 8
"""So many damaged lines of a log are named."""

BESIDE = "beside"
"""Entry of a record: the records of the same images in other feature spaces, which decide nothing."""

UNTRAINED = "untrained"
"""Entry of the record at 0 images of a run that starts from nothing. Its figure is the best only until there is
another: distances may rise from flat grey images for some thousand images before they fall."""


@dataclass(frozen=True)
class ReadLog:
    """What is good in a log.

    Attributes:
        records: In the order that the log's kind has.
        damaged: Numbers from 1 of the lines that hold no such record.
    """

    records: list[dict[str, Any]]
    damaged: list[int]


def read_log(log: Path) -> ReadLog:
    """`stats.jsonl` or `metrics.jsonl` by images seen; nothing if there is no file."""
    found = _read(log, _is_counted)
    return ReadLog(sorted(found.records, key=lambda record: record["images"]), found.damaged)


def read_evaluation_log(log: Path) -> ReadLog:
    """`evaluations.jsonl`, oldest first; nothing if there is no file."""
    return _read(log, is_record)


def _read(log: Path, is_sound: Callable[[dict[str, Any]], bool]) -> ReadLog:
    found = ReadLog([], [])
    for place, record in numbered_json_lines(log):
        if is_sound(record):
            found.records.append(record)
        else:
            found.damaged.append(place)
    return found


def read_records(log: Path) -> list[dict[str, Any]]:
    """The records of `stats.jsonl` or `metrics.jsonl` by images seen; none if there is no file."""
    return read_log(log).records


def read_some_records(log: Path, most: int) -> list[dict[str, Any]]:
    """As `read_records`, but evenly thinned, with the first and the last, where there are too many to draw.

    Args:
        log: `stats.jsonl` or `metrics.jsonl`.
        most: How many are kept, and the last; at least half of that where there are as many.
    """
    kept: list[dict[str, Any]] = []
    last, stride = None, 1
    for place, record in enumerate(filter(_is_counted, each_json_line(log))):
        last = record
        if place % stride == 0:
            kept.append(record)
        if len(kept) > most:
            kept, stride = kept[::2], 2 * stride
    if last is not None and kept[-1] is not last:
        kept.append(last)
    return sorted(kept, key=lambda record: record["images"])


def cut_back(log: Path, images: int) -> str:
    """Drops the records past `images`, what is damaged, and what a kill left of a half-written line.

    Args:
        log: `stats.jsonl` or `metrics.jsonl`; nothing is done if it is not there.
        images: Real images seen.

    Returns:
        Which lines were damaged, for a person; empty if none was.

    Raises:
        OSError: If the log cannot be read, or not be written.
    """
    return describe_damage({str(log): keep_lines(log, lambda r: _kept(r, images))})


def _kept(record: Mapping[str, Any], images: int) -> bool | None:
    return record["images"] <= images if _is_counted(record) else None


def describe_damage(damaged: Mapping[str, Sequence[int]]) -> str:
    """Which lines of which logs are damaged, for a person, in one line; empty if none is.

    Args:
        damaged: Numbers of the lines, by the name of the log.
    """
    parts = []
    for log, lines in damaged.items():
        named = ", ".join(map(str, lines[:NAMED])) + (", ..." if len(lines) > NAMED else "")
        parts += [f"{'lines' if len(lines) > 1 else 'line'} {named} of {log}"] if lines else []
    several = sum(map(len, damaged.values())) > 1
    verb = "are" if several else "is"
    all_parts = " and ".join(parts)
    return (
        f"Warning: {all_parts} {verb} damaged and left out; all others are kept." if parts else ""
    )


def read_evaluations(log: Path) -> list[dict[str, Any]]:
    """The records of `evaluations.jsonl`, oldest first; none if there is no file."""
    return read_evaluation_log(log).records


def recorded_metric(records: Sequence[Mapping[str, Any]], metric: str | None = None) -> str | None:
    """Name under which a metric was recorded: "fid" is "fd_random" with another extractor.

    Args:
        records: Of `metrics.jsonl`; the last of them counts.
        metric: As in `metrics.names`. None: the first one, which decides which generator is best.

    Returns:
        The name; None if there is no record, or the metric is not in it.
    """
    named = {name: metric_of(name) for name in (records[-1] if records else ())}
    found = (name for name, of in named.items() if of is not None and metric in (None, of))
    return next(found, None)


def best_record(records: Iterable[Mapping[str, Any]], name: str | None) -> dict[str, Any] | None:
    """The record with the best figure of a run: the first of those that none improves on (`improves`).

    Args:
        records: Oldest first.
        name: As recorded, for example "fd_random"; None is in no record.

    Returns:
        The record; None if the figure is in none of them, or never finite.
    """
    best: Mapping[str, Any] | None = None
    for record in records:
        figure = figures(record).get(name or "")
        if figure is None:
            continue
        if best is None or improves(
            name or "", figure, best[name or ""], untrained=is_untrained(best)
        ):
            best = record
    return None if best is None else dict(best)


def improves(name: str, figure: float, before: float, *, untrained: bool = False) -> bool:
    """Whether a figure is better than one before; what is not finite never is.

    Args:
        name: As recorded; most metrics are better when lower.
        figure: The new one.
        before: The best so far.
        untrained: Whether that is of an untrained network, than which any other is better.
    """
    if not math.isfinite(figure):
        return False
    if untrained or not math.isfinite(before):
        return True
    return figure > before if metric_of(name) in HIGHER_IS_BETTER else figure < before


def is_untrained(record: Mapping[str, Any]) -> bool:
    """Whether a record is of a network as it was initialised."""
    return record.get(UNTRAINED) is True


def figures(record: Mapping[str, Any]) -> dict[str, float]:
    """The figures of a record by recorded name, in its order: no spreads, no scores of real images."""
    return {
        name: figure
        for name, value in record.items()
        if metric_of(name) is not None and (figure := number(value)) is not None
    }


def parts(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A record and those that stand beside it, each with figures under one protocol, the deciding one first."""
    beside = record.get(BESIDE)
    others = beside if isinstance(beside, list) else []
    return [record, *(other for other in others if isinstance(other, dict))]


def is_record(value: object) -> bool:
    """Whether something read from JSON is a record: figures by name, and their protocol."""
    return (
        isinstance(value, dict) and isinstance(value.get("protocol"), dict) and bool(figures(value))
    )


@takes_paths("out")
def check_writable(out: Path, *, flag: str = "--out") -> None:
    """Refuses a file that could not be written after minutes of work.

    Args:
        out: The file.
        flag: What names it on the command line, for messages.

    Raises:
        UserError: If `out` is a folder, or its folder is not there or may not be written.
    """
    if out.is_dir() or not out.parent.is_dir() or not os.access(out.parent, os.W_OK):
        raise UserError(
            f"{flag} {str(out)!r} cannot be written, expected a file in a folder that is there"
            " and may be written. Choose another."
        )


@takes_paths("out")
def write_record(out: Path, record: Mapping[str, Any]) -> None:
    """Writes a record, as `read_record` reads it.

    Raises:
        OSError: If it cannot be written.
    """
    write_json(out, record)


def read_record(path: Path) -> dict[str, Any]:
    """A record as `--out` wrote it.

    Raises:
        UserError: If it cannot be read or is no record.
    """
    try:
        record = json.loads(read_input(path))
    except OSError as error:
        reason = error.strerror or str(error)
    except (ValueError, RecursionError):
        reason = "it is not JSON"
    else:
        if is_record(record):
            return dict(record)
        reason = "it has no figure with a protocol"
    raise UserError(
        f"{str(path)!r} is not a record of an evaluation ({reason}), expected a file of adavit"
        " evaluate --out, or a run. Check the path."
    )


def _is_counted(record: Mapping[str, Any]) -> bool:
    """Whether a record has a number of images that a script in a page can hold exactly."""
    return type(record.get("images")) is int and 0 <= record["images"] < 2**53
