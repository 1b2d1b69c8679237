"""Metrics that count neighbourhoods: precision and recall, density and coverage.

A neighbourhood is the ball around an image's features that reaches to its k-th nearest neighbour on its own side.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from adavit.metrics.extractors.extractor import FeatureExtractor
from adavit.metrics.measure import Measure
from adavit.metrics.neighbours import check_neighbours, inside_blocks, squared_radii
from adavit.metrics.real_features import RealFeatures

MANIFOLD_K = 3
"""Of precision and recall, as published."""

DENSITY_K = 5
"""Of density and coverage, as published."""


@dataclass(frozen=True)
class RealNeighbourhoods(Measure):
    """A metric that counts in the neighbourhoods of real images.

    Attributes:
        k: Which neighbour a neighbourhood reaches to.
    """

    k: int

    def setting(self, n_fake: int, n_real: int) -> str:
        """As `Measure.setting`."""
        check_neighbours(n_real, self.k, "reference images")
        return f"k = {self.k}"


@dataclass(frozen=True)
class Precision(RealNeighbourhoods):
    """Share of generated images inside the manifold of real ones.

    Kynkaanniemi et al. 2019 (arXiv:1904.06991, equations 1 and 2): the manifold is the union of the
    balls around all real features that reach to their k-th nearest neighbour. With VGG16 and k = 3,
    `precision`.
    """

    looks_at_pairs: ClassVar[bool] = True
    k: int = MANIFOLD_K

    def figures(
        self, fakes: Tensor, real: RealFeatures, extractor: FeatureExtractor
    ) -> dict[str, float]:
        """The share, in [0, 1]; see `Measure.figures`."""
        return {"": share_inside(fakes, real.on_device, real.squared_radii(self.k))}


@dataclass(frozen=True)
class Recall(Measure):
    """Share of real images inside the manifold of generated ones; `Precision` with sides exchanged.

    Attributes:
        k: Which neighbour.
    """

    looks_at_pairs: ClassVar[bool] = True
    k: int = MANIFOLD_K

    def figures(
        self, fakes: Tensor, real: RealFeatures, extractor: FeatureExtractor
    ) -> dict[str, float]:
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
    inside = [block.any(dim=1) for block in inside_blocks(features, centres, radii)]
    return float(torch.cat(inside).double().mean())


@dataclass(frozen=True)
class Density(RealNeighbourhoods):
    """Mean number of real neighbourhoods that a generated image lies in, over k.

    Naeem et al. 2020 (arXiv:2002.09797, equation 3). About 1 where both distributions agree; it can
    exceed 1 where generated images crowd in dense places. The paper's experiments use VGG16 and
    k = 5; with these it is `density`.
    """

    looks_at_pairs: ClassVar[bool] = True
    k: int = DENSITY_K

    def figures(
        self, fakes: Tensor, real: RealFeatures, extractor: FeatureExtractor
    ) -> dict[str, float]:
        """The mean over k, >= 0; see `Measure.figures`."""
        radii = real.squared_radii(self.k)
        blocks = inside_blocks(fakes, real.on_device, radii)
        counted = sum(int(block.sum()) for block in blocks)
        return {"": counted / (self.k * len(fakes))}


@dataclass(frozen=True)
class Coverage(RealNeighbourhoods):
    """Share of real images whose neighbourhood has a generated image in it.

    Naeem et al. 2020 (arXiv:2002.09797, equation 4). It depends on the number of generated images,
    as recall does.
    """

    looks_at_pairs: ClassVar[bool] = True
    k: int = DENSITY_K

    def figures(
        self, fakes: Tensor, real: RealFeatures, extractor: FeatureExtractor
    ) -> dict[str, float]:
        """The share, in [0, 1]; see `Measure.figures`."""
        radii = real.squared_radii(self.k)
        covered = torch.zeros(len(real), dtype=torch.bool, device=radii.device)
        for block in inside_blocks(fakes, real.on_device, radii):
            covered |= block.any(dim=0)
        return {"": float(covered.double().mean())}
