"""The metrics there are, each as its class describes it."""

import inspect
from dataclasses import dataclass

from adavit.config.settings import settings_of
from adavit.evaluation.generator_measures import GENERATOR_MEASURES
from adavit.metrics.measures import MEASURES
from adavit.metrics.names import (
    HIGHER_IS_BETTER,
    METRICS,
    REFERENCE_EXTRACTORS,
    WITHOUT_REAL_IMAGES,
)
from adavit.runtime.file_heads import first_clause


@dataclass(frozen=True)
class KnownMetric:
    """A metric.

    Attributes:
        name: As `--metrics` takes it.
        meaning: In a clause.
        better: "lower" or "higher".
        extractor: Whose features a figure of that plain name is of.
        real_images: Whether real images are compared with.
        in_training: Whether a run can measure it while it trains; `adavit evaluate` measures all.
    """

    name: str
    meaning: str
    better: str
    extractor: str
    real_images: bool
    in_training: bool


def known_metrics() -> list[KnownMetric]:
    """All of them, in the order of `METRICS`."""
    in_training = settings_of()["metrics.names"].choices
    return [
        KnownMetric(
            name=name,
            meaning=first_clause(_description(name)),
            better="higher" if name in HIGHER_IS_BETTER else "lower",
            extractor=REFERENCE_EXTRACTORS[name],
            real_images=name not in WITHOUT_REAL_IMAGES,
            in_training=name in in_training,
        )
        for name in METRICS
    ]


def _description(name: str) -> str:
    measure = MEASURES.get(name) or GENERATOR_MEASURES[name]
    return inspect.getdoc(type(measure)) or ""
