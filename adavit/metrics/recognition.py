"""Metrics of what an extractor recognises: the share of images, the kinds of thing, the modes of their attributes.

They need an extractor that knows all there is to be drawn, as `drawn` does of `small_set`.
"""

import torch
from torch import Tensor

from adavit.errors import UserError
from adavit.metrics.extractors.extractor import (
    FeatureExtractor,
    Recognised,
    RecognisingExtractor,
)
from adavit.metrics.measure import Measure
from adavit.metrics.names import RECOGNITION
from adavit.metrics.real_features import RealFeatures

FAIR_PART = 10
"""A kind or a mode counts as covered from one part in so many of its fair share of images on: a stray image does not
make one. Whole numbers, as shares that are equal differ where they are rounded."""

SMALLEST_MODE = 500
"""Modes that hold less than one in so many of the real images are left out."""


class _Recognition(Measure):
    """A metric of what is recognised."""

    def check_extractor(self, extractor: FeatureExtractor) -> None:
        """See `Measure`: it needs one that recognises things."""
        recognising(extractor)


class RecognisedShare(_Recognition):
    """Share of generated images in which a kind is recognised."""

    def figures(
        self, fakes: Tensor, real: RealFeatures, extractor: FeatureExtractor
    ) -> dict[str, float]:
        """The share, in [0, 1]; see `Measure.figures`."""
        found = recognising(extractor).recognise(fakes)
        return {"": float((found.kinds >= 0).double().mean())}

    def setting(self, n_fake: int, n_real: int) -> str:
        """As `Measure.setting`."""
        return "confidence that 99.9% of real drawings reach"


class Kinds(_Recognition):
    """Number of kinds that are recognised in a tenth of an even share of the images at least."""

    def figures(
        self, fakes: Tensor, real: RealFeatures, extractor: FeatureExtractor
    ) -> dict[str, float]:
        """The number, from 0 to that of all kinds; see `Measure.figures`."""
        network = recognising(extractor)
        kinds = len(network.kinds)
        found = _counts(network.recognise(fakes).kinds, kinds)
        return {"": float((FAIR_PART * kinds * found >= len(fakes)).sum())}

    def setting(self, n_fake: int, n_real: int) -> str:
        """As `Measure.setting`."""
        return f"from {1 / FAIR_PART:.0%} of an even share on"


class Modes(_Recognition):
    """Share of the modes of real images that generated ones cover.

    A mode is a kind with one bin of one attribute, such as a boat that faces left; it is covered from a tenth of its
    share of the real images on.
    """

    def figures(
        self, fakes: Tensor, real: RealFeatures, extractor: FeatureExtractor
    ) -> dict[str, float]:
        """The share, in [0, 1]; 0 where no real image is recognised; see `Measure.figures`."""
        network = recognising(extractor)
        sides = [network.recognise(each) for each in (real.on_device, fakes)]
        bins = 1 + max(int(side.attributes.max()) for side in sides)
        n_real, n_fake = (len(side.kinds) for side in sides)
        fair, found = (_mode_counts(side, len(network.kinds), bins) for side in sides)
        counted = SMALLEST_MODE * fair >= n_real
        covered = FAIR_PART * found[counted] * n_real >= fair[counted] * n_fake
        return {"": float(covered.double().mean()) if len(covered) else 0.0}

    def setting(self, n_fake: int, n_real: int) -> str:
        """As `Measure.setting`."""
        return (
            f"from {1 / FAIR_PART:.0%} of their real share on, of {1 / SMALLEST_MODE:.1%} at least"
        )


def recognising(extractor: FeatureExtractor) -> RecognisingExtractor:
    """The extractor, if it recognises things.

    Raises:
        UserError: If it does not.
    """
    if isinstance(extractor, RecognisingExtractor):
        return extractor
    raise UserError(
        f"metrics name {', '.join(RECOGNITION)}, or one of them, but extractor {extractor.name} recognises"
        " nothing; expected drawn, of small_set. Leave them out, or use extractor drawn."
    )


def _counts(codes: Tensor, count: int) -> Tensor:
    """How often each code from 0 to `count` occurs, int64 [count]; negative ones are of no code."""
    return torch.bincount(codes[codes >= 0], minlength=count)


def _mode_counts(seen: Recognised, kinds: int, bins: int) -> Tensor:
    """Number of images of each mode, int64 [kinds * A * bins]."""
    attributes = seen.attributes.shape[1]
    place = seen.kinds[:, None] * attributes + torch.arange(attributes, device=seen.kinds.device)
    codes = torch.where(seen.kinds[:, None] < 0, -1, place * bins + seen.attributes)  # [N, A]
    return _counts(codes.flatten(), kinds * attributes * bins)
