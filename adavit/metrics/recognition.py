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

FAIR_PART = 0.1
"""A kind or a mode counts as covered from this part of its fair share of images on: a stray image does not make one."""

SMALLEST_MODE = 0.002
"""Modes that hold less of the real images are left out."""


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
        shares = _shares(network.recognise(fakes).kinds, len(network.kinds))
        return {"": float((shares >= FAIR_PART / len(network.kinds)).sum())}

    def setting(self, n_fake: int, n_real: int) -> str:
        """As `Measure.setting`."""
        return f"from {FAIR_PART:.0%} of an even share on"


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
        fair, found = (_mode_shares(side, len(network.kinds), bins) for side in sides)
        counted = fair >= SMALLEST_MODE
        covered = found[counted] >= FAIR_PART * fair[counted]
        return {"": float(covered.double().mean()) if len(covered) else 0.0}

    def setting(self, n_fake: int, n_real: int) -> str:
        """As `Measure.setting`."""
        return f"from {FAIR_PART:.0%} of their real share on, of {SMALLEST_MODE:.1%} at least"


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


def _shares(codes: Tensor, count: int) -> Tensor:
    """Share of each code from 0 to `count`, float64 [count]; negative ones are of no code, but count as images."""
    return torch.bincount(codes[codes >= 0], minlength=count).double() / max(1, len(codes))


def _mode_shares(seen: Recognised, kinds: int, bins: int) -> Tensor:
    """Share of images of each mode, float64 [kinds * A * bins]."""
    attributes = seen.attributes.shape[1]
    place = seen.kinds[:, None] * attributes + torch.arange(attributes, device=seen.kinds.device)
    codes = torch.where(seen.kinds[:, None] < 0, -1, place * bins + seen.attributes)  # [N, A]
    # Each image is of A modes, so that the shares are of codes times A.
    return attributes * _shares(codes.flatten(), kinds * attributes * bins)
