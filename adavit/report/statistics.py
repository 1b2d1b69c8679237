"""Mean and standard deviation over seeds, and the confidence interval of a difference."""

import statistics
from collections.abc import Mapping

import numpy as np

from adavit.report.table import Difference

RESAMPLES = 10_000
CONFIDENCE = 0.95
FEW_PAIRS = 5
"""Below this the percentile interval covers the truth clearly less often than it says."""

VERDICT_PAIRS = 3
"""With two pairs, equal signs are as likely as not by chance alone: nothing is called better."""


def mean_and_spread(values: Mapping[str, float]) -> tuple[float, float | None]:
    """Mean and sample standard deviation (n - 1) over seeds; one value has no spread."""
    numbers = list(values.values())
    return statistics.mean(numbers), statistics.stdev(numbers) if len(numbers) > 1 else None


def paired_difference(
    values: Mapping[str, float], baseline: Mapping[str, float]
) -> Difference | None:
    """Mean difference over the seeds that both have, with a percentile bootstrap interval.

    Pairs of one seed share images, order and initial weights, so their difference varies less than
    the two values do. The interval is that of Efron (1979, "Bootstrap methods", section 2, by
    resampling the pairs): it is never wider than the range of the differences, with two pairs it is
    that range, and with fewer than five it is narrower than 95% deserves.

    Args:
        values: Figure by seed.
        baseline: Figure of the baseline by seed.

    Returns:
        The difference; its interval is None with fewer than two common seeds. None without any.
    """
    common = sorted(values.keys() & baseline.keys())
    if not common:
        return None
    differences = np.array([values[seed] - baseline[seed] for seed in common], dtype=np.float64)
    mean = float(differences.mean())
    if len(common) == 1:
        return Difference(mean=mean, low=None, high=None, pairs=1)
    # A stream of its own with a fixed start: the same runs give the same report.
    stream = np.random.default_rng(0)
    drawn = stream.integers(0, len(common), (RESAMPLES, len(common)))
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(differences[drawn].mean(axis=1), [tail, 100 - tail])
    return Difference(mean=mean, low=float(low), high=float(high), pairs=len(common))
