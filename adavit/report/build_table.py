"""From groups of runs to the table."""

from collections import Counter
from collections.abc import Sequence

from adavit.report.figures import run_figures
from adavit.report.run import Run
from adavit.report.seed_groups import SeedGroup, baseline_of
from adavit.report.statistics import mean_and_spread, paired_difference
from adavit.report.table import Column, Failure, Figure, Row, Table

LAST_COLUMNS = ("p", "r_t", "logits gap", "images/s", "kimg")


def build_table(groups: Sequence[SeedGroup], failed: Sequence[Run]) -> Table:
    """Every figure of every group, metrics with their difference from the baseline.

    Args:
        groups: As `group_runs` made them.
        failed: Runs that failed; listed with their reasons.
    """
    columns: dict[str, Column] = {}
    measured: list[dict[str, dict[str, float]]] = []
    for group in groups:
        by_column: dict[str, dict[str, float]] = {}
        for run in group.runs:
            for column, value in run_figures(run):
                columns.setdefault(column.key, column)
                by_column.setdefault(column.key, {})[str(run.seed)] = value
        measured.append(by_column)
    rows = [_row(group, groups, measured, columns) for group in groups]
    metrics = [column for column in columns.values() if column.name not in LAST_COLUMNS]
    others = [columns[key] for key in LAST_COLUMNS if key in columns]
    return Table(columns=metrics + others, rows=rows, failures=[_failure(run) for run in failed])


def _row(
    group: SeedGroup,
    groups: Sequence[SeedGroup],
    measured: Sequence[dict[str, dict[str, float]]],
    columns: dict[str, Column],
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
        seeds=len(group.runs),
        state=_state(group),
        origin="",
        figures=figures,
    )


def _state(group: SeedGroup) -> str:
    counts = Counter(run.status for run in group.runs if run.status != "finished")
    if len(group.runs) == 1:
        return next(iter(counts), "")
    return ", ".join(f"{n} of {len(group.runs)} {status}" for status, n in sorted(counts.items()))


def _failure(run: Run) -> Failure:
    return Failure(
        label=run.cell.label if run.cell else run.name,
        seed=run.seed,
        run=run.name,
        reason=run.reason,
    )
