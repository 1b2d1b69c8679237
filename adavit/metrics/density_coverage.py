"""Density and coverage: precision and recall that single outliers cannot move."""

from dataclasses import dataclass

import torch
from torch import Tensor

from adavit.metrics.extractors.extractor import FeatureExtractor
from adavit.metrics.neighbours import check_neighbours, squared_distance_blocks
from adavit.metrics.side import Side

K = 5


@dataclass(frozen=True)
class Density:
    """Mean number of real neighbourhoods that a generated image lies in, over k.

    Naeem et al. 2020 (arXiv:2002.09797, equation 3). About 1 where both distributions agree; it can
    exceed 1 where generated images crowd in dense places. The paper's experiments use VGG16 and
    k = 5; with these it is `density`.

    Attributes:
        k: Which neighbour a neighbourhood reaches to.
    """

    k: int = K

    def figures(self, fakes: Tensor, real: Side, extractor: FeatureExtractor) -> dict[str, float]:
        """The mean over k, >= 0; see `Measure.figures`."""
        radii = real.squared_radii(self.k)
        blocks = squared_distance_blocks(fakes, real.on_device)
        counted = sum(int((distances <= radii).sum()) for _, distances in blocks)
        return {"": counted / (self.k * len(fakes))}

    def setting(self, n_fake: int, n_real: int) -> str:
        """As `Measure.setting`."""
        check_neighbours(n_real, self.k, "reference images")
        return f"k = {self.k}"


@dataclass(frozen=True)
class Coverage:
    """Share of real images whose neighbourhood has a generated image in it.

    Naeem et al. 2020 (arXiv:2002.09797, equation 4). It depends on the number of generated images,
    as recall does.

    Attributes:
        k: Which neighbour a neighbourhood reaches to.
    """

    k: int = K

    def figures(self, fakes: Tensor, real: Side, extractor: FeatureExtractor) -> dict[str, float]:
        """The share, in [0, 1]; see `Measure.figures`."""
        radii = real.squared_radii(self.k)
        covered = torch.zeros(len(real), dtype=torch.bool, device=radii.device)
        for _, distances in squared_distance_blocks(fakes, real.on_device):
            covered |= (distances <= radii).any(dim=0)
        return {"": float(covered.double().mean())}

    def setting(self, n_fake: int, n_real: int) -> str:
        """As `Measure.setting`."""
        check_neighbours(n_real, self.k, "reference images")
        return f"k = {self.k}"
