"""A sweep file: shared settings, and the ranges in which a sampler looks for the best others."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from adavit.config.layers import Values, merge
from adavit.errors import UserError, shown
from adavit.experiments.experiment_file import (
    KEYS,
    ExperimentFile,
    check_of_several_runs,
    check_size,
    is_setting,
    read_experiment,
    setting,
    shared,
    shipped_names,
)

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

FOLDER = "sweeps"
DEFAULT_TRIALS = 20


@dataclass(frozen=True)
class Sweep(ExperimentFile):
    """A sweep as read from its file.

    Attributes:
        search: By setting, the values it may take, as in the file.
        metric: What is to be lowest, as in `metrics.names`; None is the first of them.
        trials: How many runs.
    """

    search: dict[str, Any]
    metric: str | None
    trials: int

    def distributions(self) -> "dict[str, BaseDistribution]":
        """What the sampler draws each setting from."""
        return {key: _distribution(key, values) for key, values in self.search.items()}

    def settings(self, chosen: Values) -> Values:
        """Those of the run that is to have the chosen values, by `section.key`, beside what all share."""
        return merge(self.base, *(setting(key, value) for key, value in chosen.items()))

    def with_overrides(
        self, layers: list[Values], *, metric: str | None, trials: int | None
    ) -> "Sweep":
        """The sweep with other shared settings.

        Raises:
            UserError: If a layer sets what is searched for, or has no sections, or there are too many
                trials.
        """
        check_size(trials or self.trials, f"sweep {self.name!r}", "runs", "trials")
        base = self.overridden_base(
            layers, varied=self.search, reason=f"sweep {self.name!r} searches for it"
        )
        return replace(self, base=base, metric=metric or self.metric, trials=trials or self.trials)

    def as_yaml(self) -> str:
        """The sweep as a file that `read_sweep` reads to the same sweep."""
        metric = {"metric": self.metric} if self.metric else {}
        return self.to_yaml(search=self.search, **metric, trials=self.trials)


def sweep_names() -> list[str]:
    """Sweeps that are shipped."""
    return shipped_names(FOLDER)


def read_sweep(source: str) -> Sweep:
    """A sweep from a YAML file, or a shipped one by name; a path wins over a name.

    Raises:
        UserError: If there is none, or it is not a sweep.
    """
    values = read_experiment(
        source,
        folder=FOLDER,
        noun="sweep",
        keys={**KEYS, "search": dict, "metric": str, "trials": int},
        others={"axes": "ablate"},
        defaults={"trials": DEFAULT_TRIALS},
    )
    if not values["search"]:
        raise UserError(
            f"{source!r} has no search, expected at least one setting with its range. Write for"
            " example 'search: {training.r1_gamma: {low: 0.001, high: 10, log: true}}'."
        )
    sweep = Sweep(
        **shared(values),
        search=values["search"],
        metric=values["metric"] or None,
        trials=values["trials"],
    )
    if sweep.trials < 1:
        raise UserError(f"trials is {sweep.trials}, expected at least 1. Correct the file.")
    sweep.distributions()
    return sweep


def _distribution(key: object, values: object) -> "BaseDistribution":
    # Where it is needed: names of sweeps are asked for without a sampler.
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    where = f"search.{key}"
    if not isinstance(key, str) or not is_setting(key):
        raise UserError(
            f"{where} is not a setting, expected section.key. Write for example training.r1_gamma."
        )
    check_of_several_runs(key, values, "search")
    if isinstance(values, list) and values:
        if any(isinstance(value, list | dict) for value in values):
            raise UserError(f"{where} holds lists or mappings, expected plain values.")
        return CategoricalDistribution(values)
    if not isinstance(values, Mapping) or not {"low", "high"} <= values.keys() <= {
        "low",
        "high",
        "log",
    }:
        raise UserError(
            f"{where} is {shown(values)}, expected a list of values, or low, high and perhaps log. Write"
            f" for example '{key}: {{low: 0.001, high: 10, log: true}}'."
        )
    low, high, log = _number(values["low"]), _number(values["high"]), values.get("log", False)
    if not isinstance(log, bool) or not low < high or (log and low <= 0):
        raise UserError(
            f"{where} is {shown(values)}, expected numbers with low below high, and low above 0 with"
            " log: true. Correct the file."
        )
    # Whole numbers in the file mean that whole numbers are drawn: batch, depth.
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=log)
    return FloatDistribution(low, high, log=log)


def _number(value: object) -> int | float:
    """A finite number, also where YAML takes it for text, as it does 1e-3; nan, which is below nothing, for others."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return math.nan
    if not math.isfinite(number):
        return math.nan
    return value if isinstance(value, int) else number
