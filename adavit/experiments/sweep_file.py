"""A sweep file: shared settings, and the ranges in which a sampler looks for the best others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from adavit.config.layers import Values, flatten, merge
from adavit.errors import UserError
from adavit.experiments.experiment_file import (
    base_layer,
    check_sections,
    is_setting,
    read_experiment,
    shipped_names,
)

FOLDER = "sweeps"
KEYS = {
    "name": str,
    "description": str,
    "preset": str,
    "base": dict,
    "search": dict,
    "metric": str,
    "trials": int,
}
DEFAULT_TRIALS = 20


@dataclass(frozen=True)
class Sweep:
    """A sweep as read from its file.

    Attributes:
        name: Of the sweep; also of its queue and its folder.
        description: What it looks for, for people.
        base: Sections of keys that all runs share.
        search: By setting, the values it may take, as in the file.
        metric: What is to be lowest, as in `metrics.names`; None is the first of them.
        trials: How many runs.
    """

    name: str
    description: str
    base: Values
    search: dict[str, Any]
    metric: str | None
    trials: int

    def distributions(self) -> dict[str, BaseDistribution]:
        """What the sampler draws each setting from."""
        return {key: _distribution(key, values) for key, values in self.search.items()}

    def with_overrides(
        self, layers: list[Values], *, metric: str | None, trials: int | None
    ) -> "Sweep":
        """The sweep with other shared settings.

        Raises:
            UserError: If a layer sets what is searched for.
        """
        given = merge(*layers)
        check_sections(given, "--set")
        for key in flatten(given):
            if key in self.search:
                raise UserError(
                    f"{key} is given, but sweep {self.name!r} searches for it. Leave it out, or"
                    " change the file."
                )
        return Sweep(
            self.name,
            self.description,
            merge(self.base, given),
            self.search,
            metric or self.metric,
            trials or self.trials,
        )

    def as_yaml(self) -> str:
        """The sweep as a file that `read_sweep` reads to the same sweep."""
        values = {
            "name": self.name,
            "description": self.description,
            "base": self.base,
            "search": self.search,
            **({"metric": self.metric} if self.metric else {}),
            "trials": self.trials,
        }
        return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def sweep_names() -> list[str]:
    """Sweeps that are shipped."""
    return shipped_names(FOLDER)


def read_sweep(source: str) -> Sweep:
    """A sweep from a YAML file, or a shipped one by name; a path wins over a name.

    Raises:
        UserError: If there is none, or it is not a sweep.
    """
    values = read_experiment(source, folder=FOLDER, keys=KEYS)
    if not values["search"]:
        raise UserError(
            f"{source!r} has no search, expected at least one setting with its range. Write for"
            " example 'search: {training.r1_gamma: {low: 0.001, high: 10, log: true}}'."
        )
    sweep = Sweep(
        values["name"],
        values["description"].strip(),
        base_layer(values),
        values["search"],
        values["metric"] or None,
        values["trials"] or DEFAULT_TRIALS,
    )
    if sweep.trials < 1:
        raise UserError(f"trials is {sweep.trials}, expected at least 1. Correct the file.")
    sweep.distributions()
    return sweep


def _distribution(key: object, values: object) -> BaseDistribution:
    where = f"search.{key}"
    if not isinstance(key, str) or not is_setting(key):
        raise UserError(
            f"{where} is no setting, expected section.key. Write for example training.r1_gamma."
        )
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
            f"{where} is {values!r}, expected a list of values, or low, high and perhaps log. Write"
            f" for example '{key}: {{low: 0.001, high: 10, log: true}}'."
        )
    low, high, log = values["low"], values["high"], values.get("log", False)
    numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in (low, high))
    if not numbers or not isinstance(log, bool) or not low < high or (log and low <= 0):
        raise UserError(
            f"{where} is {values!r}, expected numbers with low below high, and low above 0 with"
            " log: true. Correct the file."
        )
    # Whole numbers in the file mean that whole numbers are drawn: batch, depth.
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=log)
    return FloatDistribution(low, high, log=log)
