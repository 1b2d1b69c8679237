"""Rows of the table: runs that differ in their seed alone are one row."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from adavit.errors import UserError
from adavit.experiments.cell import (
    CHANGES_NO_RESULT,
    DIGEST_LENGTH,
    FROZEN,
    STARTS,
    without_file,
)
from adavit.report.run import Run
from adavit.runs.shared_names import without_folders

MAY_DIFFER_IN_A_ROW = {
    "run.seed",
    "training.compile",  # equal but for rounding; in long runs whether there is a compiler decides
    *(f"{section}.{key}" for section, keys in CHANGES_NO_RESULT.items() for key in keys),
}
"""Settings in which the runs of one row may differ: the seed, and what changes no result, or its rounding alone. For
where the images lie stands their fingerprint; another reference makes other columns, by the protocol of its figures."""

FINGERPRINT = "data.fingerprint"
"""What stands for the content of the images; no setting, but of `data.json`."""

WORDS = ("data", "discriminator", "augmentation")
"""What tells runs apart first, and needs no name of a setting beside it."""

Axes = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class SeedGroup:
    """Runs that differ in their seed alone: a row of the table.

    Attributes:
        label: What the row is called.
        grid: The grid it is from; empty for runs of no grid.
        axes: Value of each axis, as text.
        baseline: Whether others of the grid are compared with it.
        runs: One run per seed, by seed.
        compared_with: Digests of the cells that the grid has as baselines of these runs; empty where it names none.
    """

    label: str
    grid: str
    axes: dict[str, str]
    baseline: bool
    runs: tuple[Run, ...]
    compared_with: frozenset[str] = frozenset()

    def label_of(self, run: Run) -> str:
        """The name of one of its runs: the label, and the seed where there are several."""
        return self.label if len(self.runs) == 1 else f"{self.label} · seed {run.seed}"


def group_runs(runs: Sequence[Run]) -> list[SeedGroup]:
    """Groups runs over seeds; the baseline of each grid comes first, the others in natural order.

    Cells of an ablation say what their axes are. To these come the few settings that are needed to tell
    apart what the axes do not, as where two starts of a grid have different lengths; for runs of no grid
    there is nothing else. Where a seed was run twice, the second run is a row of its own: it is no new
    sample.

    Args:
        runs: In any order; failed ones must have been taken out.
    """
    of_grid: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: (run.seed, run.name)):
        of_grid.setdefault(run.cell.grid if run.cell else "", []).append(run)
    groups = [group for members in of_grid.values() for group in _groups_of_grid(members)]
    if not any(group.baseline or group.compared_with for group in groups):
        groups = _untreated_as_baseline(groups)
    groups.sort(key=lambda group: (group.grid, not group.baseline, _natural(group.label)))
    return groups


def distinguishing_settings(runs: Sequence[Run]) -> list[dict[str, str]]:
    """For each run the few settings that tell it from the others, as few as will do beside the axes.

    Settings that follow from one already taken, as a learning rate does from the kind of
    discriminator, add nothing and are left out. A cell that has not begun has no settings: it is taken
    for one of those that it shares its axes with.
    """
    names: dict[str, str] = {}
    for run in runs:
        names.setdefault(_fingerprint(run), _name_of_images(run))
    settings = [{} if _has_not_begun(run) else _comparable(run, names) for run in runs]
    axes = [_axes_of(run) for run in runs]
    begun = [index for index, values in enumerate(settings) if values]
    taken: list[str] = []
    parts = len({axes[index] for index in begun})
    for key in dict.fromkeys(key for values in settings for key in values):
        refined = {
            (axes[index], *(settings[index].get(k, "") for k in [*taken, key])) for index in begun
        }
        if len(refined) > parts:
            taken.append(key)
            parts = len(refined)
    found = [{key: values.get(key, "") for key in taken} for values in settings]
    for index, values in enumerate(settings):
        if not values:
            siblings = (found[other] for other in begun if axes[other] == axes[index])
            found[index] = next(siblings, {})
    return found


def baseline_of(group: SeedGroup, groups: Sequence[SeedGroup]) -> SeedGroup | None:
    """The row that a row is compared with: the baseline of its cells, or None where no run of that is among the rows.

    Where the grid does not say which cells those are, or another baseline was chosen, it is the one of the grid
    that is alike in as many axes as can be.
    """
    candidates = [other for other in groups if other.baseline and other.grid == group.grid]
    if group.compared_with:
        # Another one would be of other images, of another size: its difference would not be the method's.
        candidates = [
            other
            for other in candidates
            if any(run.cell and run.cell.digest in group.compared_with for run in other.runs)
        ]
    return max(
        candidates,
        key=lambda other: len(group.axes.items() & other.axes.items()),
        default=None,
    )


def row_of_failed(run: Run, groups: Sequence[SeedGroup]) -> SeedGroup | None:
    """The row that a failed cell would be a seed of: that of the same axes; None where no other seed came through.

    Of several such rows it is the one that it shares the most of the settings with which tell them apart.
    """
    if run.cell is None:
        return None
    settings = {key: _text(value) for key, value in run.settings.items()}
    candidates = [
        group
        for group in groups
        if group.grid == run.cell.grid
        and _axes_of(group.runs[0]) == _axes_of(run)
        and all(other.seed != run.seed for other in group.runs)
    ]
    return max(
        candidates,
        key=lambda group: len(group.axes.items() & settings.items()),
        default=None,
    )


def choose_baseline(groups: Sequence[SeedGroup], label: str) -> list[SeedGroup]:
    """The same rows with another baseline in each grid that has a row of that label.

    Raises:
        UserError: If no row has that label.
    """
    if not groups:
        raise UserError(
            f"--baseline {label!r} names a row of runs, but none are reported on, and rows of --merge keep the one"
            " that they were compared with. Leave --baseline out, or name runs."
        )
    if not any(group.label == label for group in groups):
        known = ", ".join(repr(group.label) for group in groups)
        raise UserError(
            f"--baseline {label!r} is not a row of the table, expected one of: {known}. Give one of"
            " these labels."
        )
    grids = {group.grid for group in groups if group.label == label}
    marked = [
        replace(group, baseline=group.label == label, compared_with=frozenset())
        if group.grid in grids
        else group
        for group in groups
    ]
    return sorted(marked, key=lambda group: (group.grid, not group.baseline))


def _groups_of_grid(runs: Sequence[Run]) -> list[SeedGroup]:
    gathered: dict[tuple[Axes, Axes, int], list[Run]] = {}
    for run, settings in zip(runs, distinguishing_settings(runs), strict=True):
        alike = (_axes_of(run), tuple(settings.items()))
        repetition = 0
        while any(other.seed == run.seed for other in gathered.get((*alike, repetition), ())):
            repetition += 1
        gathered.setdefault((*alike, repetition), []).append(run)
    return [
        _group(members, dict(settings), repeated=bool(repetition))
        for (_, settings, repetition), members in gathered.items()
    ]


def _axes_of(run: Run) -> Axes:
    return tuple(sorted(_by_content(run, run.cell.axes).items())) if run.cell else ()


def _by_content(run: Run, values: Mapping[str, str]) -> dict[str, str]:
    """Settings or axes, with the content of weights in place of where they lie, as in the digest of a cell."""
    found = dict(values)
    if run.cell and run.cell.weights:
        starts = {f"training.{name}" for name in STARTS}
        named = {key for key in starts & found.keys() if found[key] != str(None)}
        found |= dict.fromkeys(named, run.cell.weights[:DIGEST_LENGTH])
    if run.cell or run.settings.get("features.seen"):  # which holds the digest of the file
        networks = {f"{section}.{key}" for section, key in FROZEN} & found.keys()
        found |= {key: str(without_file(found[key])) for key in networks}
    return found


def _has_not_begun(run: Run) -> bool:
    return run.cell is not None and not (
        run.settings or run.stats or run.metrics or run.evaluations
    )


def _comparable(run: Run, names: Mapping[str, str]) -> dict[str, str]:
    """All in which two runs of one row must agree, what people look at first at the head.

    Args:
        run: The run.
        names: Of images by fingerprint: the folders of the same images may be called otherwise.
    """
    settings = {k: _text(v) for k, v in run.settings.items() if k not in MAY_DIFFER_IN_A_ROW}
    fingerprint = _fingerprint(run)
    named = (
        names[fingerprint] if fingerprint else _name_of_images(run),
        settings.get("discriminator.kind", ""),
        run.augmentation,
    )
    first = dict(zip(WORDS, named, strict=True))
    return {**first, **_by_content(run, settings), FINGERPRINT: fingerprint}


def _fingerprint(run: Run) -> str:
    return str(run.data.get("fingerprint", ""))


def _name_of_images(run: Run) -> str:
    return str(run.data.get("name", run.settings.get("data.source", "")))


def _text(value: object) -> str:
    """A value as a word; a path of the name None is not what None is."""
    return repr(value) if value in ("", "None", "True", "False") else str(value)


def _group(members: list[Run], settings: dict[str, str], *, repeated: bool) -> SeedGroup:
    first = members[0]
    cell = first.cell
    axes = without_folders(dict(cell.axes)) if cell else {}
    words = [without_folders(cell.label)] if cell else []
    for key, value in settings.items():
        value = without_folders(value)
        axes[key] = f"{axes[key]}, {value}" if key in axes else value
        if key == FINGERPRINT:
            value = f"images {value[:12] or 'unknown'}"
        elif key not in WORDS:
            value = f"{key.partition('.')[2]}={value}"
        elif (key, value) == ("augmentation", "none"):
            value = "no augmentation"
        words.append(value)
    label = ", ".join(word for word in words if word) or first.augmentation or first.name
    if repeated:
        label = f"{label} (again: {first.name})"
    return SeedGroup(
        label=label,
        grid=cell.grid if cell else "",
        axes=axes,
        baseline=cell is not None and cell.baseline and not repeated,
        runs=tuple(members),
        compared_with=frozenset(
            run.cell.compared_with for run in members if run.cell and run.cell.compared_with
        ),
    )


def _untreated_as_baseline(groups: list[SeedGroup]) -> list[SeedGroup]:
    """Without a named baseline, the one row that is not augmented."""
    untreated = [g for g in groups if g.runs[0].augmentation == "none"]
    if len(untreated) != 1 or len(groups) == 1:
        return groups
    return [replace(group, baseline=group is untreated[0]) for group in groups]


def _natural(label: str) -> list[tuple[int, float, str]]:
    """2 before 10, and numbers before words."""
    parts = re.split(r"(\d+(?:\.\d+)?)", label)
    return [(0, float(p), "") if i % 2 else (1, 0.0, p) for i, p in enumerate(parts) if p]
