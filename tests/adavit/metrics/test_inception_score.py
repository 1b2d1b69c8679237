import pytest
import torch
from torch_fidelity.metric_isc import isc_features_to_metric

from adavit.errors import UserError
from adavit.metrics.extractors.random_features import RandomFeatures
from adavit.metrics.inception_score import InceptionScore, classifying
from adavit.metrics.real_features import RealFeatures
from tests.references.metrics_features import drawn_features

CPU = torch.device("cpu")


class Classifier(RandomFeatures):
    """Features that are logits already."""

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        return features


@pytest.fixture(scope="module")
def extractor() -> Classifier:
    return Classifier()


def test_the_inception_score_of_certain_and_even_classes_is_their_number(
    extractor: Classifier,
) -> None:
    certain = torch.eye(7).repeat(10 * 7, 1) * 1000
    figures = InceptionScore(splits=1).figures(certain, RealFeatures(certain, CPU), extractor)
    assert figures == {"": pytest.approx(7), "_std": 0}
    unsure = torch.zeros(50, 7)
    assert InceptionScore().figures(unsure, RealFeatures(unsure, CPU), extractor)[
        ""
    ] == pytest.approx(1)


def test_the_inception_score_equals_torch_fidelity(extractor: Classifier) -> None:
    logits = 5 * drawn_features(103, 12, 1)
    expected = isc_features_to_metric(logits, splits=10, rng_seed=2020)
    figures = InceptionScore().figures(logits, RealFeatures(logits, CPU), extractor)
    assert figures[""] == pytest.approx(expected["inception_score_mean"], rel=1e-6)
    assert figures["_std"] == pytest.approx(expected["inception_score_std"], rel=1e-6)


def test_the_inception_score_needs_classes_and_ten_images() -> None:
    with pytest.raises(UserError, match="'is', but extractor random has no classes"):
        classifying(RandomFeatures())
    with pytest.raises(UserError, match="9 generated images, but 'is' needs at least 10"):
        InceptionScore().setting(9, 50)
