"""Two cells side by side over the seeds that both have, and what may be said of it."""

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from scipy.special import stdtr

from adavit.report.statistics import VERDICT_PAIRS, mean_and_spread, paired_difference
from adavit.report.table import Difference

LOWER, LEVEL, HIGHER, UNTOLD = "lower", "level", "higher", "cannot be told"

RISK = 0.05
"""Of calling any of several comparisons clear where there is nothing to be found."""


@dataclass(frozen=True)
class Comparison:
    """A figure of one cell minus that of another.

    Attributes:
        difference: Mean with its paired bootstrap interval; None without a common seed.
        pairs: The difference at each common seed.
    """

    difference: Difference | None
    pairs: tuple[float, ...] = ()

    @classmethod
    def of(cls, values: Mapping[str, float], others: Mapping[str, float]) -> "Comparison":
        """The first less the second, by seed."""
        pairs = tuple(values[seed] - others[seed] for seed in values if seed in others)
        return cls(paired_difference(values, others), pairs)

    @property
    def chance(self) -> float:
        """The two-sided p-value of a paired t test: how often chance alone makes such differences."""
        if self.word in (LEVEL, UNTOLD):
            return 1.0
        error = statistics.stdev(self.pairs) / math.sqrt(len(self.pairs))
        t = abs(statistics.mean(self.pairs)) / error if error else math.inf
        return 2 * float(stdtr(len(self.pairs) - 1, -t))

    @property
    def word(self) -> str:
        """How the first stands to the second: level where the interval holds 0; not told below three pairs."""
        found = self.difference
        if found is None or found.pairs < VERDICT_PAIRS:
            return UNTOLD
        if not found.excludes_zero:
            return LEVEL
        return LOWER if found.mean < 0 else HIGHER

    @property
    def text(self) -> str:
        """Mean, interval and word, for a table."""
        found = self.difference
        if found is None:
            return UNTOLD
        interval = "" if found.low is None else f" [{found.low:+.3g}, {found.high:+.3g}]"
        return f"{found.mean:+.3g}{interval}, {self.word}"


def clear_among(found: Mapping[str, Comparison], word: str) -> list[str]:
    """Which of several comparisons have a word that is not one of many's by chance.

    With three seeds one comparison in eight is lower by chance, so of eight one may well be. Clear is what a paired t
    test still tells when `RISK` is divided by their number (Bonferroni).

    Args:
        found: All that were made, by name.
        word: `LOWER` or `HIGHER`.
    """
    risk = RISK / max(1, len(found))
    return [name for name, each in found.items() if each.word == word and each.chance <= risk]


def factors(values: Mapping[str, float], baseline: Mapping[str, float]) -> dict[str, float]:
    """How many times lower a figure is than the baseline's, as a natural logarithm, by seed.

    Distances grow as images get fewer; what a method brings is compared in proportion.
    """
    return {seed: math.log(baseline[seed] / values[seed]) for seed in values if seed in baseline}


def spread(values: Mapping[str, float], form: str = ".3g") -> str:
    """Mean and standard deviation over seeds, for a table.

    Args:
        values: By seed.
        form: Of each number.
    """
    if not values:
        return "-"
    mean, deviation = mean_and_spread(values)
    return f"{mean:{form}}" + ("" if deviation is None else f" ± {deviation:{form}}")


def mean(values: Mapping[str, float]) -> float:
    """Mean over seeds; infinite where there are none, so that such a cell is never the best."""
    return mean_and_spread(values)[0] if values else math.inf
