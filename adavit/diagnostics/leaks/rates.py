"""From what a fallible probe reports to the rate behind it, with an interval."""

from dataclasses import dataclass

import numpy as np

REPLICATES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Confusion:
    """How a probe does on real images that it has not seen.

    Attributes:
        alarms: Whether each image as it is raised an alarm, bool [N].
        hits: Share of alarms on the same image operated, over several draws, float64 [N], in [0, 1].
    """

    alarms: np.ndarray
    hits: np.ndarray

    @property
    def sensitivity(self) -> float:
        """Share of operated images that are found."""
        return float(self.hits.mean())

    @property
    def specificity(self) -> float:
        """Share of other images that raise no alarm."""
        return float(1 - self.alarms.mean())

    @property
    def balanced_accuracy(self) -> float:
        """Mean of sensitivity and specificity; 0.5 is guessing."""
        return (self.sensitivity + self.specificity) / 2


@dataclass(frozen=True)
class Rate:
    """An estimated share of images.

    Attributes:
        value: In [0, 1].
        low: Start of the percentile interval at `LEVEL`, in [0, 1].
        high: Its end, in [0, 1].
        is_possible: Whether the interval touches [0, 1] before it is clipped. If not, the probe errs on
            these images in another way than on those it was measured on: for example with far fewer
            false alarms.
    """

    value: float
    low: float
    high: float
    is_possible: bool


def estimate_rate(alarms: np.ndarray, confusion: Confusion, random: np.random.Generator) -> Rate:
    """The share of operated images in a sample, from the probe's alarms on it.

    Rogan and Gladen 1978 ("Estimating prevalence from the results of a screening test", American
    Journal of Epidemiology 107): with a share t of alarms, sensitivity a and specificity b,

        rate = (t + b - 1) / (a + b - 1),   clipped to [0, 1].

    The interval is that of the percentiles of a bootstrap (Efron 1979) of all three. Operated test images
    are drawn anew, each with all of its draws, since those are not independent. Counts of yes and no are
    drawn from their Beta(k + 1/2, n - k + 1/2) (Brown, Cai and DasGupta 2001, "Interval estimation for a
    binomial proportion", Statistical Science 16): drawing images anew would call the absence of an alarm
    among a few images a certainty.

    Args:
        alarms: Whether each image of the sample raised an alarm, bool [M].
        confusion: The probe's; its balanced accuracy must be above 0.5.
        random: Source of the replicates.

    Returns:
        The estimate.

    Raises:
        ValueError: If the probe is no better than guessing.
    """
    if confusion.balanced_accuracy <= 0.5:
        raise ValueError(
            f"The balanced accuracy is {confusion.balanced_accuracy:.3f}, but must be above 0.5 to"
            " be inverted."
        )
    count = len(confusion.hits)
    hits = confusion.hits[random.integers(count, size=(REPLICATES, count))].mean(axis=1)
    replicates = _invert(_shares(alarms, random), _shares(confusion.alarms, random), hits)
    tail = (1 - LEVEL) / 2
    low, high = (float(end) for end in np.quantile(replicates, (tail, 1 - tail)))
    value = float(
        _invert(
            np.asarray(alarms.mean()),
            np.asarray(1 - confusion.specificity),
            np.asarray(confusion.sensitivity),
        )
    )
    # Where there is no alarm at all the share itself is the edge of what Beta draws.
    low, high = min(low, value), max(high, value)
    return Rate(_clip(value), _clip(low), _clip(high), is_possible=high >= 0 and low <= 1)


def _clip(share: float) -> float:
    return min(max(share, 0.0), 1.0)


def _shares(alarms: np.ndarray, random: np.random.Generator) -> np.ndarray:
    count = int(alarms.sum())
    return random.beta(count + 0.5, len(alarms) - count + 0.5, size=REPLICATES)


def _invert(alarms: np.ndarray, false_alarms: np.ndarray, hits: np.ndarray) -> np.ndarray:
    gain = np.maximum(hits - false_alarms, 1e-9)  # a replicate of a weak probe may lose it
    return np.asarray((alarms - false_alarms) / gain)
