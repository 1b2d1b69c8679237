"""Rows of the table: runs that differ in their seed alone are one row."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from adavit.errors import UserError
from adavit.report.run import Run

NO_AXES = re.compile(
    r"run\..*|data\.(source|data_root)|metrics\..*|augment\.(mode|preset|p|heuristic)"
)
"""Settings that make no row of their own: seed, places, cadence, what is measured; and what
`Run.augmentation` says in words."""


@dataclass(frozen=True)
class Group:
    """Runs of one cell.

    Attributes:
        label: What the row is called.
        grid: The grid it is from; empty for runs of no grid.
        axes: Value of each axis, as text.
        baseline: Whether the others of the grid are compared with it.
        runs: One run per seed, by seed.
    """

    label: str
    grid: str
    axes: dict[str, str]
    baseline: bool
    runs: tuple[Run, ...]

    def label_of(self, run: Run) -> str:
        """The name of one of its runs: the label, and the seed where there are several."""
        return self.label if len(self.runs) == 1 else f"{self.label} · seed {run.seed}"


def group_runs(runs: Sequence[Run]) -> list[Group]:
    """Groups runs over seeds; the baseline of each grid comes first, the others in natural order.

    Cells of an ablation say what their axes are. For other runs these are the settings that tell them
    apart. Where a seed was run twice, the second run is a row of its own: it is no new sample.

    Args:
        runs: In any order; failed ones must have been taken out.
    """
    loose = [run for run in runs if run.cell is None]
    axes_of = dict(zip(map(id, loose), distinguishing_axes(loose), strict=True))
    gathered: dict[tuple[object, ...], list[Run]] = {}
    for run in sorted(runs, key=lambda run: (run.seed, run.name)):
        grid = run.cell.grid if run.cell else ""
        axes = run.cell.axes if run.cell else axes_of[id(run)]
        repetition = 0
        while any(
            other.seed == run.seed for other in gathered.get((grid, *axes.items(), repetition), ())
        ):
            repetition += 1
        gathered.setdefault((grid, *axes.items(), repetition), []).append(run)
    groups = [_group(members, axes_of, bool(key[-1])) for key, members in gathered.items()]
    if not any(group.baseline for group in groups):
        groups = _untreated_as_baseline(groups)
    groups.sort(key=lambda group: (group.grid, not group.baseline, _natural(group.label)))
    return groups


def distinguishing_axes(runs: Sequence[Run]) -> list[dict[str, str]]:
    """For each run the few settings that tell it from the others, as few as will do.

    Settings that follow from one already taken, as a learning rate does from the kind of
    discriminator, add nothing and are left out.
    """
    settings = [_comparable(run) for run in runs]
    keys = list(dict.fromkeys(key for values in settings for key in values))
    taken: list[str] = []
    parts = 1
    for key in keys:
        refined = len({tuple(values.get(k, "") for k in [*taken, key]) for values in settings})
        if refined > parts:
            taken.append(key)
            parts = refined
    return [{key: values.get(key, "") for key in taken} for values in settings]


def baseline_of(group: Group, groups: Sequence[Group]) -> Group | None:
    """The row that a row is compared with: of its grid, and alike in as many axes as can be."""
    candidates = [other for other in groups if other.baseline and other.grid == group.grid]
    alike = lambda other: len(group.axes.items() & other.axes.items())  # noqa: E731
    return max(candidates, key=alike, default=None)


def choose_baseline(groups: Sequence[Group], label: str) -> list[Group]:
    """The same rows with another baseline.

    Raises:
        UserError: If no row has that label.
    """
    if not any(group.label == label for group in groups):
        known = ", ".join(repr(group.label) for group in groups)
        raise UserError(
            f"--baseline {label!r} is no row of the table, expected one of: {known}. Give one of"
            " these labels."
        )
    marked = [replace(group, baseline=group.label == label) for group in groups]
    return sorted(marked, key=lambda group: (group.grid, not group.baseline))


def _comparable(run: Run) -> dict[str, str]:
    first = {
        "data": str(run.data.get("name", run.settings.get("data.source", ""))),
        "discriminator": str(run.settings.get("discriminator.kind", "")),
        "augmentation": run.augmentation,
    }
    rest = {k: str(v) for k, v in run.settings.items() if not NO_AXES.fullmatch(k)}
    rest.pop("discriminator.kind", None)
    return {**first, **rest}


def _group(members: list[Run], axes_of: dict[int, dict[str, str]], repeated: bool) -> Group:
    first = members[0]
    if first.cell:
        label, axes, baseline = first.cell.label, first.cell.axes, first.cell.baseline
        grid = first.cell.grid
    else:
        axes, grid, baseline = axes_of[id(first)], "", False
        plain = ("data", "discriminator", "augmentation")
        words = [
            (
                ("no augmentation" if value == "none" and key == "augmentation" else value)
                if key in plain
                else f"{key.partition('.')[2]}={value}"
            )
            for key, value in axes.items()
        ]
        label = ", ".join(words) or first.augmentation or first.name
    if repeated:
        label = f"{label} (again: {first.name})"
    return Group(label, grid, axes, baseline and not repeated, tuple(members))


def _untreated_as_baseline(groups: list[Group]) -> list[Group]:
    """Without a named baseline, the one row that is not augmented."""
    untreated = [g for g in groups if g.runs[0].augmentation == "none"]
    if len(untreated) != 1 or len(groups) == 1:
        return groups
    return [replace(group, baseline=group is untreated[0]) for group in groups]


def _natural(label: str) -> list[tuple[int, float, str]]:
    """2 before 10, and numbers before words."""
    parts = re.split(r"(\d+(?:\.\d+)?)", label)
    return [(0, float(p), "") if i % 2 else (1, 0.0, p) for i, p in enumerate(parts) if p]
