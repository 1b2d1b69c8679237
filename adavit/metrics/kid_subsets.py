"""KID in the form that the literature reports: the mean over 100 random subsets of 1,000 images."""

from dataclasses import dataclass

from torch import Tensor
from torch_fidelity.metric_kid import (
    KEY_METRIC_KID_MEAN,
    KEY_METRIC_KID_STD,
    kid_features_to_metric,
)

from adavit.metrics.extractors.extractor import FeatureExtractor
from adavit.metrics.side import Side


@dataclass(frozen=True)
class KidSubsets:
    """Kernel distance between random subsets of both sides, averaged.

    Binkowski et al. 2018 (arXiv:1801.01401, section 4 and equation 4), by torch-fidelity, which
    draws the subsets with a seed of its own. It estimates the same as the full-sample `kid`, with
    the noise of the subsets added; its spread says how large that is.

    Attributes:
        subsets: How many subsets.
        size: Images of either side in a subset, where there are as many.
        seed: Of the draws; torch-fidelity's default.
    """

    subsets: int = 100
    size: int = 1000
    seed: int = 2020

    def figures(self, fakes: Tensor, real: Side, extractor: FeatureExtractor) -> dict[str, float]:
        """Mean over the subsets, and "_std" their standard deviation; see `Measure.figures`."""
        found = kid_features_to_metric(
            fakes.double().cpu(),
            real.features.double(),
            kid_subsets=self.subsets,
            kid_subset_size=self._size(len(fakes), len(real)),
            rng_seed=self.seed,
            verbose=False,
        )
        return {"": found[KEY_METRIC_KID_MEAN], "_std": found[KEY_METRIC_KID_STD]}

    def setting(self, n_fake: int, n_real: int) -> str:
        """As `Measure.setting`."""
        return f"unbiased, {self.subsets} subsets of {self._size(n_fake, n_real)}"

    def _size(self, n_fake: int, n_real: int) -> int:
        return min(self.size, n_fake, n_real)
