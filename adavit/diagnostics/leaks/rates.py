"""Estimates a rate with its interval from the alarms of a probe of known errors; `leaks.png`, their picture."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from adavit.runtime.pictures import figure_png
from adavit.runtime.streams import for_terminal

REPLICATES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Confusion:
    """Alarms of a probe at real images that it was not trained on, as they are and operated.

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


SERIES = (
    ("rate", "generated images", "#b3261e", -0.18),
    ("control_rate", "held-out real images (control)", "#5b6b7b", 0.18),
)
BAR_HEIGHT = 0.32
HEADING_CHARACTERS = 100  # of a line


def draw_rates(operations: Sequence[dict[str, Any]], title: str, warning: str = "") -> bytes:
    """Horizontal bars, one pair per operation.

    Args:
        operations: Entries of the record of `leaks`.
        title: Above all.
        warning: Below the title, if there is one.

    Returns:
        The content of a PNG file, plain RGB.
    """
    figure = Figure(
        figsize=(7.5, 1.5 + 0.42 * len(operations)), layout="constrained", facecolor="white"
    )
    axis = figure.subplots()
    for key, label, color, offset in SERIES:
        _draw_series(axis, operations, key, label, color, offset)
    for row, entry in enumerate(operations):
        if "cannot_be_told" in entry:
            axis.text(
                0.5,
                row,
                f"cannot be told{_accuracy(entry)}",
                color="#888888",
                fontsize=8,
                va="center",
            )
    axis.set_yticks(range(len(operations)), [_name(entry) for entry in operations], fontsize=9)
    axis.set_ylim(len(operations) - 0.5, -0.5)
    axis.set_xlim(0, _right_end(operations))
    axis.set_xlabel("share of images, %, with 95% interval", fontsize=8)
    axis.tick_params(labelsize=8)
    axis.grid(axis="x", alpha=0.3)
    axis.set_axisbelow(True)
    lines = "\n".join(textwrap.fill(text, HEADING_CHARACTERS) for text in (title, warning) if text)
    axis.set_title(for_terminal(lines), fontsize=9, parse_math=False, loc="left")
    if axis.containers:
        figure.legend(
            *axis.get_legend_handles_labels(), fontsize=8, loc="outside lower center", ncols=2
        )
    return figure_png(figure, dpi=110)


def _draw_series(
    axis: Axes,
    operations: Sequence[dict[str, Any]],
    key: str,
    label: str,
    color: str,
    offset: float,
) -> None:
    rows = [(row, entry[key]) for row, entry in enumerate(operations) if key in entry]
    if not rows:
        return
    values = [100 * rate["value"] for _, rate in rows]
    below = [100 * max(0.0, rate["value"] - rate["low"]) for _, rate in rows]
    above = [100 * max(0.0, rate["high"] - rate["value"]) for _, rate in rows]
    axis.barh(
        [row + offset for row, _ in rows],
        values,
        height=BAR_HEIGHT,
        color=color,
        alpha=0.75,
        label=label,
        xerr=(below, above),
        error_kw={"elinewidth": 1, "capsize": 2},
    )


def _right_end(operations: Sequence[dict[str, Any]]) -> float:
    highest = [entry[key]["high"] for entry in operations for key, *_ in SERIES if key in entry]
    return max(10.0, 100 * min(1.0, 1.08 * max(highest, default=0.0)))


def _accuracy(entry: dict[str, Any]) -> str:
    accuracy = entry.get("balanced_accuracy")
    return "" if accuracy is None else f" (balanced accuracy {accuracy:.2f})"


def _name(entry: dict[str, Any]) -> str:
    return f"{entry['operation']} (doubtful)" if entry.get("doubtful") else str(entry["operation"])
