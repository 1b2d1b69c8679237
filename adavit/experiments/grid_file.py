"""An ablation grid: shared settings, and axes whose product is the cells."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from adavit.config.layers import Values, flatten, merge
from adavit.errors import UserError, shown
from adavit.experiments.experiment_file import (
    KEYS,
    ExperimentFile,
    check_of_several_runs,
    check_sections,
    is_setting,
    read_experiment,
    setting,
    shared,
    shipped_names,
)
from adavit.runtime.wording import did_you_mean

FOLDER = "ablations"
SEED = "run.seed"


@dataclass(frozen=True)
class Point:
    """One place in a grid, before its settings are resolved.

    Attributes:
        axes: Value (of a setting) or label (of a named axis) on each axis.
        varied: Settings of the axes alone, by `section.key`.
        settings: Sections of keys: the shared ones with those of the axes over them.
    """

    axes: dict[str, Any]
    varied: Values
    settings: Values

    @property
    def label(self) -> str:
        """Names the point among those of other settings; the seed is left out, so that seeds form a group."""
        parts = [
            f"{axis.partition('.')[2]} {value}" if is_setting(axis) else str(value)
            for axis, value in self.axes.items()
            if axis != SEED
        ]
        return ", ".join(parts) or "all"


@dataclass(frozen=True)
class Grid(ExperimentFile):
    """A grid as read from its file.

    Attributes:
        axes: By axis, the layer of settings that each value or label stands for. An axis is a setting
            (`section.key`) with values, or a name of its own with labels.
        baseline: Value or label on some axes; the cells there are what the others are compared with.
    """

    axes: dict[str, dict[Any, Values]]
    baseline: dict[str, Any]

    @property
    def size(self) -> int:
        """How many points there are."""
        return math.prod(len(options) for options in self.axes.values())

    def points(self) -> Iterator[Point]:
        """All combinations, the last axis fastest."""
        for labels in itertools.product(*self.axes.values()):
            chosen = dict(zip(self.axes, labels, strict=True))
            layers = [self.axes[axis][label] for axis, label in chosen.items()]
            yield Point(chosen, flatten(merge(*layers)), merge(self.base, *layers))

    def baseline_axes(self, point: Point) -> dict[str, Any]:
        """Values on all axes of what a point is compared with: of the baseline its own; empty without a baseline."""
        return point.axes | self.baseline if self.baseline else {}

    def with_overrides(self, layers: Sequence[Values], seeds: Sequence[int] | None) -> "Grid":
        """The grid with other shared settings, and other seeds.

        Args:
            layers: Laid over `base`, weakest first.
            seeds: Replaces the axis `run.seed`, or adds it; None leaves it as it is.

        Raises:
            UserError: If a layer sets what an axis varies, or has no sections, or the baseline is of a seed that is
                replaced.
        """
        axes = dict(self.axes)
        if seeds is not None:
            if self.baseline.get(SEED) not in (None, *seeds):
                raise UserError(
                    f"--seeds is {','.join(map(str, seeds))}, but grid {self.name!r} compares with seed"
                    f" {self.baseline[SEED]} (baseline), expected it among them. Name it too, or take {SEED} out of"
                    " baseline in the file."
                )
            axes[SEED] = {seed: setting(SEED, seed) for seed in seeds}
        varied = {
            key for layers in axes.values() for layer in layers.values() for key in flatten(layer)
        }
        base = self.overridden_base(
            layers, varied=varied, reason=f"an axis of grid {self.name!r} varies it"
        )
        return replace(self, base=base, axes=axes)

    def as_yaml(self) -> str:
        """The grid as a file that `read_grid` reads to the same grid."""
        axes = {
            axis: list(options) if is_setting(axis) else options
            for axis, options in self.axes.items()
        }
        return self.to_yaml(axes=axes, baseline=self.baseline)


def grid_names() -> list[str]:
    """Grids that are shipped."""
    return shipped_names(FOLDER)


def read_grid(source: str) -> Grid:
    """A grid from a YAML file, or a shipped one by name; a path wins over a name.

    Raises:
        UserError: If there is none, or it is not a grid.
    """
    values = read_experiment(
        source,
        folder=FOLDER,
        noun="grid",
        keys={**KEYS, "axes": dict, "baseline": dict},
        others={"search": "sweep"},
    )
    if not values["axes"]:
        raise UserError(
            f"{source!r} has no axes, expected at least one. Write for example 'axes:"
            " {run.seed: [0, 1]}'."
        )
    axes = {axis: _options(axis, given) for axis, given in values["axes"].items()}
    baseline: dict[str, Any] = {}
    for axis, label in values["baseline"].items():
        if axis not in axes:
            raise UserError(
                f"baseline names the axis {shown(axis)}, expected one of: {', '.join(axes)}. Correct the"
                f" file.{did_you_mean(str(axis), axes)}"
            )
        plain = not isinstance(label, list | dict)
        baseline[axis] = str(label) if plain and not is_setting(axis) else label
        if not plain or baseline[axis] not in axes[axis]:
            known = ", ".join(map(str, axes[axis]))
            raise UserError(
                f"baseline.{axis} is {shown(label)}, expected one of: {known}. Correct the"
                f" file.{_quotes_for([label])}"
            )
    return Grid(**shared(values), axes=axes, baseline=baseline)


def _options(axis: object, given: object) -> dict[Any, Values]:
    if not isinstance(axis, str):
        raise UserError(f"axes.{axis} is not text, expected a name. Correct the file.")
    if is_setting(axis):
        check_of_several_runs(axis, given, "axes")
        if not isinstance(given, list) or not given:
            raise UserError(
                f"axes.{axis} is {shown(given)}, expected a list of values. Write for example"
                f" '{axis}: [0, 1]'."
            )
        if any(isinstance(value, list | dict) for value in given):
            raise UserError(
                f"axes.{axis} holds lists or mappings, expected plain values. Give the axis a name"
                " without a dot, and a label to each of its settings."
            )
        if len(set(given)) != len(given):
            raise UserError(f"axes.{axis} repeats a value, expected each once. Correct the file.")
        return {value: setting(axis, value) for value in given}
    if not isinstance(given, Mapping) or not given:
        raise UserError(
            f"axes.{axis} is {shown(given)}, expected settings by label. Write for example '{axis}:"
            " {without: {augment: {mode: none}}, with: {augment: {mode: ada}}}', or an"
            " axis named section.key with a list of values."
        )
    options: dict[Any, Values] = {}
    for label, settings in given.items():
        check_sections(settings, f"axes.{axis}.{label}")
        if str(label) in options:
            raise UserError(
                f"axes.{axis} has two labels {str(label)!r}, as text and not, expected each once. Rename"
                f" one.{_quotes_for(given)}"
            )
        options[str(label)] = dict(settings)
    return options


def _quotes_for(labels: Iterable[object]) -> str:
    """What helps where a label that looks like a word is none."""
    if not any(isinstance(label, bool) for label in labels):
        return ""
    return " YAML reads off, no, on and yes as False and True: write them in quotes."
