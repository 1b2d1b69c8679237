"""From runs to the table: the figures of each run, their means over seeds, differences from the baseline."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from adavit.evaluation.protocol import comparison_key, key_digest
from adavit.metrics.kinship import flattered_by
from adavit.metrics.names import HIGHER_IS_BETTER, metric_of
from adavit.report.run import Run
from adavit.report.seed_groups import SeedGroup, baseline_of, row_of_failed
from adavit.report.statistics import mean_and_spread, paired_difference
from adavit.report.table import Column, Failure, Figure, Row, Table
from adavit.runs.directory import RunDirectory
from adavit.runs.reading import mapping, mean_of_known, number, text
from adavit.runs.records import figures, improves, is_untrained, parts
from adavit.runs.shared_names import without_folders

LAST_COLUMNS = ("p", "r_t", "r_relative", "logits gap", "images/s", "kimg")
"""What stands behind the metrics."""

LAST_PART = 0.1
"""r_t, r_relative and the gap are means over this last part of the images seen: one line of a log is noise."""


def build_table(
    groups: Sequence[SeedGroup], failed: Sequence[Run], *, anyway: bool = False
) -> Table:
    """Every figure of every group, metrics with their difference from the baseline.

    Args:
        groups: As `group_runs` made them.
        failed: Cells that failed; listed with their reasons, and counted in the rows that they are seeds of.
        anyway: Whether figures that pretrained features flatter share columns with others.
    """
    columns: dict[str, Column] = {}
    measured: list[dict[str, dict[str, float]]] = []
    for group in groups:
        by_column: dict[str, dict[str, float]] = {}
        for run in group.runs:
            for column, value in run_figures(run, anyway=anyway):
                columns.setdefault(column.key, column)
                by_column.setdefault(column.key, {})[str(run.seed)] = value
        measured.append(by_column)
    lost = [row_of_failed(run, groups) for run in failed]
    rows = [_row(group, groups, measured, columns, lost.count(group)) for group in groups]
    metrics = [column for column in columns.values() if column.name not in LAST_COLUMNS]
    others = [columns[key] for key in LAST_COLUMNS if key in columns]
    return Table(columns=metrics + others, rows=rows, failures=[_failure(run) for run in failed])


def _row(
    group: SeedGroup,
    groups: Sequence[SeedGroup],
    measured: Sequence[dict[str, dict[str, float]]],
    columns: dict[str, Column],
    failed: int,
) -> Row:
    own = measured[groups.index(group)]
    baseline = None if group.baseline else baseline_of(group, groups)
    against = measured[groups.index(baseline)] if baseline else {}
    figures = {}
    for key, by_seed in own.items():
        mean, sd = mean_and_spread(by_seed)
        difference = None
        if columns[key].better and key in against:
            difference = paired_difference(by_seed, against[key])
        figures[key] = Figure(mean=mean, sd=sd, by_seed=by_seed, difference=difference)
    return Row(
        label=group.label,
        grid=group.grid,
        axes=group.axes,
        baseline=group.baseline,
        compared_with=baseline.label if baseline else None,
        seeds=len(group.runs) + failed,
        state=_unfinished(group, failed),
        seen=list(dict.fromkeys(name for run in group.runs for name in run.networks_seen)),
        flattered=sorted({name for run in group.runs for name in _flattered(run)}),
        data=_data(group.runs[0]),
        origin="",
        figures=figures,
    )


def _data(run: Run) -> str:
    fingerprint = text(run.data.get("fingerprint"))[:8]
    return " ".join(word for word in (text(run.data.get("name")), fingerprint) if word)


def _unfinished(group: SeedGroup, failed: int) -> str:
    """What has not come to its end of the runs of a row, and of its cells that failed."""
    counts = Counter(run.status for run in group.runs if run.status != "finished")
    counts += Counter(failed=failed)
    total = len(group.runs) + failed
    if total == 1:
        return next(iter(counts), "")
    return ", ".join(f"{n} of {total} {status}" for status, n in sorted(counts.items()))


def _failure(run: Run) -> Failure:
    return Failure(
        label=without_folders(run.cell.label) if run.cell else run.name,
        seed=run.seed,
        run=run.name,
        reason=without_folders(run.reason),
    )


def run_figures(run: Run, *, anyway: bool = False) -> Iterator[tuple[Column, float]]:
    """All figures of a run that the table has a column for.

    Args:
        run: The run.
        anyway: As for `build_table`.
    """
    yield from _training_metrics(run, anyway)
    yield from _evaluations(run, anyway)
    yield from _training_state(run)


def _flattered(run: Run) -> set[str]:
    """Recorded names of a run's figures that its discriminator flatters."""
    records = [part for whole in [*run.metrics, *run.evaluations] for part in parts(whole)]
    flattered = (each for each in records if flattered_by(mapping(each.get("protocol"))))
    return {name for each in flattered for name in figures(each)}


