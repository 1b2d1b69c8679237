"""Metrics over subsets of the images: KID in its published form, and FID extrapolated to infinitely many images."""

from dataclasses import dataclass

import torch
from torch import Tensor

from adavit.metrics.distances import TooFewImagesError, frechet_distance_of, gaussian_statistics
from adavit.metrics.extractors.extractor import FeatureExtractor
from adavit.metrics.measure import Measure
from adavit.metrics.real_features import RealFeatures


@dataclass(frozen=True)
class KidSubsets(Measure):
    """Kernel distance between random subsets of both sides, averaged.

    Binkowski et al. 2018 (arXiv:1801.01401, section 4 and equation 4), by torch-fidelity, which
    draws the subsets with a seed of its own. It estimates the same as the full-sample `kid`, with
    the noise of the subsets added; its spread says how large that is. Where a subset is all images of
    both sides they are all the same one, and no spread is known.

    Attributes:
        subsets: How many subsets.
        size: Images of either side in a subset, where there are as many.
        seed: Of the draws; torch-fidelity's default.
    """

    subsets: int = 100
    size: int = 1000
    seed: int = 2020

    def figures(
        self, fakes: Tensor, real: RealFeatures, extractor: FeatureExtractor
    ) -> dict[str, float]:
        """Mean over the subsets, and "_std" their standard deviation where they differ; see `Measure.figures`."""
        # Where it is needed: it brings torchvision along, and a run starts sooner without.
        from torch_fidelity.metric_kid import (
            KEY_METRIC_KID_MEAN,
            KEY_METRIC_KID_STD,
            kid_features_to_metric,
        )

        size = self._size(len(fakes), len(real))
        found = kid_features_to_metric(
            fakes.double().cpu(),
            real.features.double(),
            kid_subsets=self.subsets,
            kid_subset_size=size,
            rng_seed=self.seed,
            verbose=False,
        )
        differ = size < max(len(fakes), len(real))
        spread = {"_std": found[KEY_METRIC_KID_STD]} if differ else {}
        return {"": found[KEY_METRIC_KID_MEAN], **spread}

    def setting(self, n_fake: int, n_real: int) -> str:
        """As `Measure.setting`."""
        return f"unbiased, {self.subsets} subsets of {self._size(n_fake, n_real)}"

    def _size(self, n_fake: int, n_real: int) -> int:
        return min(self.size, n_fake, n_real)


@dataclass(frozen=True)
class FidInfinity(Measure):
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

    def figures(
        self, fakes: Tensor, real: RealFeatures, extractor: FeatureExtractor
    ) -> dict[str, float]:
        """The intercept, in squared units of the features; see `Measure.figures`.

        Raises:
            TooFewImagesError: If there are too few images for as many different subsets.
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
            raise TooFewImagesError(
                f"there are {n_fake} generated images, but fid_infinity needs at least {least}, and"
                " thousands to mean anything. Generate more."
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
