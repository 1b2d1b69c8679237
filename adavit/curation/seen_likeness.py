"""What a small network sees of images, which confirms near copies whose pixels are too far apart.

The network is that of the extractor `drawn`, which comes with the package. It was trained on drawings and knows nothing
of other things, but two versions of one picture it sees alike: another JPEG, another cut by a few percent. Light and
contrast are taken out first, and features are whitened over the set, so that what all its images share does not count.
How near two images must be is measured on the set too, as drawings of one pattern lie far nearer to each other than
photographs do.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from adavit.metrics.extractors.drawn_features import drawn_features

CONTRAST = 0.5
"""Root mean square of the pixels that the network sees."""

SHRINKAGE = 0.1
"""Share of the mean variance that is added to each before features are divided by it."""

FARTHEST = 0.06
"""Images that are farther apart are never confirmed: one less the cosine between their features..."""

SHARE, QUANTILE = 0.3, 0.01
"""...nor are those that are farther than this share of how near different images of the set come to each other: of the
distance of an image to the nearest that cannot be its copy, the quantile over the set."""

FEWEST, PROBED = 20, 1000
"""Fewer images say nothing of how near different ones come; of more so many are asked."""

_ROWS = 250


class SeenLikeness:
    """How far apart a network sees some images.

    Args:
        small: float32 [N, C, S, S] in 0..255, C of 1, 3 or 4, colour multiplied by alpha.
        candidates: Pairs of indices that may be copies as they are, not mirrored; all other images are different.

    Attributes:
        limit: Distance within which two images are the same picture; 0 of fewer than `FEWEST`.
    """

    def __init__(self, small: Tensor, candidates: Sequence[tuple[int, int]]) -> None:
        self._small = small
        self._network = drawn_features()
        features = torch.cat([self._features(block) for block in small.split(_ROWS)])
        self._mean, self._whitening = features.mean(0), _whitening(features)
        self._directions = self._whitened(features)
        self._mirrored: dict[int, Tensor] = {}  # of those that were asked for
        self.limit = self._limit(candidates) if len(small) >= FEWEST else 0.0

    def distance(self, first: int, second: int, *, mirrored: bool) -> float:
        """Of two images.

        Args:
            first: Index of one.
            second: Index of the other.
            mirrored: Whether the second is flipped left and right before.

        Returns:
            One less the cosine between their features, 0 to 2.
        """
        other = self._flipped(second) if mirrored else self._directions[second]
        return float(1 - self._directions[first] @ other)

    def _flipped(self, index: int) -> Tensor:
        if index not in self._mirrored:
            features = self._features(self._small[index : index + 1].flip(-1))
            self._mirrored[index] = self._whitened(features)[0]
        return self._mirrored[index]

    def _features(self, small: Tensor) -> Tensor:
        pixels = small - small.mean((2, 3), keepdim=True)
        contrast = pixels.square().mean((1, 2, 3), keepdim=True).sqrt()
        pixels = CONTRAST * pixels / contrast.clamp(min=1)
        if pixels.shape[1] == 4:  # a dark shape is seen by its alpha
            pixels = pixels[:, :3] + pixels[:, 3:]
        return self._network.of_unrounded(pixels.clamp(-1, 1))

    def _whitened(self, features: Tensor) -> Tensor:
        return F.normalize((features - self._mean) @ self._whitening, dim=1)

    def _limit(self, candidates: Sequence[tuple[int, int]]) -> float:
        step = -(-len(self._directions) // PROBED)
        nearness = self._directions[::step] @ self._directions.T
        same = [(at, at) for at in range(len(self._directions))]
        for first, second in (*same, *candidates, *(pair[::-1] for pair in candidates)):
            if first % step == 0:
                nearness[first // step, second] = -1
        nearest_other = 1 - nearness.amax(dim=1)
        return min(FARTHEST, SHARE * float(nearest_other.quantile(QUANTILE)))


def _whitening(features: Tensor) -> Tensor:
    """[F, F] that makes features [N, F], less their mean, uncorrelated and of about the same variance."""
    deviations = (features - features.mean(0)).double()
    values, vectors = torch.linalg.eigh(deviations.T @ deviations / len(features))
    values = values.clamp(min=0)
    scales = (values + SHRINKAGE * values.mean()).clamp(min=1e-12).rsqrt()
    return (vectors * scales @ vectors.T).float()
