"""What a small network sees of images, which confirms near copies whose pixels are too far apart.

The network is that of the extractor `drawn`, which comes with the package. It was trained on drawings and knows nothing
of other things, but two versions of one picture it sees alike: another JPEG, another cut by a few percent. Light and
contrast are taken out first, and features are whitened over the set, so that what all its images share does not count.
How near two images must be is measured on the set too, as drawings of one pattern lie far nearer to each other than
photographs do.
"""

from collections.abc import Callable

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
        may_be_copies: Which images may be copies of some, as they are, not mirrored: of int64 [R] it gives bool [R, N];
            all others are different.

    Attributes:
        limit: Distance within which two images are the same picture; 0 of fewer than `FEWEST`.
    """

    def __init__(self, small: Tensor, may_be_copies: Callable[[Tensor], Tensor]) -> None:
        self._small = small
        self._network = drawn_features()
        features = torch.cat([self._features(block) for block in small.split(_ROWS)])
        self._mean, self._whitening = features.mean(0), _whitening(features)
        self._directions = self._whitened(features)
        self._mirrored: dict[int, Tensor] = {}  # of those that were asked for
        self.limit = self._limit(may_be_copies) if len(small) >= FEWEST else 0.0

    def distances(self, first: int, others: Tensor, *, mirrored: bool) -> Tensor:
        """Between an image and others.

        Args:
            first: Index of the one.
            others: int64 [M], indices of the others.
            mirrored: Whether these are flipped left and right before.

        Returns:
            One less the cosine between their features, float32 [M] of 0 to 2.
        """
        directions = self._flipped(others) if mirrored else self._directions[others]
        return 1 - directions @ self._directions[first]

    def _flipped(self, indices: Tensor) -> Tensor:
        new = [index for index in indices.tolist() if index not in self._mirrored]
        if new:
            features = self._features(self._small[new].flip(-1))
            self._mirrored |= zip(new, self._whitened(features), strict=True)
        return torch.stack([self._mirrored[index] for index in indices.tolist()])

    def _features(self, small: Tensor) -> Tensor:
        pixels = small - small.mean((2, 3), keepdim=True)
        contrast = pixels.square().mean((1, 2, 3), keepdim=True).sqrt()
        pixels = CONTRAST * pixels / contrast.clamp(min=1)
        if pixels.shape[1] == 4:  # a dark shape is seen by its alpha
            pixels = pixels[:, :3] + pixels[:, 3:]
        return self._network.of_unrounded(pixels.clamp(-1, 1))

    def _whitened(self, features: Tensor) -> Tensor:
        return F.normalize((features - self._mean) @ self._whitening, dim=1)

    def _limit(self, may_be_copies: Callable[[Tensor], Tensor]) -> float:
        step = -(-len(self._directions) // PROBED)
        asked = torch.arange(0, len(self._directions), step)
        nearness = self._directions[asked] @ self._directions.T
        nearness[may_be_copies(asked)] = -1
        nearness[torch.arange(len(asked)), asked] = -1
        nearest_other = 1 - nearness.amax(dim=1)
        return min(FARTHEST, SHARE * float(nearest_other.quantile(QUANTILE)))


def _whitening(features: Tensor) -> Tensor:
    """[F, F] that makes features [N, F], less their mean, uncorrelated and of about the same variance."""
    deviations = (features - features.mean(0)).double()
    values, vectors = torch.linalg.eigh(deviations.T @ deviations / len(features))
    values = values.clamp(min=0)
    scales = (values + SHRINKAGE * values.mean()).clamp(min=1e-12).rsqrt()
    return (vectors * scales @ vectors.T).float()
