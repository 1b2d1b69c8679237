"""The names that figures are recorded under.

A plain name belongs to the extractor that the figure is published with: `fid` and `kid` to
Inception, `precision` and `recall` to VGG16. With any other extractor the name ends in that
extractor's, and a Frechet distance is `fd`, not `fid`.
"""

import difflib
from collections.abc import Sequence

from adavit.errors import UserError

REFERENCE_EXTRACTORS = {
    "fid": "inception",  # Heusel et al. 2017
    "kid": "inception",  # Binkowski et al. 2018
    "kid_subsets": "inception",
    "precision": "vgg16",  # Kynkaanniemi et al. 2019, and pr50k3 since
    "recall": "vgg16",
    "density": "vgg16",  # Naeem et al. 2020
    "coverage": "vgg16",
    "is": "inception",  # Salimans et al. 2016
    "ppl": "lpips-vgg16",  # Karras et al. 2019
    "fid_infinity": "inception",  # Chong and Forsyth 2020
    "recognised": "drawn",
    "kinds": "drawn",
    "modes": "drawn",
}
"""Extractor that each metric's plain name belongs to."""

METRICS = tuple(REFERENCE_EXTRACTORS)
"""Every metric there is."""

RECOGNITION = ("recognised", "kinds", "modes")
"""Metrics of what an extractor recognises: `adavit.metrics.recognition`."""

HIGHER_IS_BETTER = ("precision", "recall", "density", "coverage", "is", *RECOGNITION)

WITHOUT_REAL_IMAGES = ("is", "ppl", "recognised", "kinds")
"""Metrics that look at generated images alone."""


def recorded_name(metric: str, extractor: str) -> str:
    """The name a metric is recorded under.

    Args:
        metric: One of `METRICS`.
        extractor: Name of what it is measured with.

    Returns:
        For example "fid" with "inception", "fd_random" with "random".
    """
    if extractor == REFERENCE_EXTRACTORS[metric]:
        return metric
    return f"{metric.replace('fid', 'fd', 1)}_{extractor}"


def metric_of(recorded: str) -> str | None:
    """The metric that a recorded name is of: the inverse of `recorded_name`.

    Args:
        recorded: A key of a record, for example "fd_random" or "fid_floor".

    Returns:
        The metric, or None for anything else, such as the score of real images or a spread.
    """
    if recorded in METRICS:
        return recorded
    if recorded.endswith(REAL_SCORES) or recorded.endswith("_std"):
        return None
    plain = recorded.replace("fd", "fid", 1) if recorded.startswith("fd") else recorded
    known = [metric for metric in METRICS if plain.startswith(f"{metric}_")]
    return max(known, key=len, default=None)


REAL_SCORES = ("_floor", "_at_floor", "_training", "_halves")
"""Endings of what real images score beside a figure (`adavit.metrics.reference`)."""


def check_names(metrics: Sequence[str], known: Sequence[str] = METRICS) -> None:
    """Refuses metrics that are unknown or named twice.

    Args:
        metrics: As the user names them.
        known: What may be named.

    Raises:
        UserError: If one is unknown or repeated, or there is none.
    """
    for metric in metrics:
        if metric not in known:
            close = difflib.get_close_matches(metric, known, n=1)
            hint = f"Did you mean {close[0]}?" if close else "Use for example fid,kid."
            raise UserError(f"metrics name '{metric}', but must be of {', '.join(known)}. {hint}")
    if not metrics or len(set(metrics)) < len(metrics):
        raise UserError(
            f"metrics are '{','.join(metrics)}', but must name each metric once. Use for example"
            " fid,kid."
        )
