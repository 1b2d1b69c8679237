"""The Inception score: of generated images alone, kept for comparison with older papers."""

from dataclasses import dataclass

from torch import Tensor

from adavit.errors import UserError
from adavit.metrics.distances import TooFewImagesError
from adavit.metrics.extractors.extractor import ClassifyingExtractor, FeatureExtractor
from adavit.metrics.measure import Measure
from adavit.metrics.real_features import RealFeatures


@dataclass(frozen=True)
class InceptionScore(Measure):
    """exp of the mean divergence of p(class | image) from p(class), by torch-fidelity.

    Salimans et al. 2016 (arXiv:1606.03498, section 4), over 10 parts of the images in an order drawn
    with torch-fidelity's seed. It sees no real images: a generator of one perfect image per class
    scores best. Only Inception has its 1,008 classes.

    Attributes:
        splits: Parts of the images.
        seed: Of their order; torch-fidelity's default.
    """

    splits: int = 10
    seed: int = 2020

    def check_extractor(self, extractor: FeatureExtractor) -> None:
        """See `Measure`: it needs classes."""
        classifying(extractor)

    def figures(
        self, fakes: Tensor, real: RealFeatures, extractor: FeatureExtractor
    ) -> dict[str, float]:
        """Mean over the parts, in [1, 1008], and "_std" their spread; see `Measure.figures`.

        Raises:
            UserError: If the extractor has no classes.
        """
        # Where it is needed: it brings torchvision along, and a run starts sooner without.
        from torch_fidelity.metric_isc import (
            KEY_METRIC_ISC_MEAN,
            KEY_METRIC_ISC_STD,
            isc_features_to_metric,
        )

        found = isc_features_to_metric(
            classifying(extractor).logits(fakes).cpu(), splits=self.splits, rng_seed=self.seed
        )
        return {"": found[KEY_METRIC_ISC_MEAN], "_std": found[KEY_METRIC_ISC_STD]}

    def setting(self, n_fake: int, n_real: int) -> str:
        """As `Measure.setting`."""
        if n_fake < self.splits:
            raise TooFewImagesError(
                f"there are {n_fake} generated images, but 'is' needs at least {self.splits}."
                " Generate more."
            )
        return f"{self.splits} splits"


def classifying(extractor: FeatureExtractor) -> ClassifyingExtractor:
    """The extractor, if it has classes.

    Raises:
        UserError: If it has none.
    """
    if isinstance(extractor, ClassifyingExtractor):
        return extractor
    raise UserError(
        f"metrics name 'is', but extractor {extractor.name} has no classes; expected inception."
        " Leave 'is' out, or use extractor inception."
    )
