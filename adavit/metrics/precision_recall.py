"""Precision and recall by neighbourhoods: how realistic the images are, and how much they cover."""

from dataclasses import dataclass

import torch
from torch import Tensor

from adavit.metrics.extractors.extractor import FeatureExtractor
from adavit.metrics.neighbours import (
    check_neighbours,
    squared_distance_blocks,
    squared_radii,
)
from adavit.metrics.side import Side

K = 3


@dataclass(frozen=True)
class Precision:
    """Share of generated images inside the manifold of real ones.

    Kynkaanniemi et al. 2019 (arXiv:1904.06991, equations 1 and 2): the manifold is the union of the
    balls around all real features that reach to their k-th nearest neighbour. With VGG16 and k = 3,
    `precision`.

    Attributes:
        k: Which neighbour.
    """

    k: int = K

    def figures(self, fakes: Tensor, real: Side, extractor: FeatureExtractor) -> dict[str, float]:
        """The share, in [0, 1]; see `Measure.figures`."""
        return {"": share_inside(fakes, real.on_device, real.squared_radii(self.k))}

    def setting(self, n_fake: int, n_real: int) -> str:
        """As `Measure.setting`."""
        check_neighbours(n_real, self.k, "reference images")
        return f"k = {self.k}"


@dataclass(frozen=True)
class Recall:
    """Share of real images inside the manifold of generated ones; `Precision` with sides exchanged.

    Attributes:
        k: Which neighbour.
    """

    k: int = K

    def figures(self, fakes: Tensor, real: Side, extractor: FeatureExtractor) -> dict[str, float]:
        """The share, in [0, 1]; see `Measure.figures`."""
        radii = squared_radii(fakes, self.k, "generated images")
        return {"": share_inside(real.on_device, fakes, radii)}

    def setting(self, n_fake: int, n_real: int) -> str:
        """As `Measure.setting`."""
        check_neighbours(n_fake, self.k, "generated images")
        return f"k = {self.k}"


def share_inside(features: Tensor, centres: Tensor, radii: Tensor) -> float:
    """Share of features inside any of some balls.

    Args:
        features: Features [N, F], N >= 1.
        centres: Features [M, F].
        radii: Squared radii [M], float64.

    Returns:
        The share, in [0, 1].
    """
    inside = [
        (distances <= radii).any(dim=1)
        for _, distances in squared_distance_blocks(features, centres)
    ]
    return float(torch.cat(inside).double().mean())
