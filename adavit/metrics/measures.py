"""The metrics of two sets of images as objects: what each one needs, measures and is set to.

Path lengths are not here: they need a generator, not images (`adavit.metrics.path_length`).
"""

from typing import Protocol

from torch import Tensor

from adavit.metrics.density_coverage import Coverage, Density
from adavit.metrics.distances import frechet_distance_of, gaussian_statistics, kernel_distance
from adavit.metrics.extractors.extractor import FeatureExtractor
from adavit.metrics.fid_infinity import FidInfinity
from adavit.metrics.inception_score import InceptionScore
from adavit.metrics.kid_subsets import KidSubsets
from adavit.metrics.precision_recall import Precision, Recall
from adavit.metrics.side import Side


class Measure(Protocol):
    """A metric of generated against real images."""

    def figures(self, fakes: Tensor, real: Side, extractor: FeatureExtractor) -> dict[str, float]:
        """Measures.

        Args:
            fakes: Finite features [N, F] of generated images, on the device of distances.
            real: The real side.
            extractor: Where the features come from.

        Returns:
            Figures by the ending of their names: "" is the metric itself, "_std" its spread.
        """
        ...

    def setting(self, n_fake: int, n_real: int) -> str:
        """How it is measured between so many images, for the protocol.

        Raises:
            UserError: If they are too few.
        """
        ...


class Fid:
    """Frechet distance, Heusel et al. 2017: `adavit.metrics.distances.frechet_distance`."""

    def figures(self, fakes: Tensor, real: Side, extractor: FeatureExtractor) -> dict[str, float]:
        """The squared distance, >= 0; see `Measure.figures`."""
        of_fakes = gaussian_statistics(fakes, "generated images")
        return {"": frechet_distance_of(real.statistics, of_fakes, root_a=real.root)}

    def setting(self, n_fake: int, n_real: int) -> str:
        """As `Measure.setting`."""
        return "float64, all images"


class Kid:
    """Full-sample kernel distance, Binkowski et al. 2018: `adavit.metrics.distances.kernel_distance`."""

    def figures(self, fakes: Tensor, real: Side, extractor: FeatureExtractor) -> dict[str, float]:
        """The unbiased squared discrepancy; see `Measure.figures`."""
        return {"": kernel_distance(fakes, real.on_device, self_mean_b=real.self_mean)}

    def setting(self, n_fake: int, n_real: int) -> str:
        """As `Measure.setting`."""
        return "unbiased, all images"


MEASURES: dict[str, Measure] = {
    "fid": Fid(),
    "kid": Kid(),
    "kid_subsets": KidSubsets(),
    "precision": Precision(),
    "recall": Recall(),
    "density": Density(),
    "coverage": Coverage(),
    "is": InceptionScore(),
    "fid_infinity": FidInfinity(),
}
"""Metrics by name."""

WITH_REAL_SCORES = ("fid", "kid")
"""Metrics that real images are scored with too (`adavit.metrics.reference`)."""
