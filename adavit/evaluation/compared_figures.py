"""What `compare` puts side by side: the figures of a run, or of a file that `adavit evaluate` has written."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adavit.errors import UserError
from adavit.evaluation.protocol import differing_fields
from adavit.metrics.names import metric_of
from adavit.runs.directory import RunDirectory
from adavit.runs.outdated import outdated_remark, present_evaluations, which_generator
from adavit.runs.reading import mapping
from adavit.runs.records import (
    best_record,
    figures,
    is_record,
    parts,
    read_evaluations,
    read_record,
    read_records,
    recorded_metric,
)
from adavit.runtime.paths import quoted


@dataclass(frozen=True)
class ComparedFigure:
    """One figure of one source.

    Attributes:
        source: Path that the user named.
        name: As recorded, for example "fd_random".
        value: The figure.
        protocol: What it was measured under.
        generator: As `which_generator`; empty too where it is not known.
    """

    source: str
    name: str
    value: float
    protocol: dict[str, Any]
    generator: str

    def differs_from(self, other: "ComparedFigure", *, anyway: bool = False) -> list[str]:
        """Fields in which the protocols of two figures of one name differ; empty if they compare.

        Args:
            other: Of the same name.
            anyway: As for `comparison_key`.
        """
        metric = metric_of(self.name) or self.name
        return differing_fields(self.protocol, other.protocol, metric, anyway=anyway)


def figures_of(source: str) -> Iterator[ComparedFigure]:
    """The figures of a run or a file; of several of one generator under one protocol the latest.

    Evaluations of generators that the run has no longer do not count.

    Args:
        source: Path of a run, or of a file of `adavit evaluate --out`.

    Raises:
        UserError: If it has no record.
    """
    path = Path(source)
    if not path.is_dir():
        records = [read_record(path)]
    else:
        run = RunDirectory.open(path)
        evaluations, _ = present_evaluations(run, read_evaluations(run.evaluations))
        records = evaluations or _best(run)
        if not records:
            raise UserError(
                f"run {source!r} has no record of a metric of the generators that it has now, expected one in"
                f" {run.evaluations.name} or {run.metrics.name}."
                f" Make one with adavit evaluate {quoted(source)}."
            )
    latest: list[ComparedFigure] = []
    for whole, record in ((each, part) for each in records for part in parts(each)):
        for name, value in figures(record).items():
            figure = ComparedFigure(source, name, value, record["protocol"], _generator_of(whole))
            alike = (
                place
                for place, other in enumerate(latest)
                if (other.name, other.generator) == (name, figure.generator)
            )
            place = next((i for i in alike if not figure.differs_from(latest[i])), len(latest))
            latest[place : place + 1] = [figure]
    yield from latest


def remark_on(source: str) -> str:
    """Why evaluations of a source are not among its figures; empty where all count.

    Args:
        source: As for `figures_of`.
    """
    run = RunDirectory(Path(source))
    _, commands = present_evaluations(run, read_evaluations(run.evaluations))
    return outdated_remark(source, commands) if commands else ""


def _generator_of(record: dict[str, Any]) -> str:
    return which_generator(mapping(record.get("source")).get("generator"))


def _best(run: RunDirectory) -> list[dict[str, Any]]:
    """The record of a run's best generator."""
    records = [record for record in read_records(run.metrics) if is_record(record)]
    best = best_record(records, recorded_metric(records))
    return [] if best is None else [best | {"source": {"generator": run.best_generator.name}}]
