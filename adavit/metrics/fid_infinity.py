"""FID extrapolated to infinitely many generated images."""

from dataclasses import dataclass

import torch
from torch import Tensor

from adavit.errors import UserError
from adavit.metrics.distances import frechet_distance_of, gaussian_statistics
from adavit.metrics.extractors.extractor import FeatureExtractor
from adavit.metrics.side import Side


@dataclass(frozen=True)
class FidInfinity:
    """Intercept of a line through the FID of growing subsets against 1 / their size.

    Chong and Forsyth 2020 (arXiv:1911.07023, section 4): the bias of FID is linear in 1/N for large
    N, so a line fitted to N from a tenth of the images to all of them meets 1/N = 0 where no bias of
    the generated side is left. That of the real side stays. With few images the intercept is noisy
    and may be negative.

    Attributes:
        points: Subset sizes, evenly spaced.
        seed: Of the draw of the subsets.
    """

    points: int = 15
    seed: int = 0

    def figures(self, fakes: Tensor, real: Side, extractor: FeatureExtractor) -> dict[str, float]:
        """The intercept, in squared units of the features; see `Measure.figures`.

        Raises:
            UserError: If there are too few images for as many different subsets.
        """
        sizes = self._sizes(len(fakes))
        generator = torch.Generator().manual_seed(self.seed)
        distances = []
        for size in sizes:
            chosen = torch.randperm(len(fakes), generator=generator)[:size].to(fakes.device)
            statistics = gaussian_statistics(fakes[chosen], "generated images")
            distances.append(frechet_distance_of(real.statistics, statistics, root_a=real.root))
        return {"": intercept([1 / size for size in sizes], distances)}

    def setting(self, n_fake: int, n_real: int) -> str:
        """As `Measure.setting`."""
        sizes = self._sizes(n_fake)
        return f"{self.points} subsets of {sizes[0]} to {sizes[-1]}"

    def _sizes(self, n_fake: int) -> list[int]:
        least = 2 * self.points  # below, the sizes coincide
        if n_fake < least:
            raise UserError(
                f"there are {n_fake} generated images, but fid_infinity needs at least {least}, and"
                " thousands to mean anything. Raise --fakes."
            )
        first = max(2, n_fake // 10)
        step = (n_fake - first) / (self.points - 1)
        return [round(first + index * step) for index in range(self.points)]


def intercept(x: list[float], y: list[float]) -> float:
    """Where the least-squares line through points meets x = 0."""
    at, values = (torch.tensor(side, dtype=torch.float64) for side in (x, y))
    centred = at - at.mean()
    slope = (centred * (values - values.mean())).sum() / centred.square().sum()
    return float(values.mean() - slope * at.mean())
