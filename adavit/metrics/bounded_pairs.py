"""A bound on metrics that look at every pair of images, whose time grows with the square of their number.

50,000 images a side, as published figures have, take under a minute on two cores; 200,000 would take sixteen times
that. Beyond the bound a part of the images is drawn, and the protocol says so.
"""

import torch
from torch import Tensor

from adavit.metrics.extractors.extractor import FeatureExtractor
from adavit.metrics.measure import Measure
from adavit.metrics.real_features import RealFeatures

MOST_PAIRED = 50_000
"""Images of a side, of which all pairs are looked at."""

SEED = 0


def drawn_part(count: int) -> Tensor | None:
    """Which of so many images stand for all of them: their numbers in order, or None for all."""
    if count <= MOST_PAIRED:
        return None
    generator = torch.Generator().manual_seed(SEED)
    return torch.randperm(count, generator=generator)[:MOST_PAIRED].sort().values


def bounded_figures(
    measure: Measure, fakes: Tensor, real: RealFeatures, extractor: FeatureExtractor
) -> dict[str, float]:
    """`Measure.figures`, of parts of either side where a measure of pairs would take too long."""
    if not measure.looks_at_pairs:
        return measure.figures(fakes, real, extractor)
    chosen = drawn_part(len(fakes))
    few = fakes if chosen is None else fakes[chosen.to(fakes.device)]
    return measure.figures(few, real.part(drawn_part(len(real))), extractor)


def bounded_setting(measure: Measure, n_fake: int, n_real: int) -> str:
    """`Measure.setting`, with the images that are drawn.

    Raises:
        UserError: As `Measure.setting`.
    """
    setting = measure.setting(n_fake, n_real)
    if not measure.looks_at_pairs or max(n_fake, n_real) <= MOST_PAIRED:
        return setting
    parts = [
        f"{min(count, MOST_PAIRED):,} of {count:,} {side}"
        for count, side in ((n_fake, "generated"), (n_real, "real"))
    ]
    return f"{setting} of a part drawn with seed {SEED}: {', '.join(parts)}"