def gap(record: dict[str, object]) -> float | None:
    """Mean logit at training images minus at held-out ones: 0 without overfitting."""
    train, heldout = number(record.get("logits_train")), number(record.get("logits_heldout"))
    return None if train is None or heldout is None else train - heldout


def _training_metrics(run: Run, anyway: bool) -> Iterator[tuple[Column, float]]:
    best: dict[str, tuple[Column, float]] = {}
    last: dict[str, tuple[Column, float]] = {}  # by the key of the best
    untrained: set[str] = set()  # whose best is of the network as it was initialised
    for whole, record in ((each, part) for each in run.metrics for part in parts(each)):
        for name in filter(metric_of, record):
            column = _metric_column(name, record, "best", "best value of the run", anyway)
            key, value, before = column.key, number(record[name]), best.get(column.key)
            if value is None:
                last.pop(key, None)  # the run has not ended with the figure before
                continue
            if before is None or improves(name, value, before[1], untrained=key in untrained):
                best[key] = (column, value)
                (untrained.add if is_untrained(whole) else untrained.discard)(key)
            ended = _metric_column(name, record, "last", "value at the end of the run", anyway)
            last[key] = (ended, value)
    for key, found in best.items():
        yield found
        if key in last:
            yield last[key]


def _evaluations(run: Run, anyway: bool) -> Iterator[tuple[Column, float]]:
    latest: dict[str, tuple[Column, float]] = {}
    for record in run.evaluations:
        ended = (
            mapping(record.get("source")).get("generator")
            == RunDirectory(run.path).last_generator.name
        )
        which = "last" if ended else "best"
        what = f"of the {which} generator, measured by adavit evaluate, latest record"
        for part in parts(record):
            for column, value in metric_columns(part, f"evaluated {which}", what, anyway=anyway):
                latest[column.key] = (column, value)
    yield from latest.values()


def _training_state(run: Run) -> Iterator[tuple[Column, float]]:
    if not run.stats:
        return
    last = run.stats[-1]
    late = [r for r in run.stats if r["images"] >= (1 - LAST_PART) * last["images"]]
    seconds = number(last.get("seconds"))
    state = {
        "p": ("Augmentation probability at the end.", number(last.get("p"))),
        "r_t": (
            (
                "Share of overfitting by the signs of the logits at training images, mean over the"
                " last tenth of the run; 1 is complete."
            ),
            mean_of_known([number(record.get("r_t")) for record in late if run.has_threshold]),
        ),
        "r_relative": (
            (
                "How much more often than not the discriminator puts a training image above a generated"
                " one, mean over the last tenth of the run; 1 is always, 0 is half of the time."
            ),
            mean_of_known([number(record.get("r_relative")) for record in late]),
        ),
        "logits gap": (
            (
                "Mean logit at training images minus at held-out images, mean over the last tenth"
                " of the run; 0 means no overfitting."
            ),
            mean_of_known([gap(record) for record in late]),
        ),
        "images/s": (
            "Real images per second of training, evaluations left out.",
            number(last["images"] / seconds) if seconds else None,
        ),
        "kimg": ("Thousands of real images seen.", run.images / 1000),
    }
    for name, (meaning, value) in state.items():
        if value is not None:
            yield Column(key=name, name=name, statistic="", meaning=meaning, better=None), value


def metric_columns(
    record: Mapping[str, Any], statistic: str, what: str, *, anyway: bool = False
) -> Iterator[tuple[Column, float]]:
    """The metrics of a record with the columns they belong to; what it says beside them is left out.

    Args:
        record: A line of `metrics.jsonl`, or a record of `adavit evaluate`.
        statistic: As `Column.statistic`.
        what: The same in words, for the column's meaning.
        anyway: As for `build_table`.
    """
    for name in filter(metric_of, record):
        value = number(record[name])
        if value is not None:
            yield _metric_column(name, record, statistic, what, anyway), value


def _metric_column(
    name: str, record: Mapping[str, Any], statistic: str, what: str, anyway: bool
) -> Column:
    """The column of one metric of a record."""
    metric = metric_of(name) or name
    protocol = comparison_key(mapping(record.get("protocol")), metric, anyway=anyway)
    direction = "higher" if metric in HIGHER_IS_BETTER else "lower"
    return Column(
        key=f"{name}.{statistic}@{key_digest(protocol)}"[-200:],
        name=name,
        statistic=statistic,
        meaning=f"{name}: {what}; {direction} is better.",
        better=direction,
        protocol=protocol,
    )
