"""The metrics of images by name.

Those of a generator, which draw images of their own, are in `adavit.evaluation.generator_measures`.
"""

from typing import ClassVar

from torch import Tensor

from adavit.metrics.distances import frechet_distance_of, gaussian_statistics, kernel_distance
from adavit.metrics.extractors.extractor import FeatureExtractor
from adavit.metrics.inception_score import InceptionScore
from adavit.metrics.measure import Measure
from adavit.metrics.names import RECOGNITION
from adavit.metrics.neighbourhoods import Coverage, Density, Precision, Recall
from adavit.metrics.real_features import RealFeatures
from adavit.metrics.recognition import Kinds, Modes, RecognisedShare
from adavit.metrics.subsets import FidInfinity, KidSubsets


class Fid(Measure):
    """Frechet distance, Heusel et al. 2017: `adavit.metrics.distances.frechet_distance`."""

    def figures(
        self, fakes: Tensor, real: RealFeatures, extractor: FeatureExtractor
    ) -> dict[str, float]:
        """The squared distance, >= 0; see `Measure.figures`."""
        of_fakes = gaussian_statistics(fakes, "generated images")
        return {"": frechet_distance_of(real.statistics, of_fakes, root_a=real.root)}

    def setting(self, n_fake: int, n_real: int) -> str:
        """As `Measure.setting`."""
        return "float64, all images"


class Kid(Measure):
    """Full-sample kernel distance, Binkowski et al. 2018: `adavit.metrics.distances.kernel_distance`."""

    looks_at_pairs: ClassVar[bool] = True

    def figures(
        self, fakes: Tensor, real: RealFeatures, extractor: FeatureExtractor
    ) -> dict[str, float]:
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
    "recognised": RecognisedShare(),
    "kinds": Kinds(),
    "modes": Modes(),
}
"""Metrics by name."""

WITH_REAL_SCORES = ("fid", "kid", "precision", "recall", *RECOGNITION)
"""Metrics that real images are scored with too (`adavit.metrics.reference`)."""
