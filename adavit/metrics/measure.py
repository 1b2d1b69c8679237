"""The interface of a metric of images: what it needs of an extractor, its figures and its settings."""

from torch import Tensor

from adavit.metrics.extractors.extractor import FeatureExtractor
from adavit.metrics.real_features import RealFeatures


class Measure:
    """A metric of the features of generated images."""

    def check_extractor(self, extractor: FeatureExtractor) -> None:
        """Refuses features that it cannot be made of.

        Raises:
            UserError: If `extractor` lacks what it needs.
        """

    def figures(
        self, fakes: Tensor, real: RealFeatures, extractor: FeatureExtractor
    ) -> dict[str, float]:
        """Computes the figures.

        Args:
            fakes: Finite features [N, F] of generated images, on the device of distances.
            real: The real side.
            extractor: Where the features come from.

        Returns:
            Figures by the ending of their names: "" is the metric itself, "_std" its spread.
        """
        raise NotImplementedError

    def setting(self, n_fake: int, n_real: int) -> str:
        """How it is measured between so many images, for the protocol.

        Raises:
            UserError: If they are too few.
        """
        raise NotImplementedError
